//! Invitations to a session, each good once and for a moment: the table `session_tickets`.

use serde::Deserialize;

use crate::{
    ids::{SessionId, UserId},
    platform::transaction::{Query, Write},
    time::Timestamp,
};

/// A ticket that is to be inserted.
#[derive(Clone, Copy, Debug)]
pub struct NewTicketRow<'a> {
    /// Hex SHA-256 of the ticket.
    pub digest: &'a str,
    /// Who invites.
    pub owner: &'a UserId,
    /// To which session.
    pub session: &'a SessionId,
    /// The name that its bearer gets.
    pub participant: &'a str,
    /// `owner`, `editor` or `viewer`.
    pub role: &'a str,
    /// Good until then.
    pub expires_at: Timestamp,
}

/// Inserts a ticket.
pub fn insert(new: NewTicketRow<'_>) -> Write {
    Write::new(
        "INSERT INTO session_tickets (digest, owner_id, session_id, participant, role, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )
    .bind(new.digest)
    .bind(new.owner)
    .bind(new.session)
    .bind(new.participant)
    .bind(new.role)
    .bind(new.expires_at)
}

/// Whom a redeemed ticket lets in.
#[derive(Clone, Debug, Deserialize)]
pub struct TicketRow {
    /// Who invited.
    pub owner_id: UserId,
    /// The name that its bearer gets.
    pub participant: String,
    /// `owner`, `editor` or `viewer`.
    pub role: String,
}

/// Redeems a ticket: of two that come with the same one gets in. No row if it is redeemed or over, or if
/// the session is closed.
pub fn redeem(digest: &str, session: &SessionId, now: Timestamp) -> Query<TicketRow> {
    Query::new(
        "UPDATE session_tickets SET redeemed_at = ?3
         WHERE digest = ?1 AND session_id = ?2 AND redeemed_at IS NULL AND expires_at > ?3
           AND EXISTS (SELECT 1 FROM sessions s WHERE s.user_id = owner_id AND s.id = ?2 AND s.state = 'open')
         RETURNING owner_id, participant, role",
    )
    .bind(digest)
    .bind(session)
    .bind(now)
}

/// Removes all tickets of a session.
pub fn delete(user: &UserId, session: &SessionId) -> Write {
    Write::new("DELETE FROM session_tickets WHERE owner_id = ?1 AND session_id = ?2").bind(user).bind(session)
}

/// Removes the tickets of a user that are over.
pub fn delete_expired(user: &UserId, now: Timestamp) -> Write {
    Write::new("DELETE FROM session_tickets WHERE owner_id = ?1 AND expires_at < ?2").bind(user).bind(now)
}

/// Removes tickets that were over before `before`.
pub fn expire(before: Timestamp) -> Write {
    Write::new("DELETE FROM session_tickets WHERE expires_at < ?1").bind(before)
}
