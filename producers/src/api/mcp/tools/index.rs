//! `friend_index`: documents to be found from now on.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue, header};
use pipeline::{
    failure::Failure,
    ids::{DocumentId, JobId},
    platform::ports::{Clock, Database, Deployment, Meter},
    time::Span,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uploads::parse;

use super::super::tool::{DEFAULT_BYTES, LONGEST_WAIT, Told, ToolAnswer, fitting, of_arguments, wait};
use crate::{
    api::{
        index::{self, Uploaded, token::consistency_token},
        jobs,
    },
    http::{
        call::{Call, RequestPorts},
        reply::Refusal,
    },
};

/// What is indexed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FriendIndex")]
pub struct Arguments {
    /// The documents, up to 256 KB together. The same `external_id` again replaces what was indexed under it; the same
    /// content again costs nothing.
    #[schemars(with = "Vec<uploads::parse::DocumentInput>", length(min = 1))]
    documents: Box<RawValue>,
    /// Seconds to wait until they can be found, 0 to 50; 0 without it.
    #[schemars(range(min = 0, max = LONGEST_WAIT))]
    wait_seconds: Option<u32>,
}

/// What became of the documents.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Answer {
    /// The job that indexes them, for `friend_status`; null if there was nothing to do.
    job_id: Option<JobId>,
    /// How it is: `queued`, `running`, `succeeded`, `partial`, `in_progress`, ….
    status: String,
    /// For `after` of `friend_search`.
    consistency_token: Option<String>,
    /// How many documents were sent.
    sent: usize,
    /// What became of each document; where they are too many, first of those that were rejected.
    documents: Vec<Indexed>,
    /// Of those that are too many to be named: how many are `queued`, `duplicate`, `in_progress` or `rejected`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    others: BTreeMap<&'static str, usize>,
}

/// What became of a document.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Indexed {
    /// Its name.
    file: Option<String>,
    /// Its id.
    document_id: Option<DocumentId>,
    /// `queued`, `duplicate` (nothing has changed), `in_progress` or `rejected`.
    status: &'static str,
    /// Why it was rejected.
    error: Option<String>,
}

/// What the API calls by its place in the body stands in `documents`.
const POINTERS: &[(&str, &str)] = &[("/documents", "/documents"), ("", "/documents")];

/// Answers the tool.
pub async fn index<P: RequestPorts>(ports: &P, call: &Call<'_>, asked: Arguments) -> Told {
    let json = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    let longest = wait(asked.wait_seconds, 0)?;
    let documents = Box::<str>::from(asked.documents).into_boxed_bytes().into_vec().into();
    let read = parse::parse(&json, &documents).await;
    let items = read.map_err(|problem| of_arguments(problem, POINTERS))?;
    let uploaded = index::upload(ports, &call.tenant, items).await;
    let uploaded = uploaded.map_err(|refusal| without_insisting(of_arguments(refusal, POINTERS)))?;
    let status = match uploaded.job() {
        Some(job) if longest > Span::ZERO => waited(ports, call, job, longest).await?,
        _ => uploaded.status().to_owned(),
    };
    let answer = answer(&uploaded, status)?;
    Ok(ToolAnswer::new(in_words(&answer), &answer)?)
}

/// How a job is after a wait.
async fn waited<P>(ports: &P, call: &Call<'_>, job: &JobId, longest: Span) -> Result<String, Failure>
where
    P: Database + Deployment + Meter + Clock,
{
    let user = &call.tenant.user;
    jobs::wait_for_end(ports, user, job, longest).await?;
    let view = jobs::read(ports, user, job).await?;
    Ok(view.map_or("queued", |view| view.status().name()).to_owned())
}

fn answer(uploaded: &Uploaded, status: String) -> Result<Answer, Failure> {
    let documents = uploaded.items().iter().map(|item| Indexed {
        file: item.external_id.clone(),
        document_id: item.document_id.clone(),
        status: item.status,
        error: item.error.as_ref().map(|problem| said(&problem.detail)),
    });
    let (documents, others) = shown(documents.collect(), DEFAULT_BYTES)?;
    Ok(Answer {
        job_id: uploaded.job().cloned(),
        consistency_token: uploaded.job().map(consistency_token),
        sent: uploaded.items().len(),
        documents,
        others,
        status,
    })
}

/// As many documents as there is room for, and how many others there are by what became of them. Of a whole folder who
/// asked needs to know what was rejected.
fn shown(documents: Vec<Indexed>, bytes: usize) -> Result<(Vec<Indexed>, BTreeMap<&'static str, usize>), Failure> {
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    for document in &documents {
        *counts.entry(document.status).or_default() += 1;
    }
    let (all, mut shown) = (documents.len(), fitting(documents.clone(), bytes)?);
    if shown.len() < all {
        let (rejected, others): (Vec<Indexed>, Vec<Indexed>) =
            documents.into_iter().partition(|document| document.status == "rejected");
        shown = fitting(rejected.into_iter().chain(others).collect(), bytes)?;
    }
    for document in &shown {
        *counts.entry(document.status).or_default() -= 1;
    }
    counts.retain(|_, count| *count > 0);
    Ok((shown, counts))
}

/// Why a document was rejected. What people may insist on is not an agent's to decide.
fn said(detail: &str) -> String {
    match detail.split_once(": ") {
        Some((what, advice)) if advice.contains("allow_secrets") => {
            format!("{what}: leave it out; whoever wants it found uploads it without you")
        }
        _ => detail.to_owned(),
    }
}

/// The same of a refusal of all of them.
fn without_insisting(mut refusal: Refusal) -> Refusal {
    if let Refusal::Problem(problem) = &mut refusal {
        problem.detail = said(&problem.detail);
        for error in &mut problem.errors {
            error.detail = said(&error.detail);
        }
    }
    refusal
}

fn in_words(answer: &Answer) -> String {
    let mut text = match &answer.job_id {
        Some(job) => format!("{} documents, job {job}: {}.", answer.sent, answer.status),
        None => format!("{} documents, nothing to do: {}.", answer.sent, answer.status),
    };
    for document in &answer.documents {
        let file = document.file.as_deref().unwrap_or("(without a name)");
        let error = document.error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
        text.push_str(&format!("\n{file}: {}{error}", document.status));
    }
    for (status, count) in &answer.others {
        text.push_str(&format!("\n{count} others: {status}"));
    }
    if answer.job_id.is_some() && answer.status == "queued" {
        text.push_str("\nThey are found within seconds to minutes; friend_status says how far they are.");
    }
    text
}
