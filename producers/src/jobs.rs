//! Jobs: how far an upload is, following it, stopping it, trying again.

use http::{HeaderName, StatusCode, header};
use pipeline::{
    failure::Failure,
    fingerprint,
    garbage::{RetireJob, Work},
    ids::{ItemId, JobId, UserId},
    item::{DocumentFailure, ItemState},
    message::{Message, Stage},
    ports::{Clock, Database, Queue, Random},
    problem::{Code, Problem},
    statement::Statement,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    reply::{Answer, Body, Refusal, Reply},
    routes::Call,
};

/// A job's state as its owner sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Accepted; no item has been claimed.
    Queued,
    /// Being worked on.
    Running,
    /// All that is left waits for a time.
    Parked,
    /// Everything went well.
    Succeeded,
    /// Some documents failed, some did not.
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
}

/// One stage of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StageView {
    name: Stage,
    state: ItemState,
    /// Documents (chunk) or chunks (embed, upsert) done.
    done: i64,
    /// Of so many known so far.
    total: i64,
    /// Most attempts any item of the stage needs at present.
    attempts: i64,
    /// Why the last failed attempt failed.
    error: Option<String>,
}

/// Documents of a job by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    queued: i64,
    running: i64,
    done: i64,
    failed: i64,
    cancelled: i64,
}

/// A job as `GET /api/jobs/{id}` answers.
#[derive(Debug, Serialize)]
pub struct JobView {
    id: JobId,
    kind: String,
    status: Status,
    created_at: Timestamp,
    updated_at: Timestamp,
    finished_at: Option<Timestamp>,
    parked_until: Option<Timestamp>,
    parked_why: Option<String>,
    stages: Vec<StageView>,
    items: Counts,
    errors: Vec<Problem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<Box<RawValue>>,
}

#[derive(Clone, Debug, Deserialize)]
struct JobRow {
    id: JobId,
    kind: String,
    created_at: Timestamp,
    finished_at: Option<Timestamp>,
    cancelled_at: Option<Timestamp>,
    receipt: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct ItemRow {
    id: ItemId,
    stage: Stage,
    state: ItemState,
    batch: Option<ItemId>,
    document_count: i64,
    chunk_count: i64,
    progress: i64,
    attempts: i64,
    next_at: Timestamp,
    updated_at: Timestamp,
    error: Option<String>,
    failures: Option<String>,
}

impl ItemRow {
    fn document_failures(&self) -> Vec<DocumentFailure> {
        self.failures.as_deref().and_then(|failures| serde_json::from_str(failures).ok()).unwrap_or_default()
    }
}

/// Reads a job; `None` if there is none or it is another's.
pub async fn read<P: Database>(ports: &P, user: &UserId, job: &JobId) -> Result<Option<JobView>, Failure> {
    let select_job = Statement::new(
        "SELECT id, kind, created_at, finished_at, cancelled_at, receipt FROM jobs
         WHERE id = ?1 AND user_id = ?2 AND accepted_at IS NOT NULL",
    )
    .bind(job)
    .bind(user);
    let select_items = Statement::new(
        "SELECT i.id, i.stage, i.state, i.batch, i.document_count, i.chunk_count, i.progress, i.attempts, i.next_at,
                i.updated_at, i.error, i.failures
         FROM jobs j JOIN job_items i ON i.id BETWEEN j.first_item AND j.last_item
         WHERE j.id = ?1 AND j.user_id = ?2",
    )
    .bind(job)
    .bind(user);
    let answers = ports.batch(vec![select_job, select_items]).await?;
    let Some(row) = answers.at(0)?.first::<JobRow>()? else { return Ok(None) };
    let items: Vec<ItemRow> = answers.at(1)?.all()?;
    Ok(Some(view(row, &items)))
}

/// A job's rows as its owner sees them.
fn view(job: JobRow, items: &[ItemRow]) -> JobView {
    let counts = counts(items);
    let status = status(&job, items, counts);
    let parked = items.iter().filter(|item| item.state == ItemState::Parked).min_by_key(|item| item.next_at);
    let stages = if job.kind == "index" {
        [Stage::Chunk, Stage::Embed, Stage::Upsert].into_iter().map(|stage| stage_view(stage, items)).collect()
    } else {
        vec![stage_view(Stage::Retire, items)]
    };
    JobView {
        status,
        updated_at: items.iter().map(|item| item.updated_at).max().unwrap_or(job.created_at),
        parked_until: parked.map(|item| item.next_at),
        parked_why: parked.and_then(|item| item.error.clone()),
        stages,
        items: counts,
        errors: errors(items),
        receipt: job.receipt.and_then(|receipt| RawValue::from_string(receipt).ok()),
        id: job.id,
        kind: job.kind,
        created_at: job.created_at,
        finished_at: job.finished_at,
    }
}

/// What became of a pack's documents: what became of its batch, unless the pack got no further.
fn fate_of_pack(pack: &ItemRow, items: &[ItemRow]) -> ItemState {
    let batch = pack.batch.and_then(|batch| items.iter().find(|item| item.id == batch));
    match (pack.state, batch) {
        (ItemState::Done, Some(batch)) if batch.state == ItemState::Waiting => ItemState::Running,
        (ItemState::Done, Some(batch)) => batch.state,
        (state, _) => state,
    }
}

fn counts(items: &[ItemRow]) -> Counts {
    let mut counts = Counts::default();
    for item in items.iter().filter(|item| item.document_count > 0) {
        let failed = i64::try_from(item.document_failures().len()).unwrap_or(0);
        let others = item.document_count - failed;
        counts.failed += failed;
        match fate_of_pack(item, items) {
            ItemState::Done => counts.done += others,
            ItemState::Failed => counts.failed += others,
            ItemState::Cancelled => counts.cancelled += others,
            ItemState::Queued | ItemState::Waiting | ItemState::Uploading => counts.queued += others,
            ItemState::Running | ItemState::Parked => counts.running += others,
        }
    }
    counts
}

fn status(job: &JobRow, items: &[ItemRow], counts: Counts) -> Status {
    if items.iter().all(|item| item.state.is_terminal()) {
        return match counts {
            _ if job.cancelled_at.is_some() => Status::Cancelled,
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
    let untouched = items.iter().all(|item| {
        matches!(item.state, ItemState::Queued | ItemState::Waiting) && item.progress == 0 && item.attempts == 0
    });
    if untouched { Status::Queued } else { Status::Running }
}

fn stage_view(stage: Stage, items: &[ItemRow]) -> StageView {
    let relevant: Vec<&ItemRow> =
        items.iter().filter(|item| (stage == Stage::Chunk) == (item.batch.is_some())).collect();
    let at_stage: Vec<&&ItemRow> = relevant.iter().filter(|item| item.stage == stage).collect();
    let (mut done, mut total) = (0, 0);
    for item in &relevant {
        let passed = item.stage as u8 > stage as u8 || item.state == ItemState::Done;
        if matches!(stage, Stage::Chunk | Stage::Retire) {
            total += item.document_count;
            done += if item.state == ItemState::Done { item.document_count } else { 0 };
        } else {
            total += item.chunk_count;
            done += if passed {
                item.chunk_count
            } else if item.stage == stage {
                item.progress
            } else {
                0
            };
        }
    }
    let state = |wanted: ItemState| at_stage.iter().any(|item| item.state == wanted);
    let order = [
        ItemState::Running,
        ItemState::Queued,
        ItemState::Parked,
        ItemState::Failed,
        ItemState::Cancelled,
        ItemState::Waiting,
    ];
    let finished = relevant.iter().all(|item| item.stage as u8 > stage as u8 || item.state == ItemState::Done);
    StageView {
        name: stage,
        state: if finished {
            ItemState::Done
        } else {
            order.into_iter().find(|wanted| state(*wanted)).unwrap_or(ItemState::Waiting)
        },
        done,
        total,
        attempts: at_stage.iter().map(|item| item.attempts).max().unwrap_or(0),
        error: at_stage.iter().find_map(|item| item.error.clone()),
    }
}

/// The most errors one answer lists.
const ERRORS: usize = 100;

fn errors(items: &[ItemRow]) -> Vec<Problem> {
    let documents = items.iter().flat_map(ItemRow::document_failures).map(|failure| {
        let mut problem = Problem::new(Code::Invalid, failure.detail);
        problem.code = failure.code;
        problem.instance = Some(format!("/api/documents/{}", failure.document_id));
        problem
    });
    let failed = items.iter().filter(|item| item.state == ItemState::Failed).map(|item| {
        let why = item.error.as_deref().unwrap_or("it failed");
        let in_batch: i64 =
            items.iter().filter(|pack| pack.batch == Some(item.id)).map(|pack| pack.document_count).sum();
        let documents = item.document_count + in_batch;
        let detail =
            format!("{documents} documents, {} stage: {why}; POST to the job's /retry tries again", item.stage.name());
        Problem::new(Code::Unavailable, detail)
    });
    failed.chain(documents).take(ERRORS).collect()
}

fn id_of(call: &Call<'_>) -> Result<JobId, Problem> {
    JobId::parse(call.id).ok_or_else(not_found)
}

fn not_found() -> Problem {
    Problem::new(Code::NotFound, "there is no such job")
}

/// `GET /api/jobs/{id}`
pub async fn get<P: Database + Clock>(ports: &P, call: &Call<'_>) -> Answer {
    let job = id_of(call)?;
    let view = read(ports, &call.caller.user, &job).await?.ok_or_else(not_found)?;
    let reply = reply(StatusCode::OK, &view)?;
    let unchanged = call
        .request
        .headers()
        .get(header::IF_NONE_MATCH)
        .is_some_and(|given| reply.headers.get(header::ETAG) == Some(given));
    if unchanged {
        let headers = reply.headers;
        return Ok(Reply { status: StatusCode::NOT_MODIFIED, headers, body: Body::Bytes(Vec::new()) });
    }
    Ok(reply)
}

/// Seconds after which asking again is worth it.
const POLL_SECONDS: &str = "1";

fn reply(status: StatusCode, view: &JobView) -> Result<Reply, Failure> {
    let text = pipeline::statement::json(view)?;
    let etag = format!("\"{}\"", &fingerprint::of(&[text.as_bytes()])[..32]);
    let reply = Reply::bytes(status, "application/json", text.into_bytes())
        .with(header::ETAG, &etag)
        .with(header::CACHE_CONTROL, "no-cache");
    Ok(if view.status.is_terminal() { reply } else { reply.with(header::RETRY_AFTER, POLL_SECONDS) })
}

/// Waits for a job's end, at most so many seconds. Answers 200 with the job if it ended, else 202.
/// `accepted` is what the 202 says beside it.
pub async fn wait<P: Database + Clock>(
    ports: &P,
    user: &UserId,
    job: &JobId,
    seconds: u32,
    accepted: &impl Serialize,
) -> Answer {
    let deadline = ports.now().plus(i64::from(seconds) * pipeline::time::SECOND);
    let mut pause = 100;
    loop {
        let view = read(ports, user, job).await?.ok_or_else(not_found)?;
        let ended = view.status.is_terminal();
        if ended || ports.now() >= deadline {
            let status = if ended { StatusCode::OK } else { StatusCode::ACCEPTED };
            return Ok(Reply::json(status, &with_job(accepted, &view)?)
                .with(HeaderName::from_static("preference-applied"), &format!("wait={seconds}"))
                .with(header::LOCATION, &format!("/api/jobs/{job}")));
        }
        ports.sleep(pause).await;
        pause = (pause * 3 / 2).min(1_000);
    }
}

/// What was accepted, with the job and its present status.
fn with_job(accepted: &impl Serialize, view: &JobView) -> Result<serde_json::Value, Failure> {
    let bug = |error: serde_json::Error| Failure::bug(error.to_string());
    let mut answer = serde_json::to_value(accepted).map_err(bug)?;
    answer["status"] = serde_json::to_value(view.status).map_err(bug)?;
    answer["job"] = serde_json::to_value(view).map_err(bug)?;
    Ok(answer)
}

/// `GET /api/jobs/{id}/events`: the edge streams what [`next_event`] gives.
pub async fn events<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    let job = id_of(call)?;
    read(ports, &call.caller.user, &job).await?.ok_or_else(not_found)?;
    let reply = Reply::bytes(StatusCode::OK, "text/event-stream", Vec::new()).with(header::CACHE_CONTROL, "no-store");
    Ok(Reply { body: Body::JobEvents(job), ..reply })
}

/// One state of a job as a server-sent event.
#[derive(Debug)]
pub struct JobEvent {
    /// `event:`, `id:` and `data:` lines.
    pub text: String,
    /// Tells one state from the next.
    pub etag: String,
    /// The stream ends with it.
    pub is_last: bool,
}

/// The job's present state as an event.
pub async fn event<P: Database>(ports: &P, user: &UserId, job: &JobId) -> Result<Option<JobEvent>, Failure> {
    let Some(view) = read(ports, user, job).await? else { return Ok(None) };
    let data = pipeline::statement::json(&view)?;
    let etag = fingerprint::of(&[data.as_bytes()]);
    Ok(Some(JobEvent {
        text: format!("event: job\nid: {}\ndata: {data}\n\n", &etag[..16]),
        etag,
        is_last: view.status.is_terminal(),
    }))
}

/// `GET /api/jobs`: the newest first.
pub async fn list<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    #[derive(Serialize, Deserialize)]
    struct Entry {
        id: JobId,
        kind: String,
        documents: i64,
        created_at: Timestamp,
        finished_at: Option<Timestamp>,
        cancelled_at: Option<Timestamp>,
    }
    let (limit, cursor) = crate::documents::page(call)?;
    let query = Statement::new(
        "SELECT id, kind, documents, created_at, finished_at, cancelled_at FROM jobs
         WHERE user_id = ?1 AND kind <> 'retire' AND accepted_at IS NOT NULL AND (?2 IS NULL OR id < ?2) ORDER BY id DESC LIMIT ?3",
    )
    .bind(&call.caller.user)
    .bind(cursor)
    .bind(limit + 1);
    let entries: Vec<Entry> = ports.batch(vec![query]).await?.at(0)?.all()?;
    Ok(crate::documents::page_reply(entries, limit, |entry| entry.id.to_string()))
}

/// `POST /api/jobs/{id}/cancel`: stops at once what is not running, and what is at its next write.
///
/// One transaction: the items' claims are void from then on, the revisions they were making are
/// garbage, and documents that were never published are gone.
pub async fn cancel<P: Database + Queue + Clock + Random>(ports: &P, call: &Call<'_>) -> Answer {
    let job = id_of(call)?;
    let user = &call.caller.user;
    let view = read(ports, user, &job).await?.ok_or_else(not_found)?;
    if view.status.is_terminal() || view.kind != "index" {
        return reply(StatusCode::OK, &view).map_err(Refusal::from);
    }
    let now = ports.now();
    // What the job still works on: documents whose latest revision is in a pack of a batch that is not done.
    let garbage = Statement::new(
        "INSERT INTO garbage (retire_item, document_id, revision, pack, user_id)
         SELECT (SELECT value + 1 FROM counters WHERE name = 'item'), d.id, d.latest, p.id, d.user_id
         FROM jobs j JOIN job_items p ON p.id BETWEEN j.first_item AND j.last_item AND p.batch IS NOT NULL
         JOIN job_items b ON b.id = p.batch AND b.state NOT IN ('done', 'failed')
         JOIN json_each(p.documents) packed
         JOIN documents d ON d.user_id = j.user_id AND d.id = packed.value ->> 'id' AND d.latest_item = p.id
         WHERE j.id = ?1 AND j.user_id = ?2 AND j.cancelled_at IS NULL AND d.deleted_at IS NULL AND d.latest IS NOT d.current",
    )
    .bind(&job)
    .bind(user);
    let retire_job = JobId::new(now, ports.bytes());
    let mut work = Work::from(vec![garbage]);
    work.statements.push(
        Statement::new(
            "UPDATE documents SET pending = NULL, latest_item = current_item, latest_hash = content_hash,
                 deleted_at = CASE WHEN current IS NULL THEN ?3 END
             WHERE user_id = ?1 AND (id, latest) IN (SELECT g.document_id, g.revision FROM garbage g, counters c
                                                     WHERE c.name = 'item' AND g.retire_item = c.value + 1 AND g.user_id = ?2)",
        )
        .bind(user)
        .bind(user)
        .bind(now),
    );
    work.schedule_retirement(RetireJob { job: &retire_job, user, kind: "retire", due: now, now });
    work.statements.push(
        Statement::new(
            "UPDATE job_items SET state = 'cancelled', token = NULL, updated_at = ?3
             WHERE id BETWEEN (SELECT first_item FROM jobs WHERE id = ?1 AND user_id = ?2) AND (SELECT last_item FROM jobs WHERE id = ?1 AND user_id = ?2)
               AND state NOT IN ('done', 'failed', 'cancelled')",
        )
        .bind(&job)
        .bind(user)
        .bind(now),
    );
    work.statements.push(
        Statement::new("UPDATE jobs SET cancelled_at = ?3, finished_at = ?3 WHERE id = ?1 AND user_id = ?2 AND cancelled_at IS NULL AND finished_at IS NULL")
            .bind(&job)
            .bind(user)
            .bind(now),
    );
    work.statements.push(pipeline::index_version::bump(user));
    let retire = work.retire();
    let answers = ports.batch(work.statements).await?;
    let message = Work::retire_message(retire, &answers, user)?;
    let _ = ports.send(Vec::from_iter(message)).await;
    let view = read(ports, user, &job).await?.ok_or_else(not_found)?;
    reply(StatusCode::OK, &view).map_err(Refusal::from)
}

/// `POST /api/jobs/{id}/retry`: failed items try again from where they failed.
pub async fn retry<P: Database + Queue + Clock>(ports: &P, call: &Call<'_>) -> Answer {
    let job = id_of(call)?;
    let user = &call.caller.user;
    read(ports, user, &job).await?.ok_or_else(not_found)?;
    requeue(ports, user, &job, None).await?;
    let view = read(ports, user, &job).await?.ok_or_else(not_found)?;
    reply(StatusCode::ACCEPTED, &view).map_err(Refusal::from)
}

#[derive(Deserialize)]
struct Requeued {
    id: ItemId,
    stage: Stage,
}

/// Queues a job's failed items again, or one of them, and sends their messages. A batch that ended
/// without its failed pack waits for it again.
pub async fn requeue<P: Database + Queue + Clock>(
    ports: &P,
    user: &UserId,
    job: &JobId,
    only: Option<ItemId>,
) -> Result<(), Failure> {
    let now = ports.now();
    let reopen_batches = Statement::new(
        "UPDATE job_items SET stage = 'embed', state = 'waiting', cursor = NULL, progress = 0, updated_at = ?3
         WHERE state = 'done' AND id IN (
             SELECT p.batch FROM jobs j JOIN job_items p ON p.id BETWEEN j.first_item AND j.last_item
             WHERE j.id = ?1 AND j.user_id = ?2 AND p.state = 'failed' AND (?4 IS NULL OR p.id = ?4))",
    )
    .bind(job)
    .bind(user)
    .bind(now)
    .bind(only);
    let requeue = Statement::new(
        "UPDATE job_items SET state = 'queued', attempts = 0, error = NULL, next_at = ?3, sent_at = ?3, updated_at = ?3
         WHERE state = 'failed' AND user_id = ?2 AND (?4 IS NULL OR id = ?4)
           AND id BETWEEN (SELECT first_item FROM jobs WHERE id = ?1 AND user_id = ?2) AND (SELECT last_item FROM jobs WHERE id = ?1 AND user_id = ?2)
         RETURNING id, stage",
    )
    .bind(job)
    .bind(user)
    .bind(now)
    .bind(only);
    let reopen_job = Statement::new(
        "UPDATE jobs SET finished_at = NULL WHERE id = ?1 AND user_id = ?2 AND EXISTS (
             SELECT 1 FROM job_items WHERE id BETWEEN jobs.first_item AND jobs.last_item AND state NOT IN ('done', 'failed', 'cancelled'))",
    )
    .bind(job)
    .bind(user);
    let answers = ports.batch(vec![reopen_batches, requeue, reopen_job]).await?;
    let requeued: Vec<Requeued> = answers.at(1)?.all()?;
    let messages = requeued.into_iter().map(|item| Message { stage: item.stage, item: item.id, user: user.clone() });
    ports.send(messages.collect()).await
}
