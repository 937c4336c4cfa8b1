//! One user as searches see them.

use serde::Deserialize;

use crate::{
    constants,
    ids::UserId,
    namespace::Namespace,
    store::{columns::flag, users::words::Words},
    time::Timestamp,
};

/// The user for whom something is looked up or written: the unit of isolation. Read by
/// [`store::users::tenant`](crate::store::users::tenant).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Tenant {
    /// The user.
    pub user: UserId,
    /// Their number, after which their full-text tables are named.
    pub number: i64,
    /// Grows with every change to what their searches can find.
    pub index_version: i64,
    /// Their documents, counted up to [`crate::store::users::COUNTED_DOCUMENTS`].
    pub document_count: i64,
    /// What they said about themselves and how they want answers (JSON).
    pub profile: Option<String>,
    /// The namespace they share with others; `None` for one of their own.
    pub shared_namespace: Option<i64>,
    /// When documents of theirs were last published.
    pub published_at: Timestamp,
    /// There is a full-text table of their chunks.
    #[serde(deserialize_with = "flag")]
    pub chunk_words: bool,
    /// There is one of their memories.
    #[serde(deserialize_with = "flag")]
    pub memory_words: bool,
}

impl Tenant {
    /// Where their vectors lie.
    pub fn namespace(&self) -> Namespace {
        Namespace::of(&self.user, self.shared_namespace)
    }

    /// The words of their chunks.
    pub const fn words_of_chunks(&self) -> Words {
        Words::of_chunks(self.number, self.chunk_words)
    }

    /// The words of their memories.
    pub const fn words_of_memories(&self) -> Words {
        Words::of_memories(self.number, self.memory_words)
    }

    /// True if all that was published can be found by meaning at `now`: Vectorize shows what it took later.
    pub fn is_settled(&self, now: Timestamp) -> bool {
        self.published_at.plus(constants::VECTORS_VISIBLE_AFTER) <= now
    }
}
