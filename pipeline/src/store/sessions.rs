//! Live sessions: the tables `sessions` and `session_tickets`.

use crate::{platform::transaction::Write, time::Timestamp};

/// Removes invitations that ran out before `before`.
pub fn expire(before: Timestamp) -> Write {
    Write::new("DELETE FROM session_tickets WHERE expires_at < ?1").bind(before)
}
