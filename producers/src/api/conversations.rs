//! Conversations: list, read, delete.

use http::StatusCode;
use pipeline::{
    chat::{restore, turn::Detail},
    failure::Failure,
    ids::{ConversationId, TurnId, UserId},
    platform::{
        ports::{Clock, Database, ObjectStore},
        statement::Statement,
    },
    problem::{Code, Problem},
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::http::{
    call::Call,
    paging::{page, page_reply},
    reply::{Answer, Refusal, Reply},
};

/// A conversation in a list.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ConversationSummary {
    id: ConversationId,
    title: String,
    turns: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// Its messages lie in an archive; reading it brings them back.
    #[serde(deserialize_with = "flag")]
    archived: bool,
}

/// D1 has no booleans.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    i64::deserialize(deserializer).map(|number| number != 0)
}

/// One message of a conversation.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ConversationMessage")]
struct Said {
    turn_id: TurnId,
    number: i64,
    role: String,
    content: String,
    created_at: Timestamp,
    /// Of an answer: citations, route, usage.
    #[serde(flatten)]
    #[schemars(with = "Option<Detail>")]
    detail: Option<serde_json::Map<String, serde_json::Value>>,
}

/// A conversation with a page of its messages.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Conversation {
    #[serde(flatten)]
    entry: ConversationSummary,
    summary: Option<String>,
    messages: Vec<Said>,
    next_cursor: Option<String>,
}

/// `GET /api/conversations?title=&limit=&cursor=`: the newest first. Those of `/v1` clients, who keep them, are not listed.
pub async fn list<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    let (limit, cursor) = page(call)?;
    let query = Statement::new(
        "SELECT id, title, last_number / 2 AS turns, created_at, updated_at, archived_key IS NOT NULL AS archived
         FROM conversations
         WHERE user_id = ?1 AND origin = 'chat' AND (?2 IS NULL OR id < ?2)
           AND (?4 IS NULL OR instr(lower(title), lower(?4)) > 0)
         ORDER BY id DESC LIMIT ?3",
    )
    .bind(&call.tenant.user)
    .bind(cursor)
    .bind(limit + 1)
    .bind(call.parameter("title"));
    let entries: Vec<ConversationSummary> = ports.batch(vec![query]).await?.at(0)?.all()?;
    Ok(page_reply(entries, limit, |entry| entry.id.to_string()))
}

fn id_of(call: &Call<'_>) -> Result<ConversationId, Problem> {
    ConversationId::parse(call.id).ok_or_else(not_found)
}

fn not_found() -> Problem {
    Problem::new(Code::NotFound, "there is no such conversation")
}

/// `GET /api/conversations/{id}`: its messages, oldest first, a page at a time. An archived one is
/// brought back first.
pub async fn get<P: Database + ObjectStore + Clock>(ports: &P, call: &Call<'_>) -> Answer {
    let id = id_of(call)?;
    let (limit, cursor) = page(call)?;
    let after: i64 = cursor.as_deref().and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
    let user = &call.tenant.user;
    let (mut conversation, mut rows) = read(ports, user, &id, after, limit).await?;
    if conversation.entry.archived && restore::restore(ports, user, &id).await? {
        (conversation, rows) = read(ports, user, &id, after, limit).await?;
    }
    let wanted = usize::try_from(limit).unwrap_or(0);
    let more = rows.len() > wanted;
    rows.truncate(wanted);
    let next_cursor = rows.last().filter(|_| more).map(|row| row.number.to_string());
    let messages = rows.into_iter().map(Said::from).collect();
    let ConversationRow { summary, entry } = conversation;
    Ok(Reply::json(StatusCode::OK, &Conversation { entry, summary, messages, next_cursor }))
}

#[derive(Deserialize)]
struct ConversationRow {
    summary: Option<String>,
    #[serde(flatten)]
    entry: ConversationSummary,
}

#[derive(Deserialize)]
struct TurnRow {
    id: TurnId,
    number: i64,
    role: String,
    content: String,
    detail: Option<String>,
    created_at: Timestamp,
}

impl From<TurnRow> for Said {
    fn from(row: TurnRow) -> Self {
        Self {
            turn_id: row.id,
            number: row.number,
            role: row.role,
            content: row.content,
            created_at: row.created_at,
            detail: row.detail.and_then(|detail| serde_json::from_str(&detail).ok()),
        }
    }
}

/// A conversation and a page of its turns, one more than wanted.
async fn read<P: Database>(
    ports: &P,
    user: &UserId,
    id: &ConversationId,
    after: i64,
    limit: i64,
) -> Result<(ConversationRow, Vec<TurnRow>), Refusal> {
    let conversation = Statement::new(
        "SELECT id, title, last_number / 2 AS turns, created_at, updated_at, archived_key IS NOT NULL AS archived, summary
         FROM conversations WHERE user_id = ?1 AND id = ?2",
    )
    .bind(user)
    .bind(id);
    let turns = Statement::new(
        "SELECT id, number, role, content, detail, created_at FROM turns
         WHERE user_id = ?1 AND conversation_id = ?2 AND number > ?3 ORDER BY number LIMIT ?4",
    )
    .bind(user)
    .bind(id)
    .bind(after)
    .bind(limit + 1);
    let answers = ports.batch(vec![conversation, turns]).await?;
    let conversation = answers.at(0)?.first()?.ok_or_else(not_found)?;
    Ok((conversation, answers.at(1)?.all()?))
}

/// What was deleted with a conversation.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DeletedConversation")]
pub struct Receipt<'a> {
    conversation_id: &'a ConversationId,
    messages_removed: u64,
}

/// `DELETE /api/conversations/{id}`: it and all that was said. A turn that is being answered is
/// cancelled with it.
pub async fn delete<P: Database + Clock>(ports: &P, call: &Call<'_>) -> Answer {
    let id = id_of(call)?;
    let messages_removed = remove(ports, &call.tenant.user, &id).await?.ok_or_else(not_found)?;
    Ok(Reply::json(StatusCode::OK, &Receipt { conversation_id: &id, messages_removed }))
}

/// Removes a conversation in one transaction; how many messages went with it from D1, or `None` if
/// there is no such conversation. Its archive is garbage from then on.
pub async fn remove<P: Database + Clock>(
    ports: &P,
    user: &UserId,
    id: &ConversationId,
) -> Result<Option<u64>, Failure> {
    let now = ports.now();
    let bound = |sql| Statement::new(sql).bind(user).bind(id);
    let cancel_items = bound(
        "UPDATE job_items SET state = 'cancelled', token = NULL WHERE state NOT IN ('done', 'failed', 'cancelled') AND id IN (
             SELECT first_item FROM jobs WHERE user_id = ?1 AND finished_at IS NULL AND kind = 'chat' AND turn ->> '$.conversation_id' = ?2)",
    );
    let cancel_jobs = bound(
        "UPDATE jobs SET cancelled_at = ?3, finished_at = ?3
         WHERE user_id = ?1 AND finished_at IS NULL AND kind = 'chat' AND turn ->> '$.conversation_id' = ?2",
    )
    .bind(now);
    let archive = bound(
        "UPDATE archives SET state = 'garbage', updated_at = ?3
         WHERE key = (SELECT archived_key FROM conversations WHERE user_id = ?1 AND id = ?2)",
    )
    .bind(now);
    let turns = bound("DELETE FROM turns WHERE user_id = ?1 AND conversation_id = ?2");
    let conversation = bound("DELETE FROM conversations WHERE user_id = ?1 AND id = ?2");
    let answers = ports.batch(vec![cancel_items, cancel_jobs, archive, turns, conversation]).await?;
    Ok((answers.at(4)?.changes > 0).then_some(answers.at(3)?.changes))
}
