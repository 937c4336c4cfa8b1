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
        statement::Statement,
    },
    problem::{Code, Problem},
    schema,
    scope::Scope,
    store::users,
};
use retrieval::{
    memories::{self, Memory},
    memory_columns,
};
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
    memory: Memory,
}

fn parse(text: &[u8]) -> Result<Checked, Problem> {
    let new: NewMemory = body::parse(text)?;
    let text = body::text("/text", &new.text, constants::MEMORY_BYTES)?;
    let kind = new.kind.unwrap_or_else(|| DEFAULT_KIND.to_owned());
    if !KINDS.contains(&kind.as_str()) {
        let detail = format!("{:?} is none of {}", kind.chars().take(60).collect::<String>(), KINDS.join(", "));
        return Err(Problem::field(Code::Invalid, "/kind", detail));
    }
    let source = new.source.map(|source| body::text("/source", &source, SOURCE_BYTES)).transpose()?;
    let confidence = new.confidence.unwrap_or(1.0);
    if !(0.0..=1.0).contains(&confidence) {
        return Err(Problem::field(Code::Invalid, "/confidence", format!("{confidence} is not from 0 to 1")));
    }
    let unknown = || Problem::field(Code::NotFound, "/supersedes", "there is no such memory");
    let supersedes = new.supersedes.map(|id| MemoryId::parse(&id).ok_or_else(unknown)).transpose()?;
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
    let tenant = &call.tenant;
    let hash = fingerprint::of_words(&new.text);
    if new.supersedes.is_none()
        && let Some(known) = by_hash(ports, call, &hash).await?
    {
        return duplicate(ports, call, known).await;
    }
    if let Some(superseded) = &new.supersedes {
        read(ports, call, superseded)
            .await?
            .ok_or_else(|| Problem::field(Code::NotFound, "/supersedes", "there is no such memory"))?;
    }
    // Without a model it is remembered all the same, and found by its words.
    let vector = embed(ports, &new.text).await;
    if new.supersedes.is_none()
        && let Some(vector) = &vector
        && let Some(known) = memories::nearest_same(ports, tenant, vector).await?
    {
        return duplicate(ports, call, known).await;
    }
    let id = MemoryId::new(ports.now(), ports.bytes());
    let insert = Statement::new(
        "INSERT INTO memories (id, user_id, kind, text, hash, source, confidence, state, pinned, supersedes, embedding, created_at)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, 'active', ?8, ?9, ?10, ?11
         WHERE (SELECT count(*) FROM memories WHERE user_id = ?2) < ?12
         ON CONFLICT (user_id, hash) DO UPDATE SET state = 'active', supersedes = excluded.supersedes,
             confidence = excluded.confidence, pinned = excluded.pinned, embedding = excluded.embedding",
    )
    .bind(&id)
    .bind(&tenant.user)
    .bind(new.kind.as_str())
    .bind(new.text.as_str())
    .bind(hash.as_str())
    .bind(new.source.as_deref())
    .bind(new.confidence)
    .bind(new.pinned)
    .bind(new.supersedes.as_ref())
    .bind(vector.as_deref().map(memories::encode))
    .bind(ports.now())
    .bind(constants::MEMORIES);
    let index = index_by_hash(tenant.number, &hash, call);
    let supersede = Statement::new(
        "UPDATE memories SET state = 'superseded', pinned = 0 WHERE user_id = ?1 AND id = ?2 AND hash <> ?3
           AND EXISTS (SELECT 1 FROM memories WHERE user_id = ?1 AND hash = ?3 AND state = 'active')",
    )
    .bind(&tenant.user)
    .bind(new.supersedes.as_ref())
    .bind(hash.as_str());
    let unindex = Statement::new(
        "DELETE FROM memories_fts WHERE rowid IN (SELECT number FROM memories WHERE user_id = ?1 AND id = ?2 AND state = 'superseded')",
    )
    .bind(&tenant.user)
    .bind(new.supersedes.as_ref());
    let answers = ports.batch(vec![insert, index, supersede, unindex, users::bump(&tenant.user)]).await?;
    if answers.at(0)?.changes == 0 {
        let detail = format!("{} memories are the most a user can have; forget some first", constants::MEMORIES);
        return Err(Problem::field(Code::TooLarge, "/text", detail).into());
    }
    let memory = by_hash(ports, call, &hash).await?.ok_or_else(not_found)?;
    let location = format!("/api/memory/{}", memory.id);
    Ok(Reply::json(StatusCode::CREATED, &Remembered { outcome: "created", memory }).with(header::LOCATION, &location))
}

/// Puts a memory's text into the full-text index; again changes nothing.
fn index_by_hash(user_number: i64, hash: &str, call: &Call<'_>) -> Statement {
    Statement::new(
        "INSERT OR REPLACE INTO memories_fts (rowid, scope, body)
         SELECT number, ?3, text FROM memories WHERE user_id = ?1 AND hash = ?2 AND state = 'active'",
    )
    .bind(&call.tenant.user)
    .bind(hash)
    .bind(Scope::of_user(user_number).terms())
}

async fn embed<P: Embedder>(ports: &P, text: &str) -> Option<Vec<f32>> {
    let tokens = text.len() as u64 / 4 + 2;
    let vectors = ports.embed(&EMBEDDING, std::slice::from_ref(&text.to_owned()), tokens).await.ok()?;
    vectors.into_iter().next()
}

/// What is known is not remembered again; what was only proposed is confirmed by being said.
async fn duplicate<P>(ports: &P, call: &Call<'_>, known: Memory) -> Answer
where
    P: Database + Embedder + Clock,
{
    let memory = if known.state == "active" { known } else { activate(ports, call, &known).await? };
    Ok(Reply::json(StatusCode::OK, &Remembered { outcome: "duplicate", memory }))
}

async fn by_hash<P: Database>(ports: &P, call: &Call<'_>, hash: &str) -> Result<Option<Memory>, Failure> {
    let query =
        Statement::new(concat!("SELECT ", memory_columns!(), " FROM memories WHERE user_id = ?1 AND hash = ?2"))
            .bind(&call.tenant.user)
            .bind(hash);
    ports.batch(vec![query]).await?.at(0)?.first()
}

async fn read<P: Database>(ports: &P, call: &Call<'_>, id: &MemoryId) -> Result<Option<Memory>, Failure> {
    let query = Statement::new(concat!("SELECT ", memory_columns!(), " FROM memories WHERE user_id = ?1 AND id = ?2"))
        .bind(&call.tenant.user)
        .bind(id);
    ports.batch(vec![query]).await?.at(0)?.first()
}

fn id_of(call: &Call<'_>) -> Result<MemoryId, Problem> {
    MemoryId::parse(call.id).ok_or_else(not_found)
}

fn not_found() -> Problem {
    Problem::new(Code::NotFound, "there is no such memory")
}

/// `GET /api/memory`: with `?query=` what fits it, best first; else all, the newest first.
pub async fn list<P>(ports: &P, call: &Call<'_>) -> Answer
where
    P: Database + KeyValue + Embedder + Clock,
{
    if let Some(query) = call.parameter("query") {
        return recall(ports, call, &query).await;
    }
    let (limit, cursor) = page(call)?;
    let state = call.parameter("state");
    let query = Statement::new(concat!(
        "SELECT ",
        memory_columns!(),
        " FROM memories WHERE user_id = ?1 AND (?2 IS NULL OR id < ?2) AND (?3 IS NULL OR state = ?3) ORDER BY id DESC LIMIT ?4"
    ))
    .bind(&call.tenant.user)
    .bind(cursor)
    .bind(state)
    .bind(limit + 1);
    let entries: Vec<Memory> = ports.batch(vec![query]).await?.at(0)?.all()?;
    Ok(page_reply(entries, limit, |memory| memory.id.to_string()))
}

async fn recall<P>(ports: &P, call: &Call<'_>, query: &str) -> Answer
where
    P: Database + KeyValue + Embedder + Clock,
{
    let query = body::text("query", query, constants::QUERY_BYTES)?;
    let embedded = retrieval::embed_query(ports, &query, call.budget).await.ok();
    let vector = embedded.as_ref().map(|(vector, _)| vector.as_slice());
    let mut recalled = memories::recall(ports, &call.tenant, &query, vector).await?;
    recalled.truncate(RECALLED);
    let degraded = vector.is_none();
    if let Some((_, memory)) = embedded {
        retrieval::cache::remember(ports, memory, call.budget).await;
    }
    let reply = Reply::json(StatusCode::OK, &Page { data: recalled, next_cursor: None });
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
    let unindex = Statement::new(
        "DELETE FROM memories_fts WHERE rowid IN (SELECT number FROM memories WHERE user_id = ?1 AND id = ?2)",
    )
    .bind(user)
    .bind(&id);
    let forget = Statement::new("DELETE FROM memories WHERE user_id = ?1 AND id = ?2").bind(user).bind(&id);
    let answers = ports.batch(vec![unindex, forget, users::bump(user)]).await?;
    if answers.at(1)?.changes == 0 {
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

async fn activate<P>(ports: &P, call: &Call<'_>, memory: &Memory) -> Result<Memory, Refusal>
where
    P: Database + Embedder + Clock,
{
    let vector = embed(ports, &memory.text).await.as_deref().map(memories::encode);
    let user = &call.tenant.user;
    let activate = Statement::new(
        "UPDATE memories SET state = 'active', embedding = coalesce(?3, embedding) WHERE user_id = ?1 AND id = ?2 AND state <> 'active'",
    )
    .bind(user)
    .bind(&memory.id)
    .bind(vector);
    let index = index_by_hash(call.tenant.number, &fingerprint::of_words(&memory.text), call);
    ports.batch(vec![activate, index, users::bump(user)]).await?;
    Ok(read(ports, call, &memory.id).await?.ok_or_else(not_found)?)
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
