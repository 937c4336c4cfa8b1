//! `friend_status`: how far jobs are.

use pipeline::{
    ids::JobId,
    problem::{Code, Problem},
    store::jobs::read::{self, JobEntry, WantedJobs},
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    super::tool::{NO_CURSOR, Told, ToolAnswer, limit},
    ask::Answered,
};
use crate::{
    api::jobs::{self, JobView},
    http::{
        call::{Call, RequestPorts},
        reply::Refusal,
    },
};

/// Which jobs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FriendStatus")]
pub struct Arguments {
    /// One job, with its stages, what went wrong, and of a question the answer. Without it the newest jobs are listed.
    job_id: Option<String>,
    /// Most jobs of the list, 1 to 50; 10 without it.
    #[schemars(range(min = 1, max = 50))]
    limit: Option<u32>,
    /// `next_cursor` of the answer before, for the jobs after it.
    cursor: Option<String>,
}

/// How jobs are.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Answer {
    /// The newest first.
    jobs: Vec<Job>,
    /// For the jobs after these.
    next_cursor: Option<String>,
}

/// How a job is.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Job {
    /// Its id.
    job_id: JobId,
    /// What it does.
    #[cfg_attr(test, schemars(extend("enum" = jobs::KINDS)))]
    kind: &'static str,
    /// How it is.
    #[cfg_attr(test, schemars(extend("enum" = jobs::STATUSES)))]
    status: String,
    /// When it was made.
    created_at: Timestamp,
    /// When it ended.
    finished_at: Option<Timestamp>,
    /// Its stages, and how much of each is done: `embed: 12 of 40, running`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stages: Vec<String>,
    /// What went wrong, or why it waits.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<String>,
    /// Of a question that is answered: what, and what speaks for it.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    answered: Option<Answered>,
}

/// Errors that are shown of a job.
const ERRORS: usize = 10;

/// Answers the tool.
pub async fn status<P: RequestPorts>(ports: &P, call: &Call<'_>, asked: Arguments) -> Told {
    let answer = match &asked.job_id {
        Some(id) => Answer { jobs: vec![one(ports, call, id).await?], next_cursor: None },
        None => list(ports, call, &asked).await?,
    };
    Ok(ToolAnswer::new(in_words(&answer), &answer)?)
}

async fn one<P: RequestPorts>(ports: &P, call: &Call<'_>, id: &str) -> Result<Job, Refusal> {
    let missing =
        || Problem::field(Code::NotFound, "/job_id", "there is no such job; without job_id the newest are listed");
    let id = JobId::parse(id).ok_or_else(missing)?;
    let view = jobs::read(ports, &call.tenant.user, &id).await?.ok_or_else(missing)?;
    Ok(whole(view))
}

async fn list<P: RequestPorts>(ports: &P, call: &Call<'_>, asked: &Arguments) -> Result<Answer, Refusal> {
    let most = limit(asked.limit, 10, 50)?;
    let no_cursor = || Problem::field(Code::Invalid, "/cursor", NO_CURSOR);
    let cursor = asked.cursor.as_deref().map(|id| JobId::parse(id).ok_or_else(no_cursor)).transpose()?;
    let wanted = WantedJobs { cursor, kind: None, status: None };
    let more = i64::try_from(most + 1).unwrap_or(i64::MAX);
    let mut rows = read::list(&call.tenant.user, &wanted, more).all(ports).await?;
    let next_cursor = (rows.len() > most).then(|| rows[most - 1].id.to_string());
    rows.truncate(most);
    Ok(Answer { jobs: rows.into_iter().map(entry).collect(), next_cursor })
}

fn entry(row: JobEntry) -> Job {
    let JobEntry { id, kind, status, created_at, finished_at, .. } = row;
    let (stages, errors) = (Vec::new(), Vec::new());
    Job { job_id: id, kind: kind.name(), status, created_at, finished_at, stages, errors, answered: None }
}

fn whole(view: JobView) -> Job {
    let stages = view
        .stages
        .iter()
        .map(|stage| format!("{}: {} of {}, {}", stage.name.name(), stage.done, stage.total, stage.state.name()));
    let parked = view.parked_until.map(|until| {
        let why = view.parked_why.as_deref().unwrap_or("it waits for an allowance");
        format!("waits until {}: {why}", until.to_rfc3339())
    });
    let errors = parked.into_iter().chain(view.errors.iter().map(|error| error.detail.clone())).take(ERRORS);
    Job {
        status: view.status().name().to_owned(),
        stages: stages.collect(),
        errors: errors.collect(),
        answered: view.result.map(|result| Answered::of(Some(result))),
        job_id: view.id,
        kind: view.kind.name(),
        created_at: view.created_at,
        finished_at: view.finished_at,
    }
}

fn in_words(answer: &Answer) -> String {
    if answer.jobs.is_empty() {
        return "There are no jobs: nothing was indexed or asked lately.".to_owned();
    }
    let mut text = String::new();
    for job in &answer.jobs {
        let since = job.created_at.to_rfc3339();
        text.push_str(&format!("{} ({}): {}, since {since}\n", job.job_id, job.kind, job.status));
        let answer = job.answered.as_ref().and_then(Answered::in_words);
        for line in job.stages.iter().chain(&job.errors).chain(&answer) {
            text.push_str(&format!("  {line}\n"));
        }
    }
    if let Some(cursor) = &answer.next_cursor {
        text.push_str(&format!("More with cursor {cursor:?}."));
    }
    text.trim_end().to_owned()
}
