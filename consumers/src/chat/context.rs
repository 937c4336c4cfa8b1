//! What a turn stands on: the question, the messages before it, and who asks.

use pipeline::{
    chat::{
        generation::{PromptMessage, Role},
        turn::Turn,
    },
    constants,
    failure::Failure,
    job::item::Claim,
    platform::{
        ports::{Clock, Database, ObjectStore},
        transaction::Transaction,
    },
    restore,
    store::{
        conversations::{
            self, TurnConversation,
            messages::{self, PromptMessageRow},
        },
        users::{self, AskerRow},
    },
    tenant::Tenant,
    time::Timestamp,
};

use super::{
    follow_up,
    history::{self, Numbered},
};

/// All a turn stands on.
#[derive(Debug)]
pub struct Context {
    /// What is asked, and how it is to be answered.
    pub turn: Turn,
    /// Who asks.
    pub tenant: Tenant,
    /// The question.
    pub question: String,
    /// What is looked for, and what an answer must be about: the question, and those that it refers to, the newest
    /// first.
    pub query: String,
    /// Of the messages before `earlier`.
    pub summary: Option<String>,
    /// The messages before the question, oldest first.
    pub earlier: Vec<Numbered>,
    /// When it was read, before anything was looked for.
    pub read_at: Timestamp,
}

/// Reads it; `None` if the conversation is gone. One that was archived while its question had failed
/// comes back first.
pub async fn read<P: Database + ObjectStore + Clock>(ports: &P, claim: &Claim) -> Result<Option<Context>, Failure> {
    let now = ports.now();
    let rows = rows(ports, claim).await?;
    match &rows.conversation {
        Some(TurnConversation { id, archived_key: Some(_), .. }) => {
            restore::restore(ports, &claim.user, id).await?;
            self::rows(ports, claim).await?.context(now)
        }
        _ => rows.context(now),
    }
}

/// What D1 knows of a turn.
struct TurnRows {
    asker: Option<AskerRow>,
    conversation: Option<TurnConversation>,
    messages: Vec<PromptMessageRow>,
}

async fn rows<P: Database>(ports: &P, claim: &Claim) -> Result<TurnRows, Failure> {
    let mut transaction = Transaction::default();
    let asker = transaction.query(users::asker(&claim.user, &claim.job));
    let conversation = transaction.query(conversations::of_turn(&claim.user, &claim.job));
    let messages = transaction.query(messages::of_turn(&claim.user, &claim.job));
    let done = transaction.commit(ports).await?;
    Ok(TurnRows { asker: done.first(asker)?, conversation: done.first(conversation)?, messages: done.all(messages)? })
}

impl TurnRows {
    fn context(self, read_at: Timestamp) -> Result<Option<Context>, Failure> {
        let Self { asker: Some(asker), conversation, mut messages } = self else { return Ok(None) };
        let text = asker.turn.ok_or_else(|| Failure::bug("a chat job without a turn"))?;
        let turn = Turn::read(&text)?;
        let Some(conversation) = conversation else { return Ok(None) };
        let Some(question) = messages.pop().filter(|row| row.number == turn.number) else { return Ok(None) };
        let is_by_guest = turn.request.is_by_guest();
        // What a guest could not hear in the session, no answer says to them; a summary may hold anything.
        messages.retain(|row| !is_by_guest || row.is_of_session != 0);
        let summary = conversation.summary.filter(|_| !is_by_guest);
        // A client that keeps the history itself sends it along; it is older than all that is stored.
        let sent = turn.request.history.iter().map(|message| Numbered { number: 0, message: message.clone() });
        let earlier: Vec<Numbered> = sent.chain(messages.into_iter().map(numbered)).collect();
        let question = question.content;
        let query = query(&question, &earlier);
        Ok(Some(Context { query, earlier, question, summary, tenant: asker.tenant, turn, read_at }))
    }
}

fn numbered(row: PromptMessageRow) -> Numbered {
    Numbered { number: row.number, message: PromptMessage::new(row.role, row.content) }
}

/// The question, and those that it refers to.
fn query(question: &str, earlier: &[Numbered]) -> String {
    let asked = earlier.iter().rev().filter(|earlier| earlier.message.role == Role::User);
    let query = follow_up::with_followed(question, asked.map(|earlier| earlier.message.content.as_str()));
    history::beginning(&query, constants::QUERY_BYTES).to_owned()
}
