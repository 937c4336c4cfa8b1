//! The commit of a turn: one transaction, after which the question cannot be lost.
//!
//! It takes the conversation's next number, so that two questions posted at once are both kept, in
//! an order; the second waits until the first is answered (`pipeline::job::item`'s waiting items), so
//! that its answer can know the first. An answer that is known already is committed with it.

use pipeline::{
    chat::turn::{CachedAnswer, Turn},
    failure::Failure,
    ids::{ItemId, JobId, UserId},
    job::message::{Message, Stage},
    platform::{
        ports::{Clock, Database, Queue},
        statement::{Statement, json},
    },
    time::Timestamp,
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

#[derive(Deserialize)]
struct Inserted {
    id: ItemId,
    state: String,
}

/// Commits a question and sends its message.
pub async fn accept<P: Database + Queue + Clock>(ports: &P, question: &Question<'_>) -> Result<Accepted, Failure> {
    let now = ports.now();
    let mut statements = vec![claim_key(question, now)];
    if question.is_new {
        statements.push(insert_conversation(question, now));
    }
    // From here on everything hangs on the job's row, and that on key and conversation.
    statements.push(count_up(question));
    let job = statements.len();
    statements.push(insert_job(question, now)?);
    statements.push(insert_question(question, now));
    let item = statements.len();
    if let Some(answer) = question.answer {
        statements.push(insert_answer(question, answer, now)?);
    } else {
        statements.push(insert_item(question, now));
        statements.push(link_predecessor(question));
    }
    statements.push(advance_conversation(question, now));
    let conversation = statements.len();
    statements.push(find_conversation(question));
    let answers = ports.batch(statements).await?;
    if answers.at(job)?.changes == 0 {
        let is_there = !answers.at(conversation)?.rows.is_empty();
        return Ok(if is_there || question.is_new { Accepted::KeyInFlight } else { Accepted::NoConversation });
    }
    if question.answer.is_none()
        && let Some(inserted) = answers.at(item)?.first::<Inserted>()?
        && inserted.state == "queued"
    {
        // The turn is committed: a lost message costs a sweep, not the turn.
        let message = Message { stage: Stage::Chat, item: inserted.id, user: question.user.clone() };
        let _ = ports.send(vec![message]).await;
    }
    Ok(Accepted::Yes)
}

fn find_conversation(question: &Question<'_>) -> Statement {
    Statement::new("SELECT 1 AS found FROM conversations WHERE user_id = ?1 AND id = ?2 AND archived_key IS NULL")
        .bind(question.user)
        .bind(&question.turn.conversation_id)
}

fn claim_key(question: &Question<'_>, now: Timestamp) -> Statement {
    let (key, body_hash) = question.idempotency.unzip();
    Statement::new(
        "INSERT OR IGNORE INTO idempotency_keys (user_id, key, body_hash, job_id, response, created_at)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE ?2 IS NOT NULL
           AND (?7 OR EXISTS (SELECT 1 FROM conversations WHERE user_id = ?1 AND id = ?8 AND archived_key IS NULL))",
    )
    .bind(question.user)
    .bind(key)
    .bind(body_hash)
    .bind(question.job)
    .bind(question.response)
    .bind(now)
    .bind(question.is_new)
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

/// Whether this request may go on: its key is its own, its conversation exists.
const MAY: &str = "EXISTS (SELECT 1 FROM conversations WHERE user_id = ?1 AND id = ?2 AND archived_key IS NULL)
    AND (?3 IS NULL OR EXISTS (SELECT 1 FROM idempotency_keys WHERE user_id = ?1 AND key = ?3 AND job_id = ?4))";

fn guarded(question: &Question<'_>, sql: &'static str) -> Statement {
    debug_assert!(sql.contains(MAY), "a write without the guard");
    let (key, _) = question.idempotency.unzip();
    Statement::new(sql).bind(question.user).bind(&question.turn.conversation_id).bind(key).bind(question.job)
}

fn count_up(question: &Question<'_>) -> Statement {
    guarded(
        question,
        "UPDATE counters SET value = value + 1
         WHERE name = 'item' AND EXISTS (SELECT 1 FROM conversations WHERE user_id = ?1 AND id = ?2 AND archived_key IS NULL)
    AND (?3 IS NULL OR EXISTS (SELECT 1 FROM idempotency_keys WHERE user_id = ?1 AND key = ?3 AND job_id = ?4))",
    )
}

fn insert_job(question: &Question<'_>, now: Timestamp) -> Result<Statement, Failure> {
    // A job without items is one that is finished.
    let statement = guarded(
        question,
        "INSERT INTO jobs (id, user_id, kind, accepted_at, created_at, first_item, last_item, documents, turn, finished_at)
         SELECT ?4, ?1, 'chat', ?5, ?5, i.value, i.value - CASE WHEN ?7 THEN 1 ELSE 0 END, 0,
                json_set(?6, '$.number', (SELECT last_number + 1 FROM conversations WHERE user_id = ?1 AND id = ?2)),
                CASE WHEN ?7 THEN ?5 END
         FROM counters i WHERE i.name = 'item'
           AND EXISTS (SELECT 1 FROM conversations WHERE user_id = ?1 AND id = ?2 AND archived_key IS NULL)
    AND (?3 IS NULL OR EXISTS (SELECT 1 FROM idempotency_keys WHERE user_id = ?1 AND key = ?3 AND job_id = ?4))",
    );
    Ok(statement.bind(now).bind(json(question.turn)?).bind(question.answer.is_some()))
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

/// Waits for the question before it, if that is not answered.
fn insert_item(question: &Question<'_>, now: Timestamp) -> Statement {
    Statement::new(
        "INSERT INTO job_items (id, job_id, user_id, stage, state, first_pack, last_pack, documents, document_count, chunk_count,
                                progress, lease, attempts, next_at, sent_at, updated_at)
         SELECT j.first_item, j.id, j.user_id, 'chat', CASE WHEN before.id IS NULL THEN 'queued' ELSE 'waiting' END,
                before.id, before.id, '[]', 1, 0, 0, 0, 0, ?2, ?2, ?2
         FROM jobs j
         JOIN conversations c ON c.user_id = j.user_id AND c.id = j.turn ->> '$.conversation_id'
         LEFT JOIN job_items before ON before.id = c.last_item AND before.state NOT IN ('done', 'failed', 'cancelled')
         WHERE j.id = ?1
         RETURNING id, state",
    )
    .bind(question.job)
    .bind(now)
}

fn link_predecessor(question: &Question<'_>) -> Statement {
    Statement::new(
        "UPDATE job_items SET batch = (SELECT first_item FROM jobs WHERE id = ?1)
         WHERE id = (SELECT i.first_pack FROM jobs j JOIN job_items i ON i.id = j.first_item WHERE j.id = ?1)",
    )
    .bind(question.job)
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
