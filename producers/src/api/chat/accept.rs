//! The commit of a turn: one transaction, after which the question cannot be lost.
//!
//! It takes the conversation's next number, so that two questions posted at once are both kept, in
//! an order; the second waits until the first is answered (`store::jobs::create`), so
//! that its answer can know the first. An answer that is known already is committed with it.

use pipeline::{
    chat::turn::{CachedAnswer, Turn},
    failure::Failure,
    ids::{JobId, UserId},
    job::message::Stage,
    platform::{
        ports::{Clock, Database, Queue},
        statement::{Statement, json},
    },
    time::Timestamp,
};
use pipeline::{
    platform::transaction::{Query, Transaction},
    store::{
        idempotency::{self, NewKey},
        jobs::create::{self, NewItem, NewTurnJob},
    },
};
use serde::Deserialize;

/// What is to be committed.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The job it becomes.
    pub job: &'a JobId,
    /// Who asks.
    pub user: &'a UserId,
    /// Where it belongs; the number is given out here.
    pub turn: &'a Turn,
    /// The question.
    pub message: &'a str,
    /// The conversation begins with it.
    pub is_new: bool,
    /// Of a new conversation: `chat` or `openai`.
    pub origin: &'a str,
    /// Idempotency key and hex SHA-256 of the body.
    pub idempotency: Option<(&'a str, &'a str)>,
    /// The answer to replay for that key.
    pub response: &'a str,
    /// The answer, if it is known.
    pub answer: Option<&'a CachedAnswer>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// The turn is committed.
    Yes,
    /// There is no such conversation of this user, or it is archived.
    NoConversation,
    /// Another request with the same key is in flight.
    KeyInFlight,
}

/// Bytes of a question that make a conversation's title.
const TITLE_BYTES: usize = 80;

/// Commits a question and sends its message.
pub async fn accept<P: Database + Queue + Clock>(ports: &P, question: &Question<'_>) -> Result<Accepted, Failure> {
    let now = ports.now();
    let (key, body_hash) = question.idempotency.unzip();
    let conversation = &question.turn.conversation_id;
    let mut transaction = Transaction::default();
    let new_key = NewKey { user: question.user, key, body_hash, job: question.job, now };
    transaction.write(idempotency::claim_answered(new_key, question.response, conversation, question.is_new));
    if question.is_new {
        transaction.push(insert_conversation(question, now));
    }
    // From here on everything hangs on the job's row, and that on key and conversation.
    let job = transaction.write(create::turn_job(NewTurnJob {
        id: question.job,
        user: question.user,
        turn: &json(question.turn)?,
        conversation,
        is_answered: question.answer.is_some(),
        key,
        now,
    }));
    transaction.write(create::take_numbers(question.job, 1));
    transaction.push(insert_question(question, now));
    if let Some(answer) = question.answer {
        transaction.push(insert_answer(question, answer, now)?);
    } else {
        let item = NewItem { document_count: Some(1), ..NewItem::queued(Stage::Chat, now) };
        transaction.query(create::items(question.job, &[item], now)?);
        // Waits for the question before it, if that is not answered.
        transaction.write(create::wait_for_predecessor(question.job));
        transaction.write(create::link_predecessor(question.job));
        transaction.announce(create::first_item(question.job));
    }
    transaction.push(advance_conversation(question, now));
    let found = transaction.query(find_conversation(question));
    let done = transaction.commit(ports).await?;
    if done.changes(job) == 0 {
        let is_there = done.first(found)?.is_some();
        return Ok(if is_there || question.is_new { Accepted::KeyInFlight } else { Accepted::NoConversation });
    }
    let messages = done.messages()?;
    if !messages.is_empty() {
        // The turn is committed: a lost message costs a sweep, not the turn.
        let _ = ports.send(messages).await;
    }
    Ok(Accepted::Yes)
}

#[derive(Deserialize)]
struct Found {}

fn find_conversation(question: &Question<'_>) -> Query<Found> {
    Query::new("SELECT 1 AS found FROM conversations WHERE user_id = ?1 AND id = ?2 AND archived_key IS NULL")
        .bind(question.user)
        .bind(&question.turn.conversation_id)
}

fn insert_conversation(question: &Question<'_>, now: Timestamp) -> Statement {
    let (key, _) = question.idempotency.unzip();
    Statement::new(
        "INSERT INTO conversations (user_id, id, title, origin, created_at, updated_at, last_number, summarised_through)
         SELECT ?1, ?2, ?3, ?4, ?5, ?5, 0, 0
         WHERE ?6 IS NULL OR EXISTS (SELECT 1 FROM idempotency_keys WHERE user_id = ?1 AND key = ?6 AND job_id = ?7)
         ON CONFLICT DO NOTHING",
    )
    .bind(question.user)
    .bind(&question.turn.conversation_id)
    .bind(title(question.message))
    .bind(question.origin)
    .bind(now)
    .bind(key)
    .bind(question.job)
}

/// The first line of the question, cut at a word.
fn title(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default().trim();
    if line.len() <= TITLE_BYTES {
        return line.to_owned();
    }
    let mut end = TITLE_BYTES;
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    let cut = line[..end].rfind(char::is_whitespace).filter(|at| *at > 0).unwrap_or(end);
    format!("{}…", line[..cut].trim_end())
}

fn insert_question(question: &Question<'_>, now: Timestamp) -> Statement {
    Statement::new(
        "INSERT INTO turns (user_id, conversation_id, number, id, role, content, created_at)
         SELECT user_id, turn ->> '$.conversation_id', turn ->> '$.number', turn ->> '$.turn_id', 'user', ?2, ?3
         FROM jobs WHERE id = ?1",
    )
    .bind(question.job)
    .bind(question.message)
    .bind(now)
}

fn insert_answer(question: &Question<'_>, answer: &CachedAnswer, now: Timestamp) -> Result<Statement, Failure> {
    Ok(Statement::new(
        "INSERT INTO turns (user_id, conversation_id, number, id, role, content, detail, created_at)
         SELECT user_id, turn ->> '$.conversation_id', (turn ->> '$.number') + 1, turn ->> '$.turn_id', 'assistant', ?2, ?3, ?4
         FROM jobs WHERE id = ?1",
    )
    .bind(question.job)
    .bind(answer.answer.as_str())
    .bind(json(&answer.detail)?)
    .bind(now))
}

fn advance_conversation(question: &Question<'_>, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE conversations SET last_number = last_number + 2, updated_at = ?4,
             last_item = CASE WHEN ?5 THEN last_item ELSE (SELECT first_item FROM jobs WHERE id = ?3) END
         WHERE user_id = ?1 AND id = ?2 AND EXISTS (SELECT 1 FROM jobs WHERE id = ?3)",
    )
    .bind(question.user)
    .bind(&question.turn.conversation_id)
    .bind(question.job)
    .bind(now)
    .bind(question.answer.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_the_first_line_cut_at_a_word() {
        assert_eq!(title("Hi\nthere"), "Hi");
        let long = title(&"word ".repeat(40));
        assert!(long.ends_with("word…") && long.len() < 90, "{long}");
        assert!(title(&"é".repeat(200)).len() < 90);
    }
}
