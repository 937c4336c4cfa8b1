//! `POST /api/index`: documents in, a job out.
//!
//! 1. Parse and validate, each document alone ([`parse`], [`validate`]).
//! 2. Hash, and look for what is there already: duplicates cost nothing.
//! 3. Plan packs and batches by bytes ([`pack`]), estimate the cost ([`estimate`]).
//! 4. Commit: rows that announce the packs, the packs in R2, then the rows that make the job
//!    ([`accept`]). Only then is the answer 202, and only then are messages sent.

pub mod accept;
pub mod estimate;
pub mod media;
pub mod pack;
pub mod parse;
pub mod token;
pub mod validate;

use std::collections::HashMap;

use data_encoding::HEXLOWER;
use http::{StatusCode, header};
use pipeline::{
    constants,
    failure::Failure,
    ids::{DocumentId, JobId},
    platform::{
        ports::{Database, Sha256},
        statement::json,
    },
    problem::{Code, Problem},
    store::documents::upload,
    tenant::Tenant,
};
use schemars::JsonSchema;
use serde::Serialize;

pub use self::parse::Documents;
use self::{
    accept::Accepted,
    estimate::{Estimate, Text},
    parse::Item,
    token::consistency_token,
    validate::{Description, Prepared},
};
use crate::{
    api::jobs,
    http::{
        call::{Call, Platform},
        idempotency,
        reply::{Answer, Reply},
    },
};

/// What became of one document of a request.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ItemAnswer {
    /// Its place in the request.
    pub index: usize,
    /// The client's name for it.
    pub external_id: Option<String>,
    /// Ours.
    pub document_id: Option<DocumentId>,
    /// `queued`, `duplicate`, `in_progress` or `rejected`.
    pub status: &'static str,
    /// Of what an earlier upload is bringing already: that upload's job, which may still be cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
    /// Why it was rejected.
    pub error: Option<Problem>,
}

/// What becomes of an upload.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct IndexAnswer<'a> {
    job_id: Option<&'a JobId>,
    status: &'static str,
    consistency_token: Option<String>,
    estimate: Estimate,
    items: &'a [ItemAnswer],
}

/// Answers the route. See the module for its steps.
pub async fn index<P: Platform>(ports: &P, call: &Call<'_>) -> Answer {
    let body = call.request.body();
    let key = idempotency::key(call)?;
    let body_hash = match &key {
        Some(_) => HEXLOWER.encode(&ports.sha256(body).await?),
        None => String::new(),
    };
    if let Some(key) = &key
        && let Some(reply) = idempotency::replay(ports, &call.tenant, key, &body_hash).await?
    {
        return Ok(reply);
    }
    let items = parse::parse(call.request.headers(), body).await?;
    let (mut answers, documents) = prepare(ports, &call.tenant, items).await?;
    let known = known(ports, &call.tenant, &documents).await?;
    let queued = unknown(documents, known, &mut answers);
    let sizes: Vec<usize> = queued.iter().map(|prepared| prepared.document.content.len()).collect();
    let batches = pack::plan(&sizes);
    let texts: Vec<Text<'_>> = queued
        .iter()
        .map(|prepared| Text {
            bytes: prepared.document.content.as_ref(),
            is_html: prepared.document.description.media_type == "text/html",
        })
        .collect();
    let estimate = estimate::estimate(&texts, &batches);
    if call.parameter("dry_run").as_deref() == Some("true") {
        let answer =
            IndexAnswer { job_id: None, status: "dry_run", consistency_token: None, estimate, items: &answers };
        return Ok(Reply::json(StatusCode::OK, &answer));
    }
    if queued.is_empty() {
        return nothing_queued(&answers, estimate);
    }
    let job = JobId::new(ports.now(), ports.bytes());
    let answer = IndexAnswer {
        job_id: Some(&job),
        status: "queued",
        consistency_token: Some(consistency_token(&job)),
        estimate,
        items: &answers,
    };
    let accepted = Accepted {
        job: &job,
        tenant: &call.tenant,
        documents: &queued,
        batches: &batches,
        idempotency: key.as_deref().map(|key| (key, body_hash.as_str())),
        response: &kept(&answer)?,
    };
    accept::accept(ports, accepted).await?;
    let location = format!("/api/jobs/{job}");
    match call.wait_seconds() {
        0 => Ok(Reply::json(StatusCode::ACCEPTED, &answer).with(header::LOCATION, &location)),
        seconds => jobs::wait(ports, &call.tenant.user, &job, seconds, &answer).await,
    }
}

/// Longest answer that is kept whole, to be replayed: its row has room for a key and a hash beside it.
const KEPT_BYTES: usize = constants::D1_VALUE_BYTES - 4 * 1024;

/// An answer as it is kept. One that is longer than a row of D1 leaves out the client's own names: the places of
/// the items tell them as well.
fn kept(answer: &IndexAnswer<'_>) -> Result<String, Failure> {
    let whole = json(answer)?;
    if whole.len() <= KEPT_BYTES {
        return Ok(whole);
    }
    let nameless = |item: &ItemAnswer| ItemAnswer { external_id: None, ..item.clone() };
    let items: Vec<ItemAnswer> = answer.items.iter().map(nameless).collect();
    json(&IndexAnswer { items: &items, ..answer.clone() })
}

/// Nothing to do is no job: 200 if any was there already, or is on its way, else the problem.
fn nothing_queued(answers: &[ItemAnswer], estimate: Estimate) -> Answer {
    let has = |status: &str| answers.iter().any(|answer| answer.status == status);
    if has("duplicate") || has("in_progress") {
        let status = if has("in_progress") { "in_progress" } else { "succeeded" };
        let answer = IndexAnswer { job_id: None, status, consistency_token: None, estimate, items: answers };
        return Ok(Reply::json(StatusCode::OK, &answer));
    }
    if let [ItemAnswer { error: Some(problem), .. }] = answers {
        return Err(problem.clone().into());
    }
    let mut problem = Problem::new(Code::Invalid, format!("none of the {} documents can be indexed", answers.len()));
    let errors = answers.iter().filter_map(|answer| answer.error.as_ref());
    problem.errors = errors.flat_map(|error| error.errors.clone()).take(100).collect();
    Err(problem.into())
}

/// Validates and fingerprints; a document named twice is taken once.
async fn prepare<P: Sha256>(
    ports: &P,
    tenant: &Tenant,
    items: Vec<Item>,
) -> Result<(Vec<ItemAnswer>, Vec<(usize, Prepared)>), Failure> {
    let mut answers = Vec::with_capacity(items.len());
    let mut documents = Vec::with_capacity(items.len());
    let mut seen: HashMap<DocumentId, usize> = HashMap::new();
    for (index, item) in items.into_iter().enumerate() {
        let external_id = item.document.as_ref().ok().and_then(|document| document.external_id.clone());
        let mut answer =
            ItemAnswer { index, external_id, document_id: None, status: "queued", job_id: None, error: None };
        match item.document.and_then(|document| validate::validate(&item.pointer, document)) {
            Ok(document) => {
                let content_hash = ports.sha256(&document.content).await?;
                let id = document.id(&tenant.user, &content_hash);
                if let Some(first) = seen.get(&id) {
                    let detail = format!("the same document stands at index {first} of this request");
                    reject(
                        &mut answer,
                        Problem::field(Code::Duplicate, format!("{}/external_id", item.pointer), detail),
                    );
                } else {
                    seen.insert(id.clone(), index);
                    answer.document_id = Some(id.clone());
                    let fingerprint = fingerprint(&document.description, &content_hash)?;
                    documents.push((index, Prepared { id, fingerprint, document }));
                }
            }
            Err(problem) => reject(&mut answer, problem),
        }
        answers.push(answer);
    }
    Ok((answers, documents))
}

fn reject(answer: &mut ItemAnswer, problem: Problem) {
    answer.status = "rejected";
    answer.error = Some(problem);
}

fn fingerprint(description: &Description, content_hash: &[u8; 32]) -> Result<String, Failure> {
    let described = json(&(description, description.created_at))?;
    Ok(pipeline::fingerprint::of(&[content_hash, described.as_bytes()]))
}

/// The documents whose latest revision has this fingerprint and is published, or on its way by a job.
async fn known<P: Database>(
    ports: &P,
    tenant: &Tenant,
    documents: &[(usize, Prepared)],
) -> Result<HashMap<DocumentId, Option<JobId>>, Failure> {
    if documents.is_empty() {
        return Ok(HashMap::new());
    }
    let wanted: Vec<(&DocumentId, &str)> =
        documents.iter().map(|(_, prepared)| (&prepared.id, prepared.fingerprint.as_str())).collect();
    let rows = upload::known(&tenant.user, &wanted)?.all(ports).await?;
    Ok(rows.into_iter().map(|row| (row.id, row.job_id)).collect())
}

/// The documents that are not known, which are to be queued; the answers say what the others are.
fn unknown(
    documents: Vec<(usize, Prepared)>,
    mut known: HashMap<DocumentId, Option<JobId>>,
    answers: &mut [ItemAnswer],
) -> Vec<Prepared> {
    let mut unknown = Vec::new();
    for (index, prepared) in documents {
        match known.remove(&prepared.id) {
            None => unknown.push(prepared),
            Some(job) => {
                answers[index].status = if job.is_some() { "in_progress" } else { "duplicate" };
                answers[index].job_id = job;
            }
        }
    }
    unknown
}
