//! A job item: its states, what a claim of it gives, and where it goes next.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    budget::day::Day,
    ids::{ClaimToken, DocumentId, ItemId, JobId, UserId},
    job::message::Stage,
    platform::transaction::Write,
    store::conditions::CLAIMED,
};

/// The state of a job item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ItemState {
    /// Its pack is being stored; if that never ends, the pack is an orphan.
    Uploading,
    /// A batch whose packs are not all chunked.
    Waiting,
    /// Wants a worker.
    Queued,
    /// A worker holds its claim, for as long as its lease runs.
    Running,
    /// Waits for a time, in D1.
    Parked,
    /// Finished well.
    Done,
    /// Given up; its owner can retry it.
    Failed,
    /// Stopped by its owner.
    Cancelled,
}

impl ItemState {
    /// All states.
    pub const ALL: [Self; 8] = [
        Self::Uploading,
        Self::Waiting,
        Self::Queued,
        Self::Running,
        Self::Parked,
        Self::Done,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Returns true if nothing will change it but its owner.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }

    /// Returns its name in D1 and in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uploading => "uploading",
            Self::Waiting => "waiting",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Parked => "parked",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Where a document lies in its pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedDocument {
    /// The document.
    pub id: DocumentId,
    /// First byte in the pack.
    pub start: u64,
    /// One past its last byte.
    pub end: u64,
}

/// A document of a pack that failed alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentFailure {
    /// The document.
    pub document_id: DocumentId,
    /// Stable machine-readable name.
    pub code: String,
    /// What its owner can do something about.
    pub detail: String,
}

/// A claimed item: the right to write for it until the lease ends.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The item.
    pub item: ItemId,
    /// Its owner.
    pub user: UserId,
    /// The job it belongs to.
    pub job: JobId,
    /// The stage it is in.
    pub stage: Stage,
    /// Proof of the claim.
    pub token: ClaimToken,
    /// Attempts since the last progress, this one included.
    pub attempts: i64,
    /// Where the stage goes on, in the stage's own JSON.
    pub cursor: Option<String>,
    /// Of a pack: its documents.
    pub documents: Vec<PackedDocument>,
    /// Of a batch: its packs.
    pub packs: Option<(ItemId, ItemId)>,
    /// Chunks made so far.
    pub chunk_count: i64,
    /// What the day has cost, when the claim was made.
    pub day: Day,
}

impl Claim {
    /// Makes a write whose `?1` and `?2` are the item and the token, for the fence
    /// ([`HELD`](crate::store::conditions::HELD)), which `sql` must contain.
    pub fn fenced(&self, sql: &'static str) -> Write {
        debug_assert!(sql.contains(CLAIMED), "a write without the fence");
        Write::new(sql).bind(self.item).bind(&self.token)
    }
}

/// Where an item goes when a message's worth of work is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// More of the same stage, from this cursor.
    Continue(String),
    /// On to the next stage, which begins at this cursor.
    To(Stage, String),
    /// Nothing left to do.
    Finish,
}

/// What a message's work adds to its item.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Chunks made.
    pub chunks_made: i64,
    /// Chunks taken through the stage.
    pub chunks_passed: i64,
    /// Documents that failed alone.
    pub failures: Vec<DocumentFailure>,
}
