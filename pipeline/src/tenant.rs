//! One user as searches see them.

use serde::Deserialize;

use crate::{
    failure::Failure,
    ids::UserId,
    platform::{ports::Database, statement::Statement},
};

/// The user for whom something is looked up or written: the unit of isolation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Tenant {
    /// The user.
    pub user: UserId,
    /// Their number, used in full-text scopes.
    pub number: i64,
    /// Grows with every change to what their searches can find.
    pub index_version: i64,
    /// Their documents, counted up to [`crate::store::users::COUNTED_DOCUMENTS`].
    pub document_count: i64,
    /// What they said about themselves and how they want answers (JSON).
    pub profile: Option<String>,
}

impl Tenant {
    /// Reads a user's row; `None` if they were erased.
    pub async fn read<P: Database>(ports: &P, user: &UserId) -> Result<Option<Self>, Failure> {
        let query = Statement::new(
            "SELECT id AS user, number, index_version, document_count, profile FROM users WHERE id = ?1",
        )
        .bind(user);
        ports.batch(vec![query]).await?.at(0)?.first()
    }
}
