//! Bringing an archived conversation back, for who reads it, goes on with it or still owes it an answer.

use serde::{Deserialize, Serialize};

use crate::archive::{ArchivedTurn, load};
use crate::{
    failure::Failure,
    ids::{ConversationId, UserId},
    platform::{
        ports::{Clock, Database, ObjectStore},
        statement::{Statement, json},
    },
};

/// A message, for one parameter that holds them all; D1's times are numbers.
#[derive(Serialize)]
struct Row<'a> {
    number: i64,
    id: &'a str,
    role: &'a str,
    content: &'a str,
    detail: Option<&'a str>,
    created_at: i64,
}

impl<'a> From<&'a ArchivedTurn> for Row<'a> {
    fn from(turn: &'a ArchivedTurn) -> Self {
        Self {
            number: turn.number,
            id: &turn.id,
            role: &turn.role,
            content: &turn.content,
            detail: turn.detail.as_deref(),
            created_at: turn.created_at.milliseconds(),
        }
    }
}

/// Restores a conversation if it is archived; false if it is not, or is nobody's.
///
/// One transaction puts the turns back, whatever of them is still there, and turns the archive into
/// garbage: until then nothing has changed.
pub async fn restore<P: Database + ObjectStore + Clock>(
    ports: &P,
    user: &UserId,
    conversation: &ConversationId,
) -> Result<bool, Failure> {
    #[derive(Deserialize)]
    struct Archived {
        archived_key: String,
    }
    let query = Statement::new(
        "SELECT archived_key FROM conversations WHERE user_id = ?1 AND id = ?2 AND archived_key IS NOT NULL",
    )
    .bind(user)
    .bind(conversation);
    let archived: Option<Archived> = ports.batch(vec![query]).await?.at(0)?.first()?;
    let Some(Archived { archived_key: key }) = archived else { return Ok(false) };
    let archived = load(ports, &key).await?;
    let rows: Vec<Row<'_>> = archived.turns.iter().map(Row::from).collect();
    let bound = |sql| Statement::new(sql).bind(user).bind(conversation).bind(key.as_str());
    let put_back = bound(
        "INSERT OR IGNORE INTO turns (user_id, conversation_id, number, id, role, content, detail, created_at)
         SELECT c.user_id, c.id, t.value ->> 'number', t.value ->> 'id', t.value ->> 'role', t.value ->> 'content',
                t.value ->> 'detail', t.value ->> 'created_at'
         FROM conversations c CROSS JOIN json_each(?4) t
         WHERE c.user_id = ?1 AND c.id = ?2 AND c.archived_key = ?3",
    )
    .bind(json(&rows)?);
    let now = ports.now();
    let discard = bound(
        "UPDATE archives SET state = 'garbage', updated_at = ?4
         WHERE key = ?3 AND EXISTS (SELECT 1 FROM conversations WHERE user_id = ?1 AND id = ?2 AND archived_key = ?3)",
    )
    .bind(now);
    let point = bound(
        "UPDATE conversations SET archived_key = NULL, restored_at = ?4 WHERE user_id = ?1 AND id = ?2 AND archived_key = ?3",
    )
    .bind(now);
    ports.batch(vec![put_back, discard, point]).await?;
    Ok(true)
}
