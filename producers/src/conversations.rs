//! Conversations: list, read, delete.

use http::StatusCode;
use pipeline::{
    ids::{ConversationId, TurnId},
    ports::{Clock, Database},
    problem::{Code, Problem},
    statement::Statement,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    documents::{page, page_reply},
    reply::{Answer, Reply},
    routes::Call,
};

/// A conversation in a list.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    id: ConversationId,
    title: String,
    turns: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// One message of a conversation.
#[derive(Debug, Serialize)]
struct Said {
    turn_id: TurnId,
    number: i64,
    role: String,
    content: String,
    created_at: Timestamp,
    /// Of an answer: citations, route, usage.
    #[serde(flatten)]
    detail: Option<serde_json::Map<String, serde_json::Value>>,
}

#[derive(Debug, Serialize)]
struct Conversation {
    #[serde(flatten)]
    entry: Entry,
    summary: Option<String>,
    messages: Vec<Said>,
    next_cursor: Option<String>,
}

/// `GET /api/conversations`: the newest first. Those of `/v1` clients, who keep them, are not listed.
pub async fn list<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    let (limit, cursor) = page(call)?;
    let query = Statement::new(
        "SELECT id, title, last_number / 2 AS turns, created_at, updated_at FROM conversations
         WHERE user_id = ?1 AND origin = 'chat' AND (?2 IS NULL OR id < ?2) ORDER BY id DESC LIMIT ?3",
    )
    .bind(&call.tenant.user)
    .bind(cursor)
    .bind(limit + 1);
    let entries: Vec<Entry> = ports.batch(vec![query]).await?.at(0)?.all()?;
    Ok(page_reply(entries, limit, |entry| entry.id.to_string()))
}

fn id_of(call: &Call<'_>) -> Result<ConversationId, Problem> {
    ConversationId::parse(call.id).ok_or_else(not_found)
}

fn not_found() -> Problem {
    Problem::new(Code::NotFound, "there is no such conversation")
}

/// `GET /api/conversations/{id}`: its messages, oldest first, a page at a time.
pub async fn get<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    #[derive(Deserialize)]
    struct ConversationRow {
        summary: Option<String>,
        #[serde(flatten)]
        entry: Entry,
    }
    #[derive(Deserialize)]
    struct Row {
        id: TurnId,
        number: i64,
        role: String,
        content: String,
        detail: Option<String>,
        created_at: Timestamp,
    }
    let id = id_of(call)?;
    let (limit, cursor) = page(call)?;
    let after: i64 = cursor.as_deref().and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
    let conversation = Statement::new(
        "SELECT id, title, last_number / 2 AS turns, created_at, updated_at, summary FROM conversations WHERE user_id = ?1 AND id = ?2",
    )
    .bind(&call.tenant.user)
    .bind(&id);
    let turns = Statement::new(
        "SELECT id, number, role, content, detail, created_at FROM turns
         WHERE user_id = ?1 AND conversation_id = ?2 AND number > ?3 ORDER BY number LIMIT ?4",
    )
    .bind(&call.tenant.user)
    .bind(&id)
    .bind(after)
    .bind(limit + 1);
    let answers = ports.batch(vec![conversation, turns]).await?;
    let Some(conversation) = answers.at(0)?.first::<ConversationRow>()? else { return Err(not_found().into()) };
    let mut rows: Vec<Row> = answers.at(1)?.all()?;
    let wanted = usize::try_from(limit).unwrap_or(0);
    let more = rows.len() > wanted;
    rows.truncate(wanted);
    let next_cursor = rows.last().filter(|_| more).map(|row| row.number.to_string());
    let said = |row: Row| Said {
        turn_id: row.id,
        number: row.number,
        role: row.role,
        content: row.content,
        created_at: row.created_at,
        detail: row.detail.and_then(|detail| serde_json::from_str(&detail).ok()),
    };
    let messages = rows.into_iter().map(said).collect();
    let ConversationRow { summary, entry } = conversation;
    Ok(Reply::json(StatusCode::OK, &Conversation { entry, summary, messages, next_cursor }))
}

/// `DELETE /api/conversations/{id}`: it and all that was said, in one transaction. A turn that is
/// being answered is cancelled with it.
pub async fn delete<P: Database + Clock>(ports: &P, call: &Call<'_>) -> Answer {
    let id = id_of(call)?;
    let user = &call.tenant.user;
    let bound = |sql| Statement::new(sql).bind(user).bind(&id);
    let cancel_items = bound(
        "UPDATE job_items SET state = 'cancelled', token = NULL WHERE state NOT IN ('done', 'failed', 'cancelled') AND id IN (
             SELECT first_item FROM jobs WHERE user_id = ?1 AND finished_at IS NULL AND kind = 'chat' AND turn ->> '$.conversation_id' = ?2)",
    );
    let cancel_jobs = bound(
        "UPDATE jobs SET cancelled_at = ?3, finished_at = ?3
         WHERE user_id = ?1 AND finished_at IS NULL AND kind = 'chat' AND turn ->> '$.conversation_id' = ?2",
    )
    .bind(ports.now());
    let turns = bound("DELETE FROM turns WHERE user_id = ?1 AND conversation_id = ?2");
    let conversation = bound("DELETE FROM conversations WHERE user_id = ?1 AND id = ?2");
    let answers = ports.batch(vec![cancel_items, cancel_jobs, turns, conversation]).await?;
    if answers.at(3)?.changes == 0 {
        return Err(not_found().into());
    }
    let receipt = format!(r#"{{"conversation_id":"{id}","messages_removed":{}}}"#, answers.at(2)?.changes);
    let receipt = RawValue::from_string(receipt).map_err(|error| pipeline::failure::Failure::bug(error.to_string()))?;
    Ok(Reply::json(StatusCode::OK, &receipt))
}
