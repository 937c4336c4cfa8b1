//! Archive: a conversation nobody continued into one object, and its turns out of D1.
//!
//! In: an archive item whose cursor names the conversation and its last message.
//! Does, per message:
//! 1. reads the conversation and its turns; one that was continued or deleted is left alone;
//! 2. notes the object it is about to write, writes it, and reads it back;
//! 3. in one fenced transaction: points the conversation at the object if nobody continued it in the
//!    meantime, and only then removes the first turns;
//! 4. removes the rest of a long conversation in slices.
//!
//! Sends on: archive again while turns are left.
//!
//! What a crash leaves between 2 and 3 is an object that nothing points at; its note lets the
//! collector find it. No turn is removed that the object does not hold: both are the same reading.

use std::collections::HashSet;

use pipeline::{
    archive::{self, ArchivedConversation, ArchivedTurn},
    failure::Failure,
    ids::ConversationId,
    job::{
        item::{Claim, Move, Progress},
        outcome::Outcome,
        protocol::complete,
    },
    platform::{
        object_keys,
        ports::{Clock, Database, ObjectStore, PutIf, Queue},
        statement::{Statement, json},
        transaction::Transaction,
    },
};
use serde::{Deserialize, Serialize};

/// Turns removed by one message: each costs a row, and a transaction should stay short.
const SLICE: usize = 500;

/// Which conversation, as cron found it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cursor {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Its last message then: one that has another by now was continued.
    pub number: i64,
}

#[derive(Debug, Deserialize)]
struct Conversation {
    title: String,
    archived_key: Option<String>,
}

/// Runs the stage. See the module for its steps.
pub async fn archive<P>(ports: &P, claim: &Claim) -> Result<Outcome, Failure>
where
    P: Database + ObjectStore + Queue + Clock,
{
    let text = claim.cursor.as_deref().ok_or_else(|| Failure::bug("an archive item without a conversation"))?;
    let cursor: Cursor =
        serde_json::from_str(text).map_err(|error| Failure::bug(format!("cursor of item {}: {error}", claim.item)))?;
    let answers = ports.batch(read(claim, &cursor)).await?;
    let Some(conversation) = answers.at(0)?.first::<Conversation>()? else {
        // Continued, deleted: nothing to do.
        return complete(ports, claim, Transaction::default(), &Progress::default(), Move::Finish).await;
    };
    let turns: Vec<ArchivedTurn> = answers.at(1)?.all()?;
    let mut numbers: Vec<i64> = turns.iter().map(|turn| turn.number).collect();
    let mut work = Vec::new();
    let key = if let Some(key) = conversation.archived_key {
        // An earlier message put it away; its slices are left, and perhaps an answer that came late.
        let held = held(ports, &key).await?;
        numbers.retain(|number| held.contains(number));
        key
    } else {
        let key = put_away(ports, claim, &cursor, conversation.title, turns).await?;
        work.extend([point_at(claim, &cursor, &key), keep(claim, &cursor, &key)]);
        key
    };
    let more = numbers.len() > SLICE;
    numbers.truncate(SLICE);
    work.push(remove(claim, &cursor, &key, &numbers)?);
    let next = if more { Move::Continue(text.to_owned()) } else { Move::Finish };
    complete(ports, claim, work.into(), &Progress::default(), next).await
}

fn read(claim: &Claim, cursor: &Cursor) -> Vec<Statement> {
    let bound = |sql| Statement::new(sql).bind(&claim.user).bind(&cursor.conversation_id).bind(cursor.number);
    vec![
        bound("SELECT title, archived_key FROM conversations WHERE user_id = ?1 AND id = ?2 AND last_number = ?3"),
        bound(
            "SELECT number, id, role, content, detail, created_at FROM turns
             WHERE user_id = ?1 AND conversation_id = ?2 AND number <= ?3 ORDER BY number",
        ),
    ]
}

/// Step 2; the object's name.
async fn put_away<P: Database + ObjectStore + Clock>(
    ports: &P,
    claim: &Claim,
    cursor: &Cursor,
    title: String,
    turns: Vec<ArchivedTurn>,
) -> Result<String, Failure> {
    let conversation = ArchivedConversation {
        version: ArchivedConversation::VERSION,
        id: cursor.conversation_id.to_string(),
        title,
        turns,
    };
    let bytes = archive::encode(&conversation)?;
    let now = ports.now();
    let key = object_keys::archived_conversation(&claim.user, &now.date(), &cursor.conversation_id, &claim.token);
    let note = Statement::new(
        "INSERT OR IGNORE INTO archives (key, user_id, kind, subject, state, updated_at)
         VALUES (?1, ?2, 'conversation', ?3, 'writing', ?4)",
    )
    .bind(key.as_str())
    .bind(&claim.user)
    .bind(&cursor.conversation_id)
    .bind(now);
    ports.batch(vec![note]).await?;
    // Overwrites its own earlier attempt: nobody else has this name.
    ports.put(&key, bytes.clone(), PutIf::Always).await?;
    match ports.get(&key, None).await? {
        Some(object) if object.bytes == bytes => Ok(key),
        _ => Err(Failure::transient(format!("{key} does not hold what was written"))),
    }
}

/// The turns an archive holds, by their numbers.
async fn held<P: ObjectStore>(ports: &P, key: &str) -> Result<HashSet<i64>, Failure> {
    let archived = archive::load(ports, key).await?;
    Ok(archived.turns.into_iter().map(|turn| turn.number).collect())
}

/// Step 3, first: the compare-and-set everything after it hangs on.
fn point_at(claim: &Claim, cursor: &Cursor, key: &str) -> Statement {
    claim
        .fenced_statement(
            "UPDATE conversations SET archived_key = ?5
             WHERE user_id = ?3 AND id = ?4 AND last_number = ?6 AND archived_key IS NULL
               AND EXISTS (SELECT 1 FROM archives WHERE key = ?5 AND state = 'writing')
               AND EXISTS (SELECT 1 FROM job_items WHERE id = ?1 AND token = ?2)",
        )
        .bind(&claim.user)
        .bind(&cursor.conversation_id)
        .bind(key)
        .bind(cursor.number)
}

fn keep(claim: &Claim, cursor: &Cursor, key: &str) -> Statement {
    claim
        .fenced_statement(
            "UPDATE archives SET state = 'kept'
             WHERE key = ?5 AND EXISTS (SELECT 1 FROM conversations WHERE user_id = ?3 AND id = ?4 AND archived_key = ?5)
               AND EXISTS (SELECT 1 FROM job_items WHERE id = ?1 AND token = ?2)",
        )
        .bind(&claim.user)
        .bind(&cursor.conversation_id)
        .bind(key)
}

/// Only what the object holds: a question that had failed may have been answered since. And only while
/// the conversation points at the object: one that was restored keeps its turns.
fn remove(claim: &Claim, cursor: &Cursor, key: &str, numbers: &[i64]) -> Result<Statement, Failure> {
    Ok(claim
        .fenced_statement(
            "DELETE FROM turns
             WHERE user_id = ?3 AND conversation_id = ?4 AND number IN (SELECT value FROM json_each(?6))
               AND EXISTS (SELECT 1 FROM conversations WHERE user_id = ?3 AND id = ?4 AND archived_key = ?5)
               AND EXISTS (SELECT 1 FROM job_items WHERE id = ?1 AND token = ?2)",
        )
        .bind(&claim.user)
        .bind(&cursor.conversation_id)
        .bind(key)
        .bind(json(&numbers)?))
}
