//! Ids as types, so that one kind cannot be passed for another.
//!
//! Random ids are a prefix, ten characters of time and sixteen of randomness (Crockford base 32,
//! as in ULID), so that they sort by creation. A document's id is derived instead: the same user
//! and external id always name the same document, which makes a repeated upload idempotent
//! without a look-up and without an index.

use std::{fmt, ops::RangeInclusive};

use data_encoding::{Encoding, Specification};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::time::Timestamp;

/// Bytes of randomness in a random id.
pub const RANDOM_BYTES: usize = 10;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        #[schemars(extend("pattern" = pattern($prefix)))]
        pub struct $name(String);

        impl $name {
            /// What every id of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// Makes a new sortable id from the time and [`RANDOM_BYTES`] random bytes.
            pub fn new(now: Timestamp, random: [u8; RANDOM_BYTES]) -> Self {
                Self(sortable($prefix, now, random))
            }

            /// Reads an id that a client sent; `None` if it cannot be one of this kind.
            pub fn parse(text: &str) -> Option<Self> {
                well_formed($prefix, text).then(|| Self(text.to_owned()))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// One user: the unit of isolation.
    UserId,
    "usr_"
);
text_id!(
    /// One accepted request for background work.
    JobId,
    "job_"
);
text_id!(
    /// One document, across all its revisions.
    DocumentId,
    "doc_"
);
text_id!(
    /// One HTTP request, for logs and error bodies.
    RequestId,
    "req_"
);
text_id!(
    /// One conversation.
    ConversationId,
    "con_"
);
text_id!(
    /// One turn of a conversation: a question and its answer.
    TurnId,
    "trn_"
);
text_id!(
    /// One thing remembered.
    MemoryId,
    "mem_"
);
text_id!(
    /// One live session.
    SessionId,
    "ses_"
);
text_id!(
    /// A claim on a job item: whoever holds it may write for that item.
    ClaimToken,
    "clm_"
);

impl DocumentId {
    /// The id of a user's document with this external id.
    pub fn from_external_id(user: &UserId, external_id: &str) -> Self {
        Self::derive(user, "external_id", external_id.as_bytes())
    }

    /// The id of a user's document that came without an external id: its content names it.
    pub fn from_content(user: &UserId, sha256: &[u8; 32]) -> Self {
        Self::derive(user, "content", sha256)
    }

    fn derive(user: &UserId, kind: &str, name: &[u8]) -> Self {
        let mut hash = Sha256::new();
        for part in [user.as_str().as_bytes(), kind.as_bytes(), name] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let digest: [u8; 32] = hash.finalize().into();
        Self(format!("doc_{}", crockford().encode(&digest[..15])))
    }
}

/// The number of a job item, which also names the pack in R2 and the chunks made from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ItemId(pub i64);

impl fmt::Display for ItemId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The number of a chunk in D1: its item and its place among the item's chunks.
///
/// Deterministic, so that a repeated chunk stage writes the same rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChunkRow(pub i64);

impl ChunkRow {
    /// Chunks one item can hold; with it the row number stays below 2^53 for 2^39 items. SQL finds a row's item by
    /// `pack_of!` (`store/columns.rs`).
    pub const PER_ITEM: i64 = 1 << 14;

    /// The row of an item's chunk number `place`.
    pub fn new(item: ItemId, place: i64) -> Self {
        debug_assert!((0..Self::PER_ITEM).contains(&place));
        Self(item.0 * Self::PER_ITEM + place)
    }

    /// The first row an item can have.
    pub fn first(item: ItemId) -> Self {
        Self(item.0 * Self::PER_ITEM)
    }

    /// The row's place among its item's chunks.
    pub fn place(self) -> i64 {
        self.0 % Self::PER_ITEM
    }
}

/// The id of a vector: `{document}-{revision}-{chunk index}`, at most 64 bytes for Vectorize.
pub fn vector_id(document: &DocumentId, revision: i64, index: i64) -> String {
    format!("{document}-{revision}-{index}")
}

/// Takes a [`vector_id`] apart again.
pub fn parse_vector_id(id: &str) -> Option<(DocumentId, i64, i64)> {
    let mut parts = id.rsplitn(3, '-');
    let index = parts.next()?.parse().ok()?;
    let revision = parts.next()?.parse().ok()?;
    Some((DocumentId::parse(parts.next()?)?, revision, index))
}

fn crockford() -> &'static Encoding {
    use std::sync::OnceLock;
    static ENCODING: OnceLock<Encoding> = OnceLock::new();
    ENCODING.get_or_init(|| {
        let mut specification = Specification::new();
        specification.symbols.push_str("0123456789abcdefghjkmnpqrstvwxyz");
        specification.encoding().unwrap_or(data_encoding::BASE32HEX_NOPAD)
    })
}

fn sortable(prefix: &str, now: Timestamp, random: [u8; RANDOM_BYTES]) -> String {
    let milliseconds = now.milliseconds().unsigned_abs().to_be_bytes();
    let mut bytes = [0u8; 16];
    bytes[..6].copy_from_slice(&milliseconds[2..]);
    bytes[6..].copy_from_slice(&random);
    // 128 bits in base 32 end with two padding bits; sorting is unaffected.
    format!("{prefix}{}", crockford().encode(&bytes))
}

/// Fewest and most characters after a prefix.
const CHARACTERS: RangeInclusive<usize> = 16..=40;

/// What ids with a prefix are, as a regular expression.
pub fn pattern(prefix: &str) -> String {
    format!("^{prefix}[0-9a-z]{{{},{}}}$", CHARACTERS.start(), CHARACTERS.end())
}

fn well_formed(prefix: &str, text: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| {
        CHARACTERS.contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_ids_sort_by_time() {
        let early = JobId::new(Timestamp::from_milliseconds(1_000), [255; RANDOM_BYTES]);
        let late = JobId::new(Timestamp::from_milliseconds(1_001), [0; RANDOM_BYTES]);
        assert!(early < late);
        assert_eq!(JobId::parse(early.as_str()), Some(early));
    }

    #[test]
    fn a_document_id_depends_on_user_kind_and_name() {
        let now = Timestamp::from_milliseconds(0);
        let alice = UserId::new(now, [1; RANDOM_BYTES]);
        let bob = UserId::new(now, [2; RANDOM_BYTES]);
        let id = DocumentId::from_external_id(&alice, "a.md");
        assert_eq!(id, DocumentId::from_external_id(&alice, "a.md"));
        assert_ne!(id, DocumentId::from_external_id(&bob, "a.md"));
        assert_ne!(id, DocumentId::from_external_id(&alice, "b.md"));
    }

    #[test]
    fn a_vector_id_fits_vectorize_and_reads_back() {
        let user = UserId::new(Timestamp::from_milliseconds(0), [1; RANDOM_BYTES]);
        let document = DocumentId::from_external_id(&user, "a.md");
        let id = vector_id(&document, i64::from(u32::MAX), ChunkRow::PER_ITEM);
        assert!(id.len() <= crate::constants::VECTOR_ID_BYTES, "{id}");
        assert_eq!(parse_vector_id(&id), Some((document, i64::from(u32::MAX), ChunkRow::PER_ITEM)));
        assert_eq!(parse_vector_id("doc_x-1"), None);
    }

    #[test]
    fn ids_of_another_kind_or_with_odd_characters_are_refused() {
        assert_eq!(JobId::parse("doc_00000000000000000000000000"), None);
        assert_eq!(JobId::parse("job_../../../../../../etc/passwd"), None);
        assert_eq!(JobId::parse("job_"), None);
    }
}
