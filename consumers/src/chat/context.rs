//! What a turn stands on: the question, what was said before it, and who asks.

use pipeline::{
    chat::{
        generation::{PromptMessage, Role},
        restore,
        turn::Turn,
    },
    constants,
    failure::Failure,
    ids::ConversationId,
    job::item::Claim,
    platform::{
        ports::{Clock, Database, ObjectStore},
        statement::{Answers, Statement},
    },
    tenant::Tenant,
};
use serde::Deserialize;

use super::history::{self, Numbered};

/// A question with fewer telling words is looked for together with the one before it.
const FEW_TERMS: usize = 3;
/// All a turn stands on.
#[derive(Debug)]
pub struct Context {
    /// What is asked, and how it is to be answered.
    pub turn: Turn,
    /// Who asks.
    pub tenant: Tenant,
    /// The question.
    pub question: String,
    /// Of what was said before `said`.
    pub summary: Option<String>,
    /// What was said before, oldest first.
    pub said: Vec<Numbered>,
}

/// Reads it; `None` if the conversation is gone. One that was put away while its question had failed
/// comes back first.
pub async fn read<P: Database + ObjectStore + Clock>(ports: &P, claim: &Claim) -> Result<Option<Context>, Failure> {
    #[derive(Deserialize)]
    struct Conversation {
        id: ConversationId,
        archived_key: Option<String>,
    }
    let answers = ports.batch(select(claim)).await?;
    match answers.at(1)?.first()? {
        Some(Conversation { id, archived_key: Some(_) }) => {
            restore::restore(ports, &claim.user, &id).await?;
            context(&ports.batch(select(claim)).await?)
        }
        _ => context(&answers),
    }
}

/// The job, its conversation, what was said in it.
fn select(claim: &Claim) -> Vec<Statement> {
    let of_job = |sql| Statement::new(sql).bind(&claim.job).bind(&claim.user);
    vec![
        of_job(
            "SELECT j.turn, u.id AS user, u.number, u.index_version, u.document_count, u.profile
             FROM jobs j JOIN users u ON u.id = j.user_id WHERE j.id = ?1 AND j.user_id = ?2",
        ),
        of_job(
            "SELECT c.id, c.summary, c.archived_key FROM jobs j JOIN conversations c ON c.user_id = j.user_id AND c.id = j.turn ->> '$.conversation_id'
             WHERE j.id = ?1 AND j.user_id = ?2",
        ),
        of_job(
            "SELECT t.number, t.role, t.content
             FROM jobs j JOIN conversations c ON c.user_id = j.user_id AND c.id = j.turn ->> '$.conversation_id'
             JOIN turns t ON t.user_id = c.user_id AND t.conversation_id = c.id
                  AND t.number > c.summarised_through AND t.number <= j.turn ->> '$.number'
             WHERE j.id = ?1 AND j.user_id = ?2 ORDER BY t.number",
        ),
    ]
}

fn context(answers: &Answers) -> Result<Option<Context>, Failure> {
    #[derive(Deserialize)]
    struct JobRow {
        turn: Option<String>,
        #[serde(flatten)]
        tenant: Tenant,
    }
    #[derive(Deserialize)]
    struct ConversationRow {
        summary: Option<String>,
    }
    #[derive(Deserialize)]
    struct Row {
        number: i64,
        role: Role,
        content: String,
    }
    let Some(job) = answers.at(0)?.first::<JobRow>()? else { return Ok(None) };
    let text = job.turn.ok_or_else(|| Failure::bug("a chat job without a turn"))?;
    let turn: Turn =
        serde_json::from_str(&text).map_err(|error| Failure::bug(format!("a chat job's turn: {error}")))?;
    let Some(conversation) = answers.at(1)?.first::<ConversationRow>()? else { return Ok(None) };
    let mut rows: Vec<Row> = answers.at(2)?.all()?;
    let Some(question) = rows.pop().filter(|row| row.number == turn.number) else { return Ok(None) };
    let numbered =
        |row: Row| Numbered { number: row.number, message: PromptMessage { role: row.role, content: row.content } };
    // A client that keeps the history itself sends it along; it is older than all that is stored.
    let sent = turn.request.history.iter().map(|message| Numbered { number: 0, message: message.clone() });
    let said = sent.chain(rows.into_iter().map(numbered)).collect();
    Ok(Some(Context { said, question: question.content, summary: conversation.summary, tenant: job.tenant, turn }))
}

/// What is looked for: the question, with the one before it if it says little by itself.
pub fn query(context: &Context) -> String {
    let question = &context.question;
    let before = context.said.iter().rev().find(|said| said.message.role == Role::User);
    let query = match before {
        Some(before) if retrieval::keyword::terms(question).len() < FEW_TERMS => {
            format!("{} {question}", before.message.content)
        }
        _ => question.clone(),
    };
    history::beginning(&query, constants::QUERY_BYTES).to_owned()
}
