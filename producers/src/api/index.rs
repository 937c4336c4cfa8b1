//! `POST /api/index`: documents in, a job out.
//!
//! 1. Parse and validate, each document alone, hash ([`uploads`]).
//! 2. Look for what is there already: duplicates cost nothing.
//! 3. Plan packs and batches by bytes ([`pack`]), estimate the cost ([`estimate`]).
//! 4. Commit: rows that note the packs, the packs in R2, then the rows that make the job
//!    ([`accept`]). Only then is the answer 202, and only then are messages sent.
//!
//! A body that is too large for that goes into R2 unread, and one that unfolds to too much as it came; the unpack
//! stage does the same with them ([`stream`]).

pub mod accept;
pub mod answer;
pub mod begin;
pub mod estimate;
pub mod stream;
pub mod token;

use std::collections::HashMap;

use http::StatusCode;
use pipeline::{
    constants,
    failure::Failure,
    ids::{DocumentId, JobId},
    platform::{ports::Database, statement::json, transaction::Transaction},
    problem::{Code, Problem},
    store::documents::{order, upload},
    tenant::Tenant,
};
pub use uploads::Documents;
use uploads::{
    Item, ItemAnswer, Prepared, PreparedDocument,
    pack::{self, Batch},
    parse, prepare,
};

pub use self::answer::IndexAnswer;
use self::{
    accept::PlannedUpload,
    answer::accepted,
    estimate::{Estimate, Text},
    token::consistency_token,
};
use crate::http::{
    call::{Call, RequestPorts},
    idempotency::{self, Begun, Key},
    reply::{Answer, Refusal, Reply},
};

/// Answers the route. See the module for its steps.
pub async fn index<P: RequestPorts>(ports: &P, call: &Call<'_>) -> Answer {
    if let Some(bytes) = call.unread {
        return stream::index(ports, call, bytes).await;
    }
    let is_estimate = call.flag("dry_run")?;
    // An estimate does nothing that a key could name; one that is none is refused all the same.
    let begun = if is_estimate { idempotency::pass_over(call)? } else { idempotency::begin(ports, call).await? };
    let key = match begun {
        Begun::Answered(replay) => return answer::replayed(ports, call, replay).await,
        Begun::New(key) => key,
    };
    let Some(body) = parse::plain(call.request.headers(), call.request.body())? else {
        return stream::index_read(ports, call, key.as_ref()).await;
    };
    let mut items = parse::parse(call.request.headers(), &body).await?;
    if !call.flag("allow_secrets")? {
        uploads::withhold(&mut items);
    }
    let plan = plan(ports, &call.tenant, items, is_estimate).await?;
    if is_estimate {
        return Ok(Reply::json(StatusCode::OK, &plan.answer("dry_run", None)));
    }
    let uploaded = commit(ports, &call.tenant, plan, key.as_ref()).await?;
    let answer = uploaded.answer();
    match &uploaded.job {
        None => Ok(Reply::json(StatusCode::OK, &answer)),
        Some(job) => accepted(ports, call, job, &answer).await,
    }
}

/// Uploads documents that were read already, but for those whose names say that they hold secrets.
pub async fn upload<P: RequestPorts>(ports: &P, tenant: &Tenant, mut items: Vec<Item>) -> Result<Uploaded, Refusal> {
    uploads::withhold(&mut items);
    let plan = plan(ports, tenant, items, false).await?;
    commit(ports, tenant, plan, None).await
}

/// An upload that was accepted, or of which everything was there already.
pub struct Uploaded {
    plan: Plan,
    status: &'static str,
    job: Option<JobId>,
}

impl Uploaded {
    fn answer(&self) -> IndexAnswer<'_> {
        self.plan.answer(self.status, self.job.as_ref())
    }

    /// The job that brings what was not there.
    pub const fn job(&self) -> Option<&JobId> {
        self.job.as_ref()
    }

    /// How it is.
    pub const fn status(&self) -> &'static str {
        self.status
    }

    /// What became of each document.
    pub fn items(&self) -> &[ItemAnswer] {
        &self.plan.answers
    }
}

/// An upload that was looked through.
struct Plan {
    /// What becomes of each of its documents.
    answers: Vec<ItemAnswer>,
    /// Those that are to be indexed.
    documents: Vec<PreparedDocument>,
    /// Their packs.
    batches: Vec<Batch>,
    /// What that costs.
    estimate: Estimate,
}

impl Plan {
    fn answer<'a>(&'a self, status: &'static str, job: Option<&'a JobId>) -> IndexAnswer<'a> {
        let consistency_token = job.map(consistency_token);
        let estimate = Some(self.estimate);
        IndexAnswer { job_id: job, status, consistency_token, estimate, items: &self.answers, items_url: None }
    }
}

/// Steps 1 to 3: nothing is written so far but that what is there already was uploaded once more.
async fn plan<P: RequestPorts>(
    ports: &P,
    tenant: &Tenant,
    items: Vec<Item>,
    is_estimate: bool,
) -> Result<Plan, Failure> {
    let Prepared { mut answers, documents: prepared } = prepare(ports, &tenant.user, items, 0).await?;
    let known = known(ports, tenant, &prepared, is_estimate).await?;
    let documents = unknown(prepared, known, &mut answers);
    let sizes: Vec<usize> = documents.iter().map(|prepared| prepared.document.content.len()).collect();
    let units = ports.plan().units();
    let batches = pack::plan(&sizes, &units);
    let texts: Vec<Text<'_>> = documents.iter().map(text).collect();
    let estimate = estimate::estimate(&texts, &batches, &units);
    Ok(Plan { answers, documents, batches, estimate })
}

fn text(prepared: &PreparedDocument) -> Text<'_> {
    let document = &prepared.document;
    let description = &document.description;
    let (is_html, is_kept) = (description.media_type == "text/html", description.blob.is_some());
    Text { bytes: document.content.as_ref(), is_html, is_kept }
}

/// Step 4, if there is anything to do.
async fn commit<P: RequestPorts>(
    ports: &P,
    tenant: &Tenant,
    plan: Plan,
    key: Option<&Key>,
) -> Result<Uploaded, Refusal> {
    if plan.documents.is_empty() {
        let status = nothing_queued(&plan)?;
        return Ok(Uploaded { plan, status, job: None });
    }
    let job = JobId::new(ports.now(), ports.bytes());
    let answer = plan.answer("queued", Some(&job));
    let planned = PlannedUpload {
        job: &job,
        tenant,
        documents: &plan.documents,
        batches: &plan.batches,
        key,
        response: &kept(&answer)?,
        rejected: plan.answers.iter().filter(|answer| answer.status == "rejected").count(),
    };
    accept::accept(ports, planned).await?;
    Ok(Uploaded { plan, status: "queued", job: Some(job) })
}

/// Longest answer that is kept whole, to be replayed: its row has room for a key and a hash beside it.
const KEPT_BYTES: usize = constants::D1_VALUE_BYTES - 4 * 1024;

/// An answer as it is kept. One that is longer than a row of D1 leaves out the client's own names: the places of
/// the items say them as well.
fn kept(answer: &IndexAnswer<'_>) -> Result<String, Failure> {
    let whole = json(answer)?;
    if whole.len() <= KEPT_BYTES {
        return Ok(whole);
    }
    let nameless = |item: &ItemAnswer| ItemAnswer { external_id: None, ..item.clone() };
    let items: Vec<ItemAnswer> = answer.items.iter().map(nameless).collect();
    json(&IndexAnswer { items: &items, ..answer.clone() })
}

/// Nothing to do is no job: how that went if any was there already, or is on its way, else the problem.
fn nothing_queued(plan: &Plan) -> Result<&'static str, Problem> {
    let answers = &plan.answers;
    let has = |status: &str| answers.iter().any(|answer| answer.status == status);
    if has("duplicate") || has("in_progress") {
        let status = if has("in_progress") {
            "in_progress"
        } else if has("rejected") {
            "partial"
        } else {
            "succeeded"
        };
        return Ok(status);
    }
    if let [ItemAnswer { error: Some(problem), .. }] = answers.as_slice() {
        return Err(problem.clone());
    }
    let mut problem = Problem::new(Code::Invalid, format!("none of the {} documents can be indexed", answers.len()));
    let errors = answers.iter().filter_map(|answer| answer.error.as_ref());
    problem.errors = errors.flat_map(|error| error.errors.clone()).take(100).collect();
    Err(problem)
}

/// The documents whose latest revision has this fingerprint and is published, or on its way by a job. In the same
/// transaction they are decided anew: what a streamed upload from before still brings of them is older.
async fn known<P: Database>(
    ports: &P,
    tenant: &Tenant,
    documents: &[(usize, PreparedDocument)],
    is_estimate: bool,
) -> Result<HashMap<DocumentId, Option<JobId>>, Failure> {
    if documents.is_empty() {
        return Ok(HashMap::new());
    }
    let wanted: Vec<(&DocumentId, &str)> =
        documents.iter().map(|(_, prepared)| (&prepared.id, prepared.fingerprint.as_str())).collect();
    let mut look = Transaction::default();
    if !is_estimate {
        look.write(order::confirm(&tenant.user, &wanted, None)?);
    }
    let known = look.query(upload::known(&tenant.user, &wanted)?);
    let rows = look.commit(ports).await?.all(known)?;
    Ok(rows.into_iter().map(|row| (row.id, row.job_id)).collect())
}

/// The documents that are not known, which are to be queued; the answers say what the others are.
fn unknown(
    documents: Vec<(usize, PreparedDocument)>,
    mut known: HashMap<DocumentId, Option<JobId>>,
    answers: &mut [ItemAnswer],
) -> Vec<PreparedDocument> {
    let mut unknown = Vec::new();
    for (index, prepared) in documents {
        match known.remove(&prepared.id) {
            None => unknown.push(prepared),
            Some(job) => answers[index].know(job),
        }
    }
    unknown
}
