//! Conversations: list, read, delete.

use http::StatusCode;
use pipeline::{
    chat::turn::Detail,
    ids::{ConversationId, TurnId, UserId},
    platform::{
        ports::{Clock, Database, ObjectStore},
        transaction::Transaction,
    },
    problem::{Code, Problem},
    restore,
    store::conversations::{
        self, ConversationEntry, ConversationRow,
        messages::{self, MessageRow},
    },
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    http::{
        call::Call,
        paging::{self, number, page, page_reply},
        reply::{Answer, Refusal, Reply},
    },
    remove,
};

/// One message of a conversation.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ConversationMessage {
    turn_id: TurnId,
    number: i64,
    pub(crate) role: String,
    pub(crate) content: String,
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
    pub(crate) entry: ConversationEntry,
    summary: Option<String>,
    pub(crate) messages: Vec<ConversationMessage>,
    /// Where the next page of messages begins; nothing on the last.
    pub(crate) next_cursor: Option<String>,
    /// How many messages it has at most.
    limit: usize,
}

/// `GET /api/conversations?title=&limit=&cursor=`: the newest first. Those of `/v1` clients, who keep
/// them, are not listed.
pub async fn list<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    let (limit, cursor) = page(call, |cursor| paging::id(cursor, ConversationId::parse))?;
    let title = call.parameter("title");
    let entries = conversations::list(&call.tenant.user, title, cursor.as_ref(), limit + 1).all(ports).await?;
    Ok(page_reply(entries, limit, |entry| entry.id.to_string()))
}

fn id_of(call: &Call<'_>) -> Result<ConversationId, Problem> {
    ConversationId::parse(call.id).ok_or_else(not_found)
}

fn not_found() -> Problem {
    Problem::new(Code::NotFound, "there is no such conversation; GET /api/conversations lists yours")
}

/// `GET /api/conversations/{id}`: its messages, oldest first, a page at a time. An archived one is
/// brought back first.
pub async fn get<P: Database + ObjectStore + Clock>(ports: &P, call: &Call<'_>) -> Answer {
    let id = id_of(call)?;
    let (limit, cursor) = page(call, number)?;
    let whole = whole(ports, &call.tenant.user, &id, cursor.unwrap_or(0), limit).await?;
    Ok(Reply::json(StatusCode::OK, &whole))
}

/// A conversation and its messages after a number, so many at most.
pub async fn whole<P: Database + ObjectStore + Clock>(
    ports: &P,
    user: &UserId,
    id: &ConversationId,
    after: i64,
    limit: i64,
) -> Result<Conversation, Refusal> {
    let (mut conversation, mut rows) = read(ports, user, id, after, limit).await?;
    if conversation.entry.archived && restore::restore(ports, user, id).await? {
        (conversation, rows) = read(ports, user, id, after, limit).await?;
    }
    let wanted = usize::try_from(limit).unwrap_or(0);
    let more = rows.len() > wanted;
    rows.truncate(wanted);
    let next_cursor = rows.last().filter(|_| more).map(|row| row.number.to_string());
    let messages = rows.into_iter().map(ConversationMessage::from).collect();
    let ConversationRow { summary, entry } = conversation;
    Ok(Conversation { entry, summary, messages, next_cursor, limit: wanted })
}

impl From<MessageRow> for ConversationMessage {
    fn from(row: MessageRow) -> Self {
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

/// A conversation and a page of its messages, one more than wanted.
async fn read<P: Database>(
    ports: &P,
    user: &UserId,
    id: &ConversationId,
    after: i64,
    limit: i64,
) -> Result<(ConversationRow, Vec<MessageRow>), Refusal> {
    let mut transaction = Transaction::default();
    let conversation = transaction.query(conversations::conversation(user, id));
    let messages = transaction.query(messages::after(user, id, after, limit + 1));
    let done = transaction.commit(ports).await?;
    Ok((done.first(conversation)?.ok_or_else(not_found)?, done.all(messages)?))
}

/// What was deleted with a conversation.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DeletedConversation")]
pub struct Receipt<'a> {
    conversation_id: &'a ConversationId,
    messages_removed: u64,
}

/// `DELETE /api/conversations/{id}`: it and all its messages. A turn that is being answered is
/// cancelled with it.
pub async fn delete<P: Database + Clock>(ports: &P, call: &Call<'_>) -> Answer {
    let id = id_of(call)?;
    let messages_removed = remove::conversation(ports, &call.tenant.user, &id).await?.ok_or_else(not_found)?;
    Ok(Reply::json(StatusCode::OK, &Receipt { conversation_id: &id, messages_removed }))
}
