//! Conversations and what was said in them: the tables `conversations` and `turns`.

use crate::{platform::transaction::Write, time::Timestamp};

/// Removes conversations whose clients keep them themselves, not continued since `before`: their turns
/// first.
pub fn expire(before: Timestamp) -> [Write; 2] {
    [
        "DELETE FROM turns WHERE (user_id, conversation_id) IN (
             SELECT user_id, id FROM conversations
             WHERE origin = 'openai' AND updated_at < ?1 AND archived_key IS NULL)",
        "DELETE FROM conversations WHERE origin = 'openai' AND updated_at < ?1 AND archived_key IS NULL",
    ]
    .map(|sql| Write::new(sql).bind(before))
}
