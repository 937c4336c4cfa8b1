//! Memories: remember, recall, correct, confirm, forget.

use http::{StatusCode, header};
use pipeline::{
    constants,
    failure::Failure,
    fingerprint,
    ids::MemoryId,
    model::EMBEDDING,
    platform::{
        ports::{Clock, Database, Embedder, KeyValue, Random},
        transaction::Transaction,
    },
    problem::{Code, Problem, excerpt},
    schema,
    scope::Scope,
    store::{
        self,
        memories::{MemoryRow, NewMemoryRow},
        users,
    },
    strict_json,
    tenant::Tenant,
};
use retrieval::{embedding_text, memories};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::http::{
    body,
    call::Call,
    paging::{Page, page, page_reply},
    reply::{Answer, Refusal, Reply},
};

/// What can be remembered.
pub const KINDS: [&str; 5] = ["fact", "preference", "decision", "instruction", "note"];
const DEFAULT_KIND: &str = "fact";
/// Longest `source`, in bytes.
const SOURCE_BYTES: usize = 500;
/// Most memories one recall answers with.
const RECALLED: usize = 20;

/// Something to remember.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct NewMemory {
    #[schemars(length(max = constants::MEMORY_BYTES))]
    text: String,
    #[schemars(extend("enum" = schema::one_of_or_null(&KINDS), "default" = DEFAULT_KIND))]
    kind: Option<String>,
    #[schemars(length(max = SOURCE_BYTES))]
    source: Option<String>,
    #[schemars(range(min = 0, max = 1), extend("default" = 1))]
    confidence: Option<f64>,
    #[schemars(with = "Option<MemoryId>")]
    supersedes: Option<String>,
    #[serde(default)]
    pinned: bool,
}

/// A memory that was sent, within its limits.
struct Checked {
    text: String,
    kind: String,
    source: Option<String>,
    confidence: f64,
    supersedes: Option<MemoryId>,
    pinned: bool,
}

/// What is remembered now, and whether it was before.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Remembered {
    /// `created`, or `duplicate` of the one that is answered.
    outcome: &'static str,
    #[serde(flatten)]
    memory: MemoryRow,
}

fn parse(text: &[u8]) -> Result<Checked, Problem> {
    let new: NewMemory = strict_json::read(text)?;
    let text = body::text("/text", &new.text, constants::MEMORY_BYTES)?;
    let kind = new.kind.unwrap_or_else(|| DEFAULT_KIND.to_owned());
    if !KINDS.contains(&kind.as_str()) {
        let detail = format!("{:?} is none of {}", excerpt(&kind), KINDS.join(", "));
        return Err(Problem::field(Code::Invalid, "/kind", detail));
    }
    let source = new.source.map(|source| body::text("/source", &source, SOURCE_BYTES)).transpose()?;
    let confidence = new.confidence.unwrap_or(1.0);
    if !(0.0..=1.0).contains(&confidence) {
        return Err(Problem::field(Code::Invalid, "/confidence", format!("{confidence} is not from 0 to 1")));
    }
    let supersedes = new.supersedes.map(|id| MemoryId::parse(&id).ok_or_else(nothing_to_supersede)).transpose()?;
    Ok(Checked { text, kind, source, confidence, supersedes, pinned: new.pinned })
}

/// `POST /api/memory`
///
/// The same words are remembered once, by their hash; the same said otherwise by its embedding.
/// What supersedes another takes its place in one transaction.
pub async fn remember<P>(ports: &P, call: &Call<'_>) -> Answer
where
    P: Database + KeyValue + Embedder + Clock + Random,
{
    let new = parse(call.request.body())?;
    let hash = fingerprint::of_words(&new.text);
    if new.supersedes.is_none()
        && let Some(known) = by_hash(ports, call, &hash).await?
    {
        return duplicate(ports, call, known).await;
    }
    if let Some(superseded) = &new.supersedes {
        read(ports, call, superseded).await?.ok_or_else(nothing_to_supersede)?;
    }
    // Without a model it is remembered all the same, and found by its words.
    let vector = embed(ports, &new.text).await;
    if new.supersedes.is_none()
        && let Some(vector) = &vector
        && let Some(known) = memories::nearest_same(ports, &call.tenant, vector).await?
    {
        return duplicate(ports, call, known).await;
    }
    let Some(memory) = insert(ports, &call.tenant, &new, &hash, vector.as_deref()).await? else {
        let detail = format!("{} memories are the most a user can have; forget some first", constants::MEMORIES);
        return Err(Problem::field(Code::TooLarge, "/text", detail).into());
    };
    let location = format!("/api/memory/{}", memory.id);
    Ok(Reply::json(StatusCode::CREATED, &Remembered { outcome: "created", memory }).with(header::LOCATION, &location))
}

/// One transaction: the memory, its words, and what it supersedes. `None` if its owner has too many.
async fn insert<P: Database + Clock + Random>(
    ports: &P,
    tenant: &Tenant,
    new: &Checked,
    hash: &str,
    vector: Option<&[f32]>,
) -> Result<Option<MemoryRow>, Failure> {
    let id = MemoryId::new(ports.now(), ports.bytes());
    let embedding = vector.map(embedding_text::encode);
    let memory = NewMemoryRow {
        id: &id,
        user: &tenant.user,
        kind: &new.kind,
        text: &new.text,
        hash,
        source: new.source.as_deref(),
        confidence: new.confidence,
        pinned: new.pinned,
        supersedes: new.supersedes.as_ref(),
        embedding: embedding.as_deref(),
        now: ports.now(),
    };
    let mut transaction = Transaction::default();
    let inserted = transaction.write(store::memories::insert(memory));
    transaction.write(store::memories::index(&tenant.user, hash, &Scope::of_user(tenant.number)));
    for write in store::memories::supersede(&tenant.user, new.supersedes.as_ref(), hash) {
        transaction.write(write);
    }
    transaction.write(users::bump(&tenant.user));
    let remembered = transaction.query(store::memories::of_words(&tenant.user, hash));
    let done = transaction.commit(ports).await?;
    if done.changes(inserted) == 0 {
        return Ok(None);
    }
    done.first(remembered)
}

async fn embed<P: Embedder>(ports: &P, text: &str) -> Option<Vec<f32>> {
    let tokens = text.len() as u64 / 4 + 2;
    let vectors = ports.embed(&EMBEDDING, std::slice::from_ref(&text.to_owned()), tokens).await.ok()?;
    vectors.into_iter().next()
}

/// What is known is not remembered again; what was only proposed is confirmed by being said.
async fn duplicate<P>(ports: &P, call: &Call<'_>, known: MemoryRow) -> Answer
where
    P: Database + Embedder + Clock,
{
    let memory = if known.state == "active" { known } else { activate(ports, call, &known).await? };
    Ok(Reply::json(StatusCode::OK, &Remembered { outcome: "duplicate", memory }))
}

async fn by_hash<P: Database>(ports: &P, call: &Call<'_>, hash: &str) -> Result<Option<MemoryRow>, Failure> {
    store::memories::of_words(&call.tenant.user, hash).first(ports).await
}

async fn read<P: Database>(ports: &P, call: &Call<'_>, id: &MemoryId) -> Result<Option<MemoryRow>, Failure> {
    store::memories::memory(&call.tenant.user, id).first(ports).await
}

const NO_SUCH_MEMORY: &str = "there is no such memory; GET /api/memory lists yours";

fn nothing_to_supersede() -> Problem {
    Problem::field(Code::NotFound, "/supersedes", NO_SUCH_MEMORY)
}

fn id_of(call: &Call<'_>) -> Result<MemoryId, Problem> {
    MemoryId::parse(call.id).ok_or_else(not_found)
}

fn not_found() -> Problem {
    Problem::new(Code::NotFound, NO_SUCH_MEMORY)
}

/// `GET /api/memory`: with `?query=` what fits it, best first; else all, the newest first.
pub async fn list<P>(ports: &P, call: &Call<'_>) -> Answer
where
    P: Database + KeyValue + Embedder + Clock,
{
    if let Some(query) = call.parameter("query") {
        return recall(ports, call, &query).await;
    }
    let (limit, cursor) = page(call, MemoryId::parse)?;
    let state = call.parameter("state");
    let entries = store::memories::list(&call.tenant.user, state, cursor.as_ref(), limit + 1).all(ports).await?;
    Ok(page_reply(entries, limit, |memory| memory.id.to_string()))
}

async fn recall<P>(ports: &P, call: &Call<'_>, query: &str) -> Answer
where
    P: Database + KeyValue + Embedder + Clock,
{
    let query = body::text("query", query, constants::QUERY_BYTES)?;
    // Nothing is cached: what a write to KV costs of the day is many times what the embedding does.
    let embedded = retrieval::embed_query(ports, &query, call.budget).await.ok();
    let vector = embedded.as_ref().map(|(vector, _)| vector.as_slice());
    let recalled = memories::recall(ports, &call.tenant, &query, vector, RECALLED).await?;
    let degraded = vector.is_none();
    let reply = Reply::json(StatusCode::OK, &Page { items: recalled, next_cursor: None, limit: RECALLED });
    let header = http::HeaderName::from_static("x-degraded");
    Ok(if degraded { reply.with(header, "the model is not answering; recalled by words alone") } else { reply })
}

/// `GET /api/memory/{id}`
pub async fn get<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    let memory = read(ports, call, &id_of(call)?).await?.ok_or_else(not_found)?;
    Ok(Reply::json(StatusCode::OK, &memory))
}

/// `DELETE /api/memory/{id}` forgets at once, everywhere: text, embedding and full-text entry go in one
/// transaction, and cached answers are out of reach.
pub async fn forget<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    let id = id_of(call)?;
    let user = &call.tenant.user;
    let mut transaction = Transaction::default();
    transaction.write(store::memories::unindex(user, &id));
    let deleted = transaction.write(store::memories::delete(user, &id));
    transaction.write(users::bump(user));
    if transaction.commit(ports).await?.changes(deleted) == 0 {
        return Err(not_found().into());
    }
    Ok(Reply::bytes(StatusCode::NO_CONTENT, "application/json", Vec::new()))
}

/// `POST /api/memory/{id}/confirm`: what was proposed is remembered.
pub async fn confirm<P>(ports: &P, call: &Call<'_>) -> Answer
where
    P: Database + Embedder + Clock,
{
    let id = id_of(call)?;
    let memory = read(ports, call, &id).await?.ok_or_else(not_found)?;
    let memory = if memory.state == "proposed" { activate(ports, call, &memory).await? } else { memory };
    Ok(Reply::json(StatusCode::OK, &memory))
}

async fn activate<P>(ports: &P, call: &Call<'_>, memory: &MemoryRow) -> Result<MemoryRow, Refusal>
where
    P: Database + Embedder + Clock,
{
    let embedding = embed(ports, &memory.text).await.as_deref().map(embedding_text::encode);
    let user = &call.tenant.user;
    let scope = Scope::of_user(call.tenant.number);
    let mut transaction = Transaction::default();
    transaction.write(store::memories::activate(user, &memory.id, embedding.as_deref()));
    transaction.write(store::memories::index(user, &fingerprint::of_words(&memory.text), &scope));
    transaction.write(users::bump(user));
    let activated = transaction.query(store::memories::memory(user, &memory.id));
    Ok(transaction.commit(ports).await?.first(activated)?.ok_or_else(not_found)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_names_its_field() {
        let long = format!(r#"{{"text":"{}"}}"#, "x".repeat(constants::MEMORY_BYTES + 1));
        for (body, status, pointer) in [
            (r#"{"text":""}"#, 422, "/text"),
            (long.as_str(), 413, "/text"),
            (r#"{"text":"a","kind":"poem"}"#, 422, "/kind"),
            (r#"{"text":"a","confidence":2}"#, 422, "/confidence"),
            (r#"{"text":"a","supersedes":"x"}"#, 404, "/supersedes"),
            (r#"{"text":"a","pinned":"yes"}"#, 422, "/pinned"),
        ] {
            let problem = parse(body.as_bytes()).err().unwrap();
            assert_eq!((problem.status, problem.errors[0].pointer.as_str()), (status, pointer), "{body:.80}");
        }
    }
}
