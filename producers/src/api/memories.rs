//! Memories: remember, recall, correct, change, confirm, forget.

pub mod remember;

use http::{HeaderName, StatusCode};
use pipeline::{
    budget::day::Budget,
    constants,
    failure::Failure,
    ids::MemoryId,
    merge_patch::{Change, without_defaults},
    normal_form::is_seen,
    platform::{
        ports::{Clock, Database, Embedder, KeyValue},
        transaction::Transaction,
    },
    problem::{Code, Problem, excerpt},
    project, schema, secrets,
    store::{
        self,
        memories::{MemoryChange, MemoryRow, WantedMemories},
        users,
    },
    strict_json,
    tenant::Tenant,
};
use retrieval::{
    embedding_text,
    memories::{self, Recalled},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::http::{
    body,
    call::Call,
    paging::{self, Page, one_of, page, page_reply},
    reply::{Answer, Refusal, Reply},
};

/// What can be remembered.
pub const KINDS: [&str; 5] = ["fact", "preference", "decision", "instruction", "note"];
/// What a memory can be.
pub const STATES: [&str; 3] = ["proposed", "active", "superseded"];
const DEFAULT_KIND: &str = "fact";
const DEFAULT_CONFIDENCE: f64 = 1.0;
/// Longest `source`, in bytes.
const SOURCE_BYTES: usize = 500;
/// Most memories one recall answers with.
const RECALLED: usize = 20;

/// A text within its limit that holds something to be seen, no secret, and no NUL: much of what reads texts ends them
/// there.
fn seen(pointer: &str, text: &str, limit: usize) -> Result<String, Problem> {
    let text = body::text(pointer, text, limit)?;
    if text.contains('\0') {
        let detail = "the text holds the character NUL (U+0000), which no text can keep: leave it out";
        return Err(Problem::field(Code::Invalid, pointer, detail));
    }
    if !is_seen(&text) {
        let detail = "the text holds nothing but characters without width: write at least one that is seen";
        return Err(Problem::field(Code::Invalid, pointer, detail));
    }
    if let Some(secret) = secrets::find(&text) {
        let detail = format!("{}: remember where it is kept in place of what it is", secret.described());
        return Err(Problem::field(Code::HoldsSecret, pointer, detail));
    }
    Ok(text)
}

fn checked_kind(kind: String) -> Result<String, Problem> {
    if KINDS.contains(&kind.as_str()) {
        return Ok(kind);
    }
    let detail = format!("{:?} is none of {}", excerpt(&kind), KINDS.join(", "));
    Err(Problem::field(Code::Invalid, "/kind", detail))
}

/// A memory in a list; what was recalled says how it fits, too.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ListedMemory")]
pub struct Listed {
    #[serde(flatten)]
    memory: MemoryRow,
    #[serde(flatten)]
    fit: Option<Fit>,
}

/// How well a memory fits what was asked.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Fit {
    /// How well it fits, from 0 to 1, as of a search's hits.
    #[schemars(range(min = 0, max = 1))]
    score: f64,
    /// Cosine to what was asked, if it was found by meaning.
    similarity: Option<f64>,
    /// Which ways led to it: `pinned`, `vector`, `keyword`.
    found_by: Vec<String>,
}

fn checked_confidence(confidence: f64) -> Result<f64, Problem> {
    if (0.0..=1.0).contains(&confidence) {
        return Ok(confidence);
    }
    Err(Problem::field(Code::Invalid, "/confidence", format!("{confidence} is not from 0 to 1")))
}

async fn read<P: Database>(ports: &P, call: &Call<'_>, id: &MemoryId) -> Result<Option<MemoryRow>, Failure> {
    store::memories::memory(&call.tenant.user, id).first(ports).await
}

/// What was corrected is not changed any more: what corrected it can be.
fn superseded(id: &MemoryId, first: &MemoryRow) -> String {
    format!("{id} was corrected by {}, {:?}; correct or change that one", first.id, excerpt(&first.text))
}

const X_DEGRADED: HeaderName = HeaderName::from_static("x-degraded");

/// Why the embedding model did not take part, and what was done without it.
fn without_model(budget: &Budget, done: &str) -> String {
    let why = if budget.is_without_neurons() { "today's neurons are spent" } else { "the model is not answering" };
    format!("{why}; {done}")
}

const NO_SUCH_MEMORY: &str = "there is no such memory; GET /api/memory lists yours";

fn id_of(call: &Call<'_>) -> Result<MemoryId, Problem> {
    MemoryId::parse(call.id).ok_or_else(not_found)
}

pub(crate) fn not_found() -> Problem {
    Problem::new(Code::NotFound, NO_SUCH_MEMORY)
}

/// `GET /api/memory`: with `?query=` what fits it, best first; else all, the newest first.
pub async fn list<P>(ports: &P, call: &Call<'_>) -> Answer
where
    P: Database + KeyValue + Embedder + Clock,
{
    let state = one_of(call, "state", &STATES)?;
    let (limit, cursor) = page(call, |cursor| paging::id(cursor, MemoryId::parse))?;
    let project = call.parameter("project").map(|project| body::project("project", &project)).transpose()?;
    if let Some(query) = call.parameter("query") {
        for name in ["cursor", "state"] {
            if call.parameter(name).is_some() {
                let detail = "what fits a query is one page of active memories: leave it out, or leave out `query`";
                return Err(Problem::field(Code::Invalid, name, detail).into());
            }
        }
        return recall(ports, call, &query, project.as_deref(), limit).await;
    }
    let wanted = WantedMemories { state, project, cursor };
    let entries = store::memories::list(&call.tenant.user, &wanted, limit + 1).all(ports).await?;
    Ok(page_reply(entries, limit, |memory| memory.id.to_string()))
}

async fn recall<P>(ports: &P, call: &Call<'_>, query: &str, project: Option<&str>, limit: i64) -> Answer
where
    P: Database + KeyValue + Embedder + Clock,
{
    let limit = usize::try_from(limit).unwrap_or(RECALLED).min(RECALLED);
    let (recalled, degraded) = fitting(ports, &call.tenant, call.budget, query, project, limit).await?;
    let reply = Reply::json(StatusCode::OK, &Page { items: recalled, next_cursor: None, limit });
    Ok(match degraded {
        Some(why) => reply.with(X_DEGRADED, &why),
        None => reply,
    })
}

/// The memories that fit a query, so many at most, those of the project preferred; and why meaning did not take part.
pub async fn fitting<P>(
    ports: &P,
    tenant: &Tenant,
    budget: &Budget,
    query: &str,
    project: Option<&str>,
    most: usize,
) -> Result<(Vec<Recalled>, Option<String>), Refusal>
where
    P: Database + KeyValue + Embedder + Clock,
{
    let query = body::text("query", query, constants::QUERY_BYTES)?;
    // Nothing is cached: what a write to KV costs of the day is many times what the embedding does.
    let embedded = retrieval::embed_query(ports, &query, budget).await.ok();
    let vector = embedded.as_ref().map(|(vector, _)| vector.as_slice());
    let recalled = memories::recall(ports, tenant, &query, project, vector, most.min(RECALLED)).await?;
    Ok((recalled, vector.is_none().then(|| without_model(budget, "recalled by words alone"))))
}

/// `GET /api/memory/{id}`
pub async fn get<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    let memory = read(ports, call, &id_of(call)?).await?.ok_or_else(not_found)?;
    Ok(Reply::json(StatusCode::OK, &memory))
}

/// `DELETE /api/memory/{id}` forgets at once, everywhere: text, embedding and full-text entry go in one
/// transaction, and cached answers are out of reach.
pub async fn forget<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    forget_one(ports, &call.tenant, &id_of(call)?).await?;
    Ok(Reply::bytes(StatusCode::NO_CONTENT, "application/json", Vec::new()))
}

/// Forgets a memory of a user, if there is such a one.
pub async fn forget_one<P: Database>(ports: &P, tenant: &Tenant, id: &MemoryId) -> Result<(), Refusal> {
    let user = &tenant.user;
    let mut transaction = Transaction::default();
    transaction.write(store::memories::unindex(user, tenant.words_of_memories(), id));
    let deleted = transaction.write(store::memories::delete(user, id));
    transaction.write(users::bump(user));
    if transaction.commit(ports).await?.changes(deleted) == 0 {
        return Err(not_found().into());
    }
    Ok(())
}

/// What is changed of a memory, as RFC 7396 merges it: `null` gives a field its default again.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = without_defaults)]
pub struct MemoryPatch {
    #[schemars(extend("enum" = schema::one_of_or_null(&KINDS)))]
    kind: Change<String>,
    #[schemars(length(min = 1, max = SOURCE_BYTES), regex(pattern = schema::TEXT_WITHOUT_NUL))]
    source: Change<String>,
    #[schemars(range(min = 0, max = 1))]
    confidence: Change<f64>,
    pinned: Change<bool>,
    /// The project that it is about; `null`: whichever.
    #[schemars(length(min = 1, max = project::NAME_BYTES), regex(pattern = schema::NAME))]
    project: Change<String>,
    /// What a memory says is not changed.
    #[schemars(skip)]
    text: Change<Value>,
}

/// A change within its limits.
struct Checked {
    kind: Option<String>,
    source: Change<String>,
    confidence: Option<f64>,
    pinned: Option<bool>,
    project: Change<String>,
}

fn parse_change(text: &[u8]) -> Result<Checked, Problem> {
    let patch: MemoryPatch = strict_json::read(text)?;
    if !patch.text.is_none() {
        let detail =
            "what a memory says is corrected, not changed: POST /api/memory with the new text and `supersedes`";
        return Err(Problem::field(Code::Invalid, "/text", detail));
    }
    Ok(Checked {
        kind: patch.kind.or(DEFAULT_KIND.to_owned()).map(checked_kind).transpose()?,
        source: patch.source.try_map(|source| seen("/source", &source, SOURCE_BYTES))?,
        confidence: patch.confidence.or(DEFAULT_CONFIDENCE).map(checked_confidence).transpose()?,
        pinned: patch.pinned.or(false),
        project: patch.project.try_map(|project| body::project("/project", &project))?,
    })
}

/// `PATCH /api/memory/{id}`: what is said of it beside its text.
pub async fn change<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    let id = id_of(call)?;
    let change = parse_change(call.request.body())?;
    let row = MemoryChange {
        kind: change.kind.as_deref(),
        source: change.source.as_deref(),
        confidence: change.confidence,
        pinned: change.pinned,
        project: change.project.as_deref(),
    };
    let user = &call.tenant.user;
    let mut transaction = Transaction::default();
    transaction.write(store::memories::change(user, &id, &row));
    transaction.write(users::bump(user));
    let changed = transaction.query(store::memories::memory(user, &id));
    let first = transaction.query(store::memories::remember::correction(user, &id));
    let done = transaction.commit(ports).await?;
    let memory = done.first(changed)?.ok_or_else(not_found)?;
    refuse_superseded(&memory, done.first(first)?.as_ref())?;
    Ok(Reply::json(StatusCode::OK, &memory))
}

/// Refuses what was corrected, and names by what.
fn refuse_superseded(memory: &MemoryRow, first: Option<&MemoryRow>) -> Result<(), Problem> {
    if memory.state != "superseded" {
        return Ok(());
    }
    let forgotten = || format!("{} was corrected, and its correction forgotten", memory.id);
    Err(Problem::new(Code::Conflict, first.map_or_else(forgotten, |first| superseded(&memory.id, first))))
}

/// `POST /api/memory/{id}/confirm`: what was proposed is remembered.
pub async fn confirm<P>(ports: &P, call: &Call<'_>) -> Answer
where
    P: Database + Embedder + Clock,
{
    let id = id_of(call)?;
    let memory = read(ports, call, &id).await?.ok_or_else(not_found)?;
    let memory = if memory.state == "proposed" { activate(ports, call, &memory).await? } else { memory };
    if memory.state == "superseded" {
        let first = store::memories::remember::correction(&call.tenant.user, &id).first(ports).await?;
        refuse_superseded(&memory, first.as_ref())?;
    }
    Ok(Reply::json(StatusCode::OK, &memory))
}

async fn activate<P>(ports: &P, call: &Call<'_>, memory: &MemoryRow) -> Result<MemoryRow, Refusal>
where
    P: Database + Embedder + Clock,
{
    let vector = retrieval::embed_text(ports, &memory.text, call.budget).await.ok();
    let embedding = vector.as_deref().map(embedding_text::encode);
    let user = &call.tenant.user;
    let words = call.tenant.words_of_memories();
    let mut transaction = Transaction::default();
    transaction.write(store::memories::activate(user, &memory.id, embedding.as_deref()));
    transaction.write(store::memories::index_named(user, words, &memory.id, &memory.text));
    if memory.supersedes.is_some() {
        transaction.write_all(store::memories::supersede_confirmed(user, words, &memory.id));
    }
    transaction.write(users::bump(user));
    let activated = transaction.query(store::memories::memory(user, &memory.id));
    Ok(transaction.commit(ports).await?.first(activated)?.ok_or_else(not_found)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_names_the_field_that_it_cannot_have() {
        for (body, pointer) in [
            (r#"{"text":"another"}"#, "/text"),
            (r#"{"kind":"poem"}"#, "/kind"),
            (r#"{"confidence":-1}"#, "/confidence"),
            (r#"{"pinned":"yes"}"#, "/pinned"),
            (r#"{"source":"\u200b"}"#, "/source"),
            (r#"{"project":"~/x"}"#, "/project"),
        ] {
            let problem = parse_change(body.as_bytes()).err().unwrap();
            assert_eq!((problem.status, problem.errors[0].pointer.as_str()), (422, pointer), "{body}");
        }
    }
}
