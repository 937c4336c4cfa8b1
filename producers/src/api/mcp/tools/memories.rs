//! `friend_remember`, `friend_recall` and `friend_forget`: what a user wants kept.

use pipeline::{
    ids::MemoryId,
    problem::{Code, Problem, excerpt},
    store::memories::{self as store, MemoryRow, WantedMemories},
};
use retrieval::memories::{Recalled, Similar};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::tool::{NO_CURSOR, Told, ToolAnswer, bytes, fitting, limit};
use crate::{
    api::memories::{
        self, STATES,
        remember::{self, Remembering},
    },
    http::{
        body,
        call::{Call, RequestPorts},
        reply::Refusal,
    },
};

/// What became of something to remember.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Remembered {
    /// `created`, `duplicate` (it was known), or `restored` (it was corrected before, and holds again).
    outcome: Remembering,
    /// The memory.
    memory: Memory,
    /// What else is remembered that may be about the same: to be corrected with `supersedes`, or left.
    similar_to: Vec<Similar>,
    /// What was not done, and why.
    degraded: Option<String>,
}

/// A memory.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Memory {
    /// Its id, for `friend_forget` and `supersedes`.
    memory_id: MemoryId,
    /// `fact`, `preference`, `decision`, `instruction` or `note`.
    kind: String,
    /// What is remembered.
    text: String,
    /// Where it comes from.
    source: Option<String>,
    /// The project that it is about; null: whichever.
    project: Option<String>,
    /// `proposed`, `active` or `superseded`.
    state: String,
    /// It is in every prompt.
    pinned: bool,
    /// When it was remembered.
    created_at: pipeline::time::Timestamp,
    /// How well it fits what was asked, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    /// Why it was recalled: `pinned`, `vector` (by meaning), `keyword` (by words).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    found_by: Vec<&'static str>,
}

impl From<MemoryRow> for Memory {
    fn from(row: MemoryRow) -> Self {
        let MemoryRow { id, kind, text, source, project, state, pinned, created_at, .. } = row;
        let (score, found_by) = (None, Vec::new());
        Self { memory_id: id, kind, text, source, project, state, pinned, created_at, score, found_by }
    }
}

impl From<Recalled> for Memory {
    fn from(recalled: Recalled) -> Self {
        let Recalled { memory, score, found_by, .. } = recalled;
        Self { score: Some((score * 1_000.0).round() / 1_000.0), found_by, ..Self::from(memory) }
    }
}

/// Answers `friend_remember`.
pub async fn remember<P: RequestPorts>(ports: &P, call: &Call<'_>, arguments: &RawValue) -> Told {
    let new = remember::parse(arguments.get().as_bytes())?;
    let (remembered, degraded) = remember::keep(ports, &call.tenant, call.budget, new).await?;
    let remember::Remembered { outcome, memory, similar_to } = remembered;
    let answer = Remembered { outcome, memory: memory.into(), similar_to, degraded };
    Ok(ToolAnswer::new(in_words(&answer), &answer)?)
}

fn in_words(answer: &Remembered) -> String {
    let Memory { memory_id, kind, text, .. } = &answer.memory;
    let what = match answer.outcome {
        Remembering::Created => "Remembered",
        Remembering::Duplicate => "This was remembered already",
        Remembering::Restored => "Remembered again, in place of what had corrected it",
    };
    let mut words = format!("{what}: {memory_id} ({kind}) {:?}.", excerpt(text));
    for similar in &answer.similar_to {
        let Similar { id, text, .. } = similar;
        words.push_str(&format!(
            "\nAlso remembered, and perhaps about the same: {id} {text:?}. If the new one corrects it, call again with \
             supersedes; if both hold, leave it."
        ));
    }
    if let Some(why) = &answer.degraded {
        words.push_str(&format!("\nNote: {why}."));
    }
    words
}

/// What is recalled.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FriendRecall")]
pub struct Recall {
    /// What memories are to be about. Without it all are listed, the newest first.
    query: Option<String>,
    /// Of the list: only those that are `proposed`, `active` or `superseded`.
    #[schemars(extend("enum" = STATES))]
    state: Option<String>,
    /// The project that is worked in, such as `github.com/owner/name`: its own memories are preferred, and of a list
    /// only they are shown.
    project: Option<String>,
    /// Most memories: 1 to 20 with a query, 1 to 100 of the list; 10 without it.
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u32>,
    /// Longest answer in tokens, 100 to 25000; about 2000 without it.
    #[schemars(range(min = 100, max = 25_000))]
    max_tokens: Option<u32>,
    /// `next_cursor` of the answer before, for the memories after it.
    cursor: Option<String>,
}

/// What was recalled.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Memories {
    /// The best first, or of a list the newest.
    memories: Vec<Memory>,
    /// Why less was done than was asked for.
    degraded: Option<String>,
    /// For the memories after these.
    next_cursor: Option<String>,
    /// How many more fit the query than there was room for: a larger `max_tokens` brings them.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<usize>,
}

/// Answers `friend_recall`.
pub async fn recall<P: RequestPorts>(ports: &P, call: &Call<'_>, asked: Recall) -> Told {
    let bytes = bytes(asked.max_tokens)?;
    let answer = match &asked.query {
        Some(query) => fitting_query(ports, call, query, &asked, bytes).await?,
        None => list(ports, call, asked, bytes).await?,
    };
    Ok(ToolAnswer::new(listed(&answer), &answer)?)
}

async fn fitting_query<P: RequestPorts>(
    ports: &P,
    call: &Call<'_>,
    query: &str,
    asked: &Recall,
    bytes: usize,
) -> Result<Memories, Refusal> {
    if asked.cursor.is_some() || asked.state.is_some() {
        let detail = "what fits a query is one page of active memories: leave out cursor and state, or the query";
        return Err(Problem::field(Code::Invalid, "/query", detail).into());
    }
    let most = limit(asked.limit, 10, 20)?;
    let project = asked.project.as_deref().map(|project| body::project("/project", project)).transpose()?;
    let project = project.as_deref();
    let (recalled, degraded) = memories::fitting(ports, &call.tenant, call.budget, query, project, most).await?;
    let found = recalled.len();
    let memories = fitting(recalled.into_iter().map(Memory::from).collect(), bytes)?;
    let left_out = Some(found - memories.len()).filter(|left_out| *left_out > 0);
    Ok(Memories { memories, degraded, next_cursor: None, left_out })
}

async fn list<P: RequestPorts>(ports: &P, call: &Call<'_>, asked: Recall, bytes: usize) -> Result<Memories, Refusal> {
    if asked.state.as_deref().is_some_and(|state| !STATES.contains(&state)) {
        let detail = format!("expected one of {}", STATES.join(", "));
        return Err(Problem::field(Code::Invalid, "/state", detail).into());
    }
    let most = limit(asked.limit, 10, 100)?;
    let no_cursor = || Problem::field(Code::Invalid, "/cursor", NO_CURSOR);
    let cursor = asked.cursor.as_deref().map(|id| MemoryId::parse(id).ok_or_else(no_cursor)).transpose()?;
    let more = i64::try_from(most + 1).unwrap_or(i64::MAX);
    let project = asked.project.as_deref().map(|project| body::project("/project", project)).transpose()?;
    let wanted = WantedMemories { state: asked.state, project, cursor };
    let rows = store::list(&call.tenant.user, &wanted, more).all(ports).await?;
    let found = rows.len();
    let memories = fitting(rows.into_iter().take(most).map(Memory::from).collect(), bytes)?;
    let last = memories.last().filter(|_| memories.len() < found);
    let next_cursor = last.map(|memory| memory.memory_id.to_string());
    Ok(Memories { memories, degraded: None, next_cursor, left_out: None })
}

fn listed(answer: &Memories) -> String {
    let mut text = answer.degraded.as_ref().map(|why| format!("Note: {why}.\n")).unwrap_or_default();
    if answer.memories.is_empty() {
        text.push_str("Nothing about this is remembered.");
    }
    for memory in &answer.memories {
        let Memory { memory_id, kind, text: said, source, state, pinned, .. } = memory;
        let state = if state == "active" { String::new() } else { format!(", {state}") };
        let pinned = if *pinned { ", pinned" } else { "" };
        let source = source.as_deref().map(|source| format!(" (from {source})")).unwrap_or_default();
        text.push_str(&format!("{memory_id} {kind}{state}{pinned}: {said}{source}\n"));
    }
    if let Some(cursor) = &answer.next_cursor {
        text.push_str(&format!("More with cursor {cursor:?}."));
    }
    if let Some(left_out) = answer.left_out {
        text.push_str(&format!("{left_out} more: ask for more max_tokens."));
    }
    text.trim_end().to_owned()
}

/// What is forgotten.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FriendForget")]
pub struct Forget {
    /// The memory, by the id that `friend_recall` showed.
    memory_id: String,
}

/// What was forgotten.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Forgotten {
    /// The memory.
    memory_id: MemoryId,
}

/// Answers `friend_forget`.
pub async fn forget<P: RequestPorts>(ports: &P, call: &Call<'_>, asked: Forget) -> Told {
    let missing = || {
        Problem::field(
            Code::NotFound,
            "/memory_id",
            "there is no such memory, or not any more; friend_recall lists them",
        )
    };
    let memory_id = MemoryId::parse(&asked.memory_id).ok_or_else(missing)?;
    match memories::forget_one(ports, &call.tenant, &memory_id).await {
        Err(Refusal::Problem(_)) => return Err(missing().into()),
        done => done?,
    }
    Ok(ToolAnswer::new(format!("{memory_id} is forgotten."), &Forgotten { memory_id })?)
}
