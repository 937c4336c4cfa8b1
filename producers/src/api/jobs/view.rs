//! A job's rows as its owner sees them.

use pipeline::{
    chat::turn::{Turn, TurnAnswer, TurnResult},
    ids::JobId,
    job::{item::ItemState, kind::JobKind, message::Stage},
    problem::{Code, Problem},
    store::jobs::{overview::ItemRow, read::JobRow},
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};

use super::overview::{ERRORS, Items};

/// What is answered about a job that is not there, or another's.
pub(crate) fn not_found() -> Problem {
    Problem::new(Code::NotFound, "there is no such job; GET /api/jobs lists yours")
}

/// What is answered to who wants to try a job again that was cancelled.
pub(super) fn cancelled() -> Problem {
    let detail =
        "the job was cancelled: what it had not finished is withdrawn and cannot be tried again; send it again";
    Problem::new(Code::Conflict, detail)
}

/// What is answered to who wants to try a job again of which nothing failed.
pub(super) fn nothing_failed() -> Problem {
    let detail =
        "nothing of this job has failed that could be tried again; what was rejected is to be sent again, mended";
    Problem::new(Code::Conflict, detail)
}

/// A job's state as its owner sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "JobStatus")]
pub enum Status {
    /// Accepted; no item has been claimed.
    Queued,
    /// Being worked on.
    Running,
    /// All that is left waits for a time.
    Parked,
    /// Everything went well.
    Succeeded,
    /// Some documents failed or were rejected, some did not.
    Partial,
    /// Every document failed.
    Failed,
    /// Stopped by its owner.
    Cancelled,
}

impl Status {
    /// True if nothing will change it but its owner.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Partial | Self::Failed | Self::Cancelled)
    }

    /// Its name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Parked => "parked",
            Self::Succeeded => "succeeded",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One stage of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "StageProgress")]
pub struct StageView {
    pub(crate) name: Stage,
    pub(crate) state: ItemState,
    /// Bytes (unpack), documents (chunk) or chunks (embed, upsert) done.
    pub(crate) done: i64,
    /// Of so many known so far.
    pub(crate) total: i64,
    /// Most attempts any item of the stage needs at present.
    attempts: i64,
    /// Why the last failed attempt failed.
    error: Option<String>,
}

/// Documents of a job by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "DocumentCounts")]
pub struct Counts {
    queued: i64,
    running: i64,
    done: i64,
    failed: i64,
    cancelled: i64,
    /// Taken over by another upload of theirs before they were published.
    superseded: i64,
    /// Cannot be indexed as they were sent: the answer to the upload, or `/items?status=rejected`, says why.
    rejected: i64,
}

/// How far a streamed upload is unpacked.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "UploadProgress")]
pub struct UploadView {
    /// Its length.
    bytes: u64,
    /// Of it, unpacked.
    read: u64,
    /// Documents found so far that are indexed.
    queued: u64,
    /// Documents found so far that were there already.
    duplicates: u64,
    /// Documents found so far that are not indexed, since what was uploaded or deleted after this upload is newer.
    superseded: u64,
    /// Documents found so far that cannot be indexed; `/items?status=rejected` says why.
    rejected: u64,
    /// Where it could not be read on: what was whole before that is indexed.
    broken: Option<BrokenView>,
}

/// Where an upload could not be read on.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "BrokenUpload")]
pub struct BrokenView {
    /// The byte from which on it was not understood.
    byte: u64,
    /// How many documents stand before it.
    document: u64,
    /// What is wrong there.
    why: String,
}

impl UploadView {
    /// True if it could not be read to its end.
    const fn is_broken(&self) -> bool {
        self.broken.is_some()
    }
}

/// A job as `GET /api/jobs/{id}` answers.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Job")]
pub struct JobView {
    pub(crate) id: JobId,
    #[schemars(with = "String")]
    pub(crate) kind: JobKind,
    pub(super) status: Status,
    pub(crate) created_at: Timestamp,
    updated_at: Timestamp,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) parked_until: Option<Timestamp>,
    pub(crate) parked_why: Option<String>,
    pub(crate) stages: Vec<StageView>,
    pub(crate) items: Counts,
    pub(crate) errors: Vec<Problem>,
    /// Of a streamed upload: how far it is unpacked.
    #[serde(skip_serializing_if = "Option::is_none")]
    upload: Option<UploadView>,
    /// Of a delete: what was removed where. Of an upload that was cancelled: `send_again`, the number of its
    /// documents that had taken over from an earlier upload before that was published, which is gone with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Map<String, Value>>")]
    receipt: Option<Box<RawValue>>,
    /// Of a chat that was answered: the turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) result: Option<TurnResult>,
    /// If it is later than now: all that is left is parked until then.
    #[serde(skip)]
    pub(super) due_at: Timestamp,
    /// How many items were looked at.
    #[serde(skip)]
    pub(super) item_rows: usize,
}

impl JobView {
    /// How far it is.
    pub const fn status(&self) -> Status {
        self.status
    }

    /// True for a question that was answered, and whose answer is not among its conversation's rows.
    pub(super) fn answer_is_elsewhere(&self) -> bool {
        self.kind == JobKind::Chat && self.status == Status::Succeeded && self.result.is_none()
    }
}

/// A job's rows as its owner sees them.
pub(super) fn view(job: JobRow, items: &Items) -> JobView {
    let upload: Option<UploadView> = job.upload.as_deref().and_then(|upload| serde_json::from_str(upload).ok());
    let rejected = upload.as_ref().map_or(job.rejected, |upload| upload.rejected.try_into().unwrap_or(i64::MAX));
    let counts = Counts { rejected, ..counts(items) };
    let status = status(&job, &items.rows, counts, upload.as_ref());
    let parked = items.first_parked();
    let stages = match job.kind {
        JobKind::Index if upload.is_some() => {
            let mut stages = vec![unpack_view(items, upload.as_ref())];
            stages.extend([Stage::Chunk, Stage::Embed, Stage::Upsert].map(|stage| stage_view(stage, items)));
            wait_for_unpacking(&mut stages);
            stages
        }
        JobKind::Index => [Stage::Chunk, Stage::Embed, Stage::Upsert].map(|stage| stage_view(stage, items)).to_vec(),
        JobKind::Chat => vec![stage_view(Stage::Chat, items)],
        JobKind::Archive => vec![stage_view(Stage::Archive, items)],
        JobKind::Capture => vec![stage_view(Stage::Capture, items)],
        JobKind::Restore => [Stage::Embed, Stage::Upsert].map(|stage| stage_view(stage, items)).to_vec(),
        JobKind::Delete | JobKind::Purge => vec![stage_view(Stage::Purge, items)],
    };
    let result = result(&job);
    JobView {
        status,
        result,
        updated_at: items.updated_at.unwrap_or(job.created_at),
        parked_until: parked.map(|item| item.next_at),
        parked_why: parked.and_then(|item| items.error(item)).map(str::to_owned),
        stages,
        items: counts,
        errors: errors(items, upload.as_ref(), job.cancelled_at.is_none()),
        upload,
        receipt: job.receipt.and_then(|receipt| RawValue::from_string(receipt).ok()),
        id: job.id,
        kind: job.kind,
        created_at: job.created_at,
        finished_at: job.finished_at,
        due_at: job.due_at,
        item_rows: items.rows.len(),
    }
}

/// The answer of a chat, once it is there.
fn result(job: &JobRow) -> Option<TurnResult> {
    let turn = Turn::read(job.turn.as_deref()?).ok()?;
    let detail = serde_json::from_str(job.detail.as_deref()?).ok()?;
    Some(TurnResult::new(&job.id, &turn, TurnAnswer { answer: job.answer.clone()?, detail }, false))
}

fn counts(items: &Items) -> Counts {
    let mut counts = Counts::default();
    for item in items.rows.iter().filter(|item| item.document_count > 0) {
        let failed = item.failed_documents;
        counts.failed += failed;
        let others = item.document_count.saturating_sub(failed).max(0);
        let wanted = others.saturating_sub(item.superseded_documents).max(0);
        let superseded = match items.fate_of_pack(item) {
            ItemState::Failed | ItemState::Cancelled => 0,
            _ => item.superseded_documents,
        };
        counts.superseded += superseded;
        match items.fate_of_pack(item) {
            ItemState::Done => counts.done += wanted,
            ItemState::Failed => counts.failed += others,
            ItemState::Cancelled => counts.cancelled += others,
            ItemState::Queued | ItemState::Waiting | ItemState::Uploading => counts.queued += wanted,
            ItemState::Running | ItemState::Parked => counts.running += wanted,
        }
    }
    counts
}

fn status(job: &JobRow, items: &[ItemRow], counts: Counts, upload: Option<&UploadView>) -> Status {
    if items.iter().all(|item| item.state.is_terminal()) {
        let was_given_up = items.iter().any(|item| item.stage == Stage::Unpack && item.state == ItemState::Failed);
        let is_partial = was_given_up || counts.rejected > 0 || upload.is_some_and(UploadView::is_broken);
        let has_any = counts.done > 0 || upload.is_some_and(|upload| upload.duplicates + upload.superseded > 0);
        return match counts {
            _ if job.cancelled_at.is_some() => Status::Cancelled,
            _ if is_partial && has_any => Status::Partial,
            _ if is_partial => Status::Failed,
            Counts { failed: 0, .. } => Status::Succeeded,
            Counts { done: 0, .. } => Status::Failed,
            _ => Status::Partial,
        };
    }
    let open = || items.iter().filter(|item| !item.state.is_terminal());
    if open().any(|item| item.state == ItemState::Parked)
        && open().all(|item| matches!(item.state, ItemState::Parked | ItemState::Waiting))
    {
        return Status::Parked;
    }
    let is_unpacked = upload.is_some_and(|upload| upload.read > 0);
    let untouched = !is_unpacked
        && items.iter().all(|item| {
            matches!(item.state, ItemState::Queued | ItemState::Waiting) && item.progress == 0 && item.attempts == 0
        });
    if untouched { Status::Queued } else { Status::Running }
}

/// A stage that has done all there is has not done all there will be, while more is unpacked.
fn wait_for_unpacking(stages: &mut [StageView]) {
    let [unpack, others @ ..] = stages else { return };
    if !unpack.state.is_terminal() {
        for stage in others.iter_mut().filter(|stage| stage.state == ItemState::Done) {
            stage.state = ItemState::Waiting;
        }
    }
}

/// The stage that unpacks an upload: its progress is counted in bytes.
fn unpack_view(items: &Items, upload: Option<&UploadView>) -> StageView {
    let number = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let (read, bytes) = upload.map_or((0, 0), |upload| (upload.read, upload.bytes));
    StageView { done: number(read), total: number(bytes), ..stage_view(Stage::Unpack, items) }
}

fn stage_view(stage: Stage, items: &Items) -> StageView {
    let belongs = |item: &&ItemRow| match stage {
        Stage::Unpack => item.stage == Stage::Unpack,
        Stage::Chunk => item.batch.is_some(),
        Stage::Embed | Stage::Upsert | Stage::Purge => item.batch.is_none() && item.stage != Stage::Unpack,
        Stage::Chat | Stage::Archive | Stage::Capture => true,
    };
    let relevant: Vec<&ItemRow> = items.rows.iter().filter(belongs).collect();
    let at_stage = || relevant.iter().filter(|item| item.stage == stage);
    let (done, total) = progress(stage, &relevant);
    StageView {
        name: stage,
        state: stage_state(stage, &relevant),
        done,
        total,
        attempts: at_stage().map(|item| item.attempts).max().unwrap_or(0),
        error: at_stage().find_map(|item| items.error(item)).map(str::to_owned),
    }
}

/// True for an item that the stage has nothing left to do for.
fn has_passed(stage: Stage, item: &ItemRow) -> bool {
    item.stage as u8 > stage as u8 || item.state == ItemState::Done
}

/// How much a stage has done of how much: documents, or chunks where they are what it works on.
fn progress(stage: Stage, items: &[&ItemRow]) -> (i64, i64) {
    let of_documents = matches!(stage, Stage::Chunk | Stage::Purge | Stage::Chat | Stage::Archive | Stage::Capture);
    let each = items.iter().map(|item| match item {
        item if of_documents && item.state == ItemState::Done => (item.document_count, item.document_count),
        item if of_documents => (0, item.document_count),
        item if has_passed(stage, item) => (item.chunk_count, item.chunk_count),
        item if item.stage == stage => (item.progress, item.chunk_count),
        item => (0, item.chunk_count),
    });
    each.fold((0, 0), |(done, total), (of_done, of_total)| (done + of_done, total + of_total))
}

/// What most deserves to be said of a stage's items.
fn stage_state(stage: Stage, items: &[&ItemRow]) -> ItemState {
    if items.iter().all(|item| has_passed(stage, item)) {
        return ItemState::Done;
    }
    let order = [
        ItemState::Running,
        ItemState::Queued,
        ItemState::Parked,
        ItemState::Failed,
        ItemState::Cancelled,
        ItemState::Waiting,
    ];
    let is_in = |state: &ItemState| items.iter().any(|item| item.stage == stage && item.state == *state);
    order.into_iter().find(is_in).unwrap_or(ItemState::Waiting)
}

fn errors(items: &Items, upload: Option<&UploadView>, may_retry: bool) -> Vec<Problem> {
    let broken = upload.and_then(|upload| upload.broken.as_ref()).map(|broken| {
        let BrokenView { byte, document, why } = broken;
        let detail = format!("the upload cannot be read on at byte {byte}, after {document} documents: {why}");
        Problem::new(Code::Malformed, detail)
    });
    let documents = items.rows.iter().flat_map(|item| items.failures(item)).map(|failure| {
        let mut problem = Problem::new(Code::named(&failure.code).unwrap_or(Code::Invalid), failure.detail);
        problem.instance = Some(format!("/api/documents/{}", failure.document_id));
        problem
    });
    let failed = items.rows.iter().filter(|item| item.state == ItemState::Failed).map(|item| {
        let why = items.error(item).unwrap_or("it failed");
        let documents = item.document_count + items.documents_of_batch(item.id);
        let what = match item.stage {
            Stage::Chat => "the answer".to_owned(),
            Stage::Unpack => "the rest of the upload".to_owned(),
            _ => format!("{documents} documents"),
        };
        let next = if may_retry { "; POST to the job's /retry tries again" } else { "" };
        let detail = format!("{what}, {} stage: {why}{next}", item.stage.name());
        Problem::new(Code::Unavailable, detail)
    });
    broken.into_iter().chain(failed).chain(documents).take(ERRORS).collect()
}
