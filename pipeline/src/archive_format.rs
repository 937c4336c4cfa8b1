//! Archives: rows as gzipped JSON, and back.

use std::io::{Read as _, Write as _};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    failure::Failure, ids::TurnId, platform::ports::ObjectStore, store::conversations::messages::MessageRow,
    time::Timestamp,
};

/// Most bytes an archive unfolds to: what an isolate can hold beside everything else.
const UNFOLDED_BYTES: u64 = 32 * 1024 * 1024;

/// The turns of a conversation. The conversation's own row stays where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivedConversation {
    /// Of this format.
    pub version: u32,
    /// The conversation's id.
    pub id: String,
    /// Its title, for who finds the archive alone.
    pub title: String,
    /// Every message.
    pub turns: Vec<ArchivedTurn>,
}

/// One message, as its row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivedTurn {
    /// Place in the conversation.
    pub number: i64,
    /// The turn.
    pub id: TurnId,
    /// `user` or `assistant`.
    pub role: String,
    /// The text.
    pub content: String,
    /// Of an answer: citations, route, usage (JSON).
    pub detail: Option<String>,
    /// When it was committed.
    pub created_at: Timestamp,
}

impl From<MessageRow> for ArchivedTurn {
    fn from(row: MessageRow) -> Self {
        let MessageRow { number, id, role, content, detail, created_at } = row;
        Self { number, id, role, content, detail, created_at }
    }
}

impl From<ArchivedTurn> for MessageRow {
    fn from(turn: ArchivedTurn) -> Self {
        let ArchivedTurn { number, id, role, content, detail, created_at } = turn;
        Self { number, id, role, content, detail, created_at }
    }
}

impl ArchivedConversation {
    /// The format this code writes.
    pub const VERSION: u32 = 1;
}

/// Folds data up. The same data gives the same bytes.
pub fn encode(data: &impl Serialize) -> Result<Vec<u8>, Failure> {
    let text = serde_json::to_vec(data).map_err(|error| Failure::bug(format!("an archive: {error}")))?;
    // Fast: an archive is written once within an invocation's CPU, and storage is not what runs out.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder
        .write_all(&text)
        .and_then(|()| encoder.finish())
        .map_err(|error| Failure::bug(format!("an archive: {error}")))
}

/// Unfolds what [`encode`] folded.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    let mut text = Vec::new();
    let unreadable = |why: String| Failure::bug(format!("an archive cannot be read: {why}"));
    GzDecoder::new(bytes).take(UNFOLDED_BYTES).read_to_end(&mut text).map_err(|error| unreadable(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))
}

/// Reads an archived conversation; one that something points at is in R2.
pub async fn load<P: ObjectStore>(ports: &P, key: &str) -> Result<ArchivedConversation, Failure> {
    let object = ports.get(key, None).await?.ok_or_else(|| Failure::bug(format!("the archive {key} is not in R2")))?;
    decode(&object.bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::RANDOM_BYTES;

    #[test]
    fn what_is_no_archive_is_refused() {
        assert!(decode::<ArchivedConversation>(b"").is_err());
        assert!(decode::<ArchivedConversation>(b"{}").is_err());
        assert!(decode::<ArchivedConversation>(&encode(&7).unwrap()).is_err());
    }

    proptest! {
        #[test]
        fn what_is_folded_unfolds(contents in proptest::collection::vec(".*", 0..8), at in 0i64..4_000_000_000_000) {
            let turns = contents.into_iter().zip(1..).map(|(content, number)| ArchivedTurn {
                number,
                id: TurnId::new(Timestamp::from_milliseconds(0), [1; RANDOM_BYTES]),
                role: "user".to_owned(),
                content,
                detail: (number % 2 == 0).then(|| "{}".to_owned()),
                created_at: Timestamp::from_milliseconds(at),
            });
            let conversation = ArchivedConversation {
                version: ArchivedConversation::VERSION,
                id: "con_1".to_owned(),
                title: "A title".to_owned(),
                turns: turns.collect(),
            };
            prop_assert_eq!(decode::<ArchivedConversation>(&encode(&conversation).unwrap()).unwrap(), conversation);
        }
    }
}
