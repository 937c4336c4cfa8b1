//! Where a stage goes on: what an item's `cursor` holds, a type for each stage that needs one.
//!
//! A cursor is written by the message before, or by whoever made the item, and read by the next message
//! of the stage it is for. Cursors are stored, so their JSON must stay readable from release to release.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    failure::Failure,
    ids::{ChunkRow, ClaimToken, ConversationId, DocumentId},
    job::item::Claim,
    store::documents::superseded::SupersededRevision,
    time::Timestamp,
};

/// Reads the cursor of a claimed item; `None` if it is at the stage's beginning.
///
/// # Errors
/// A bug if the cursor is not what the stage expects.
pub fn read<Cursor: DeserializeOwned>(claim: &Claim) -> Result<Option<Cursor>, Failure> {
    let cursor = claim.cursor.as_deref().map(serde_json::from_str).transpose();
    cursor.map_err(|error| Failure::bug(format!("cursor of item {}: {error}", claim.item)))
}

/// Unpack: how far an upload is read. Written by whoever accepted it, so there always is one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnpackCursor {
    /// What its sender called it: how it is read.
    pub media_type: String,
    /// How long it is.
    pub bytes: u64,
    /// Byte at which the next range begins.
    pub offset: u64,
    /// Documents that were found before.
    pub documents: u64,
    /// How many of those were rejected.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rejected: u64,
    /// What that range begins inside of.
    #[serde(default)]
    pub inside: Inside,
    /// It may be compressed: its first bytes say whether it is.
    #[serde(default, skip_serializing_if = "is_false")]
    pub may_be_compressed: bool,
    /// If it is compressed, where inflating it goes on: at or before `offset`, which counts what it unfolds to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inflating: Option<InflateCursor>,
    /// Its sender insists on files that look like secrets.
    #[serde(default, skip_serializing_if = "is_false")]
    pub allow_secrets: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Where inflating a compressed upload goes on: between two blocks, or at its begin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InflateCursor {
    /// Byte of the upload.
    pub compressed: u64,
    /// Bytes that those before it unfold to.
    pub inflated: u64,
    /// Inside of which member it is, if of any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<MemberCursor>,
    /// The last 32 KB of what they unfold to, in Base64: what follows refers to them.
    #[serde(default)]
    pub window: String,
}

/// What must be known of a member of a gzip stream to go on inside of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberCursor {
    /// Bits of the byte before that belong to the next block.
    pub bits: u8,
    /// Those bits.
    pub bit_buffer: u8,
    /// CRC-32 of what it has unfolded to.
    pub checksum: u32,
    /// How many bytes that are, as far as 32 bits count.
    pub bytes: u32,
}

/// What a range of an upload begins inside of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Inside {
    /// Where in the upload's outermost form.
    #[serde(default)]
    pub place: Place,
    /// What an upload in JSON is.
    #[serde(default, skip_serializing_if = "Outermost::is_unknown")]
    pub outermost: Outermost,
    /// A document that is too long and whose end is looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<Nesting>,
    /// Fields of a form that go for every file after them.
    #[serde(default, skip_serializing_if = "SharedFields::is_empty")]
    pub shared: SharedFields,
}

/// Where in the outermost form of an upload a range begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Before it.
    #[default]
    Begin,
    /// Before its first document.
    First,
    /// Before another document.
    Next,
    /// Behind a document.
    Between,
    /// Behind the last one: nothing that is one follows.
    Behind,
    /// Behind the object that held them as well.
    End,
}

/// What an upload in JSON is, outermost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outermost {
    /// That was not looked at: it has not begun, or an earlier version began it.
    #[default]
    Unknown,
    /// An array of documents.
    Array,
    /// An object that holds the array.
    Object,
    /// Neither: it is one document alone.
    Document,
}

impl Outermost {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    fn is_unknown(&self) -> bool {
        *self == Self::Unknown
    }
}

/// How deep inside a JSON value something stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nesting {
    /// Arrays and objects that are open.
    pub depth: u64,
    /// Inside a string.
    pub in_string: bool,
    /// Behind its backslash.
    pub escaped: bool,
}

/// Fields of a form that are no files: they go for every file after them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedFields {
    /// Tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The documents' type.
    #[serde(default)]
    pub kind: Option<String>,
    /// Their language.
    #[serde(default)]
    pub language: Option<String>,
    /// Their title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The client's name for the one that there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Anything the client wants back with them (a JSON object).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    /// Their own date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
}

impl SharedFields {
    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Chunk: where a long document's next slice begins. A pack without a cursor begins at its first byte.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ChunkCursor {
    /// Byte in the source.
    pub source: u64,
    /// Byte in the extracted text.
    pub text: usize,
    /// Index of the next chunk.
    pub index: i64,
    /// Line ends in the extracted text so far; nothing in what was written before they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<i64>,
    /// What the extractor was inside of.
    pub html: HtmlState,
}

impl ChunkCursor {
    /// The line ends before the slice; nothing if nobody counted them.
    pub fn lines_before(&self) -> Option<i64> {
        if self.text == 0 { Some(0) } else { self.lines }
    }
}

/// Which elements a slice of HTML begins inside of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HtmlState {
    /// The element whose content is left out, such as `script`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// Inside `pre`.
    #[serde(default)]
    pub preformatted: bool,
}

/// Embed: which chunks are left, and what was made of the others. A batch without a cursor begins at the
/// first chunk of its first pack.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EmbedCursor {
    /// Chunks before this row are done.
    pub next: ChunkRow,
    /// The claims that made the slices of vectors so far, which name them.
    pub slices: Vec<ClaimToken>,
}

/// Upsert: which slices of vectors are left. Written by the embed stage, so there always is one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UpsertCursor {
    /// The next slice of vectors, counted from 0.
    pub slice: usize,
    /// All slices, by the claims of the embed stage that made them.
    pub slices: Vec<ClaimToken>,
}

/// Purge: how far the first revision is, if it has more vectors than one message removes. Of all others the
/// superseded revisions that are left say themselves what is to be done.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PurgeCursor {
    /// The revision that was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partly: Option<PartlyPurged>,
}

/// A revision that lost some of its vectors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartlyPurged {
    /// Its document.
    pub document_id: DocumentId,
    /// Its number.
    pub revision: i64,
    /// The vectors before this one are gone.
    pub vectors: i64,
}

impl PartlyPurged {
    /// Returns this revision, without its first `vectors`.
    pub fn of(revision: &SupersededRevision, vectors: i64) -> Self {
        Self { document_id: revision.document_id.clone(), revision: revision.revision, vectors }
    }

    /// Returns true for the revision that was begun.
    pub fn is_of(&self, revision: &SupersededRevision) -> bool {
        self.document_id == revision.document_id && self.revision == revision.revision
    }
}

/// Archive: which conversation. Written by the schedule with the item, so there always is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveCursor {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Its last message when the schedule found it: one that has another by now was continued.
    pub number: i64,
}

/// Capture: what was said, which lies nowhere else from then on. Written by the statement that takes it out of the
/// session's row ([`crate::store::jobs::create::hand_over_said`]), so there always is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureCursor {
    /// The session, as Claude Code names it.
    pub session_id: String,
    /// The project it works in, if that is known.
    pub project: Option<String>,
    /// The messages that state something, in their order.
    pub said: Vec<Said>,
}

/// A message of a session, without secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Who said it.
    pub by: Speaker,
    /// What was said.
    pub text: String,
}

/// Who says something in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// The person, whose word is taken.
    User,
    /// Claude, of whose words decisions alone are taken.
    Assistant,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::statement::json;

    /// Items that wait across a release hold cursors of the version before.
    #[test]
    fn cursors_are_stored_as_they_always_were() {
        let unpack =
            r#"{"media_type":"application/json","bytes":9,"offset":4,"documents":2,"inside":{"place":"between"}}"#;
        assert_eq!(json(&serde_json::from_str::<UnpackCursor>(unpack).unwrap()).unwrap(), unpack);
        let inflating =
            r#"{"media_type":"application/gzip","bytes":9,"offset":40,"documents":2,"inside":{"place":"begin"},"#
                .to_owned()
                + r#""may_be_compressed":true,"inflating":{"compressed":7,"inflated":30,"#
                + r#""member":{"bits":3,"bit_buffer":5,"checksum":1,"bytes":30},"window":"QQ=="}}"#;
        assert_eq!(json(&serde_json::from_str::<UnpackCursor>(&inflating).unwrap()).unwrap(), inflating);
        let chunk = r#"{"source":65536,"text":60000,"index":31,"html":{"skipped":"script","preformatted":false}}"#;
        assert_eq!(json(&serde_json::from_str::<ChunkCursor>(chunk).unwrap()).unwrap(), chunk);
        let embed = r#"{"next":16584,"slices":["clm_00000000000000000000000000"]}"#;
        assert_eq!(json(&serde_json::from_str::<EmbedCursor>(embed).unwrap()).unwrap(), embed);
        let upsert = r#"{"slice":1,"slices":["clm_00000000000000000000000000"]}"#;
        assert_eq!(json(&serde_json::from_str::<UpsertCursor>(upsert).unwrap()).unwrap(), upsert);
        assert_eq!(json(&serde_json::from_str::<PurgeCursor>("{}").unwrap()).unwrap(), "{}");
        let purge = r#"{"partly":{"document_id":"doc_000000000000000000000001","revision":2,"vectors":100}}"#;
        assert_eq!(json(&serde_json::from_str::<PurgeCursor>(purge).unwrap()).unwrap(), purge);
        let archive = r#"{"conversation_id":"con_00000000000000000000000000","number":12}"#;
        assert_eq!(json(&serde_json::from_str::<ArchiveCursor>(archive).unwrap()).unwrap(), archive);
        let capture = r#"{"session_id":"s","project":"p","said":[{"by":"user","text":"We decided to use Postgres"}]}"#;
        assert_eq!(json(&serde_json::from_str::<CaptureCursor>(capture).unwrap()).unwrap(), capture);
    }
}
