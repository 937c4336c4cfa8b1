//! The commit of a turn: one transaction, after which the question cannot be lost.
//!
//! It takes the conversation's next number, so that two questions posted at once are both kept, in
//! an order; the second waits until the first is answered (`store::jobs::create`), so
//! that its answer can know the first. An answer that is known already is committed with it.

use pipeline::{
    chat::turn::{Turn, TurnAnswer},
    failure::Failure,
    ids::{JobId, UserId},
    job::message::Stage,
    platform::{
        ports::{Clock, Database, Queue},
        statement::json,
        transaction::Transaction,
    },
    store::{
        conversations::{self, NewConversation, messages},
        counters,
        idempotency::{self, NewKey},
        jobs::create::{self, NewItem, NewTurnJob},
    },
    time::Timestamp,
};

use crate::http::idempotency::Key;

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
    /// The idempotency key, if the request has one.
    pub key: Option<&'a Key>,
    /// The answer to replay for that key.
    pub response: &'a str,
    /// The answer, if it is known.
    pub answer: Option<&'a TurnAnswer>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// The turn is committed.
    Accepted,
    /// There is no such conversation of this user, or it is archived.
    NoConversation,
    /// Another request with the same key is in flight.
    KeyInFlight,
}

/// Bytes of a question that make a conversation's title.
const TITLE_BYTES: usize = 80;

/// Commits a question and sends its message.
pub async fn accept<P: Database + Queue + Clock>(ports: &P, question: &Question<'_>) -> Result<Acceptance, Failure> {
    let now = ports.now();
    let conversation = &question.turn.conversation_id;
    let mut transaction = Transaction::default();
    begin(&mut transaction, question, now);
    // From here on everything hangs on the job's row, and that on key and conversation.
    let job = transaction.write(create::turn_job(NewTurnJob {
        id: question.job,
        user: question.user,
        turn: &json(question.turn)?,
        conversation,
        is_answered: question.answer.is_some(),
        key: question.key.map(|key| key.key.as_str()),
        now,
    }));
    insert(&mut transaction, question, now)?;
    let open = transaction.query(conversations::open(question.user, conversation));
    let done = transaction.commit(ports).await?;
    if done.changes(job) == 0 {
        let is_there = done.first(open)?.is_some();
        return Ok(if is_there || question.is_new { Acceptance::KeyInFlight } else { Acceptance::NoConversation });
    }
    let messages = done.messages()?;
    if !messages.is_empty() {
        // The turn is committed: a lost message costs a sweep, not the turn.
        let _ = ports.send(messages).await;
    }
    Ok(Acceptance::Accepted)
}

/// What the job hangs on: its key, and its conversation if it begins with it.
fn begin(transaction: &mut Transaction, question: &Question<'_>, now: Timestamp) {
    let conversation = &question.turn.conversation_id;
    let (key, body_hash) = question.key.map(|key| (key.key.as_str(), key.body_hash.as_str())).unzip();
    if let Some(Key { key, joined_within: Some(within), .. }) = question.key {
        transaction.write(idempotency::leave_ended_turn(question.user, key, now.plus(-*within)));
    }
    let new_key = NewKey { user: question.user, key, body_hash, job: question.job, now };
    transaction.write(idempotency::claim_answered(new_key, question.response, conversation, question.is_new));
    if question.is_new {
        transaction.write(conversations::insert(NewConversation {
            id: conversation,
            user: question.user,
            title: &title(question.message),
            origin: question.origin,
            key: key.map(|key| (key, question.job)),
            now,
        }));
    }
}

/// What hangs on the job: its number, its messages, its item if it is not answered.
fn insert(transaction: &mut Transaction, question: &Question<'_>, now: Timestamp) -> Result<(), Failure> {
    transaction.write(counters::take_item_numbers(question.job, 1));
    transaction.write(messages::insert_question(question.job, question.message, now));
    if let Some(answer) = question.answer {
        transaction.write(messages::insert_known_answer(question.job, &answer.answer, &json(&answer.detail)?, now));
    } else {
        let item = NewItem { document_count: Some(1), ..NewItem::queued(Stage::Chat, now) };
        transaction.query(create::items(question.job, &[item], now)?);
        // Waits for the question before it, if that is not answered.
        transaction.write(create::wait_for_predecessor(question.job));
        transaction.write(create::link_predecessor(question.job));
        transaction.announce(create::first_item(question.job));
    }
    let (conversation, is_answered) = (&question.turn.conversation_id, question.answer.is_some());
    transaction.write(conversations::advance(question.user, conversation, question.job, is_answered, now));
    Ok(())
}

/// The first line of the question, cut at a word; without what no title may hold.
fn title(message: &str) -> String {
    let line = message.trim().split(['\n', '\r']).next().unwrap_or_default().trim();
    let line = line.replace(char::is_control, " ");
    if line.len() <= TITLE_BYTES {
        return line;
    }
    let end = line.floor_char_boundary(TITLE_BYTES);
    let cut = line[..end].rfind(char::is_whitespace).filter(|at| *at > 0).unwrap_or(end);
    format!("{}…", line[..cut].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_the_first_line_cut_at_a_word() {
        for message in ["Hi\nthere", " Hi\rthere", "\nHi\r\n"] {
            assert_eq!(title(message), "Hi");
        }
        assert_eq!(title("a\u{0}b\tc"), "a b c");
        let long = title(&"word ".repeat(40));
        assert!(long.ends_with("word…") && long.len() < 90, "{long}");
        assert!(title(&"é".repeat(200)).len() < 90);
    }
}
