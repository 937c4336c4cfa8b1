//! `POST /api/memory`: remember once, and correct what is said to be corrected.

use http::{StatusCode, header};
use pipeline::{
    budget::day::Budget,
    constants,
    failure::Failure,
    fingerprint,
    ids::MemoryId,
    normal_form::normal_form,
    platform::{
        ports::{Clock, Database, Embedder, Random},
        transaction::{Committed, Selected, Transaction, Written},
    },
    problem::{Code, Problem},
    project, schema,
    store::{
        self,
        memories::{
            MemoryRow,
            recall::{self, EmbeddingsRow, NumberedMemory},
            remember::{self as rows, NewMemoryRow},
        },
        users,
    },
    strict_json,
    tenant::Tenant,
    time::Timestamp,
};
use retrieval::{
    embedding_text,
    memories::{Similar, similar},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    DEFAULT_KIND, KINDS, NO_SUCH_MEMORY, SOURCE_BYTES, X_DEGRADED, checked_confidence, checked_kind, seen, superseded,
    without_model,
};
use crate::http::{
    body,
    call::Call,
    reply::{Answer, Refusal, Reply},
};

/// Something to remember.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct NewMemory {
    /// What is remembered: a sentence that says it by itself.
    #[schemars(length(min = 1, max = constants::MEMORY_BYTES), regex(pattern = schema::TEXT_WITHOUT_NUL))]
    text: String,
    /// What it is.
    #[schemars(extend("enum" = schema::one_of_or_null(&KINDS), "default" = DEFAULT_KIND))]
    kind: Option<String>,
    /// Where it comes from.
    #[schemars(length(min = 1, max = SOURCE_BYTES), regex(pattern = schema::TEXT_WITHOUT_NUL))]
    source: Option<String>,
    /// How sure it is, from 0 to 1.
    #[schemars(range(min = 0, max = 1), extend("default" = 1))]
    confidence: Option<f64>,
    /// The id of a memory that this one corrects.
    #[schemars(with = "Option<MemoryId>")]
    supersedes: Option<String>,
    /// Whether it is in every prompt.
    #[schemars(extend("default" = false))]
    pinned: Option<bool>,
    /// The project that it is about: `github.com/owner/name`, a git remote, or a name. Without it: whichever.
    #[schemars(length(min = 1, max = project::NAME_BYTES), regex(pattern = schema::NAME))]
    project: Option<String>,
}

/// A memory that was sent, within its limits; what is not said of one that is known stays as it is.
#[derive(Debug)]
pub struct Checked {
    text: String,
    hash: String,
    kind: Option<String>,
    source: Option<String>,
    confidence: Option<f64>,
    supersedes: Option<MemoryId>,
    pinned: Option<bool>,
    project: Option<String>,
}

impl Checked {
    /// True if it says nothing but its text.
    const fn is_text_alone(&self) -> bool {
        self.kind.is_none()
            && self.source.is_none()
            && self.confidence.is_none()
            && self.supersedes.is_none()
            && self.pinned.is_none()
            && self.project.is_none()
    }

    fn row<'a>(
        &'a self,
        tenant: &'a Tenant,
        id: &'a MemoryId,
        embedding: Option<&'a str>,
        now: Timestamp,
    ) -> NewMemoryRow<'a> {
        NewMemoryRow {
            id,
            user: &tenant.user,
            words: tenant.words_of_memories(),
            text: &self.text,
            hash: &self.hash,
            kind: self.kind.as_deref(),
            source: self.source.as_deref(),
            confidence: self.confidence,
            pinned: self.pinned,
            supersedes: self.supersedes.as_ref(),
            project: self.project.as_deref(),
            embedding,
            now,
        }
    }
}

/// What became of something to remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Remembering {
    /// It is new.
    Created,
    /// The one that is answered says the same, and took over what was said beside the text.
    Duplicate,
    /// It was corrected before and holds again: it corrects its correction.
    Restored,
}

/// What is remembered now, and whether it was before.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Remembered {
    pub(crate) outcome: Remembering,
    #[serde(flatten)]
    pub(crate) memory: MemoryRow,
    /// What else is remembered that may be about the same, the nearest first: to be corrected with `supersedes`, or
    /// left as it is.
    pub(crate) similar_to: Vec<Similar>,
}

/// What was remembered, and why it was not compared with what else is.
pub type Kept = (Remembered, Option<String>);

/// Reads and checks something to remember.
pub fn parse(text: &[u8]) -> Result<Checked, Problem> {
    let new: NewMemory = strict_json::read(text)?;
    let text = seen("/text", &new.text, constants::MEMORY_BYTES)?;
    let supersedes = new.supersedes.map(|id| MemoryId::parse(&id).ok_or_else(nothing_to_supersede)).transpose()?;
    Ok(Checked {
        hash: fingerprint::of_memory(&text),
        text,
        kind: new.kind.map(checked_kind).transpose()?,
        source: new.source.map(|source| seen("/source", &source, SOURCE_BYTES)).transpose()?,
        confidence: new.confidence.map(checked_confidence).transpose()?,
        supersedes,
        pinned: new.pinned,
        project: new.project.map(|project| body::project("/project", &project)).transpose()?,
    })
}

fn nothing_to_supersede() -> Problem {
    Problem::field(Code::NotFound, "/supersedes", NO_SUCH_MEMORY)
}

/// `POST /api/memory`
///
/// The same text is remembered once. What is like another is remembered beside it, and the answer names the other:
/// whether both are true is not for an embedding to say. All that may happen at the same time is decided in one
/// transaction; what is read before only saves an embedding.
pub async fn remember<P>(ports: &P, call: &Call<'_>) -> Answer
where
    P: Database + Embedder + Clock + Random,
{
    let (remembered, degraded) = keep(ports, &call.tenant, call.budget, parse(call.request.body())?).await?;
    let reply = reply(&remembered);
    Ok(match degraded {
        Some(why) => reply.with(X_DEGRADED, &why),
        None => reply,
    })
}

/// Remembers something; see [`remember`].
pub async fn keep<P>(ports: &P, tenant: &Tenant, budget: &Budget, new: Checked) -> Result<Kept, Refusal>
where
    P: Database + Embedder + Clock + Random,
{
    let known = known(ports, tenant, &new).await?;
    let is_active = known.as_ref().is_some_and(|memory| memory.state == "active");
    if let Some(memory) = known.clone().filter(|_| is_active && new.is_text_alone()) {
        return Ok((Remembered { outcome: Remembering::Duplicate, memory, similar_to: Vec::new() }, None));
    }
    // Without a model it is remembered all the same, and found by its words.
    let vector = if is_active { None } else { retrieval::embed_text(ports, &new.text, budget).await.ok() };
    let id = MemoryId::new(ports.now(), ports.bytes());
    let embedding = vector.as_deref().map(embedding_text::encode);
    let row = new.row(tenant, &id, embedding.as_deref(), ports.now());
    let (transaction, places) = transaction(&row, known.as_ref());
    let done = transaction.commit(ports).await?;
    if done.changes(places.inserted) == 0 {
        return Err(refusal(&done, &places, &new)?.into());
    }
    let found = done.first(places.after)?.ok_or_else(|| Failure::bug("what was remembered is not there"))?;
    let similar_to = match (&vector, places.embeddings) {
        (Some(vector), Some(embeddings)) => {
            let embeddings = done.first(embeddings)?.unwrap_or_default();
            similar(ports, tenant, found.number, vector, &embeddings).await?
        }
        _ => Vec::new(),
    };
    let outcome = outcome(done.first(places.before)?);
    let is_compared = vector.is_some() || is_active;
    let degraded = (!is_compared).then(|| without_model(budget, "what is like it was not looked for"));
    Ok((Remembered { outcome, memory: found.memory, similar_to }, degraded))
}

fn outcome(before: Option<NumberedMemory>) -> Remembering {
    match before {
        None => Remembering::Created,
        Some(before) if before.memory.state == "superseded" => Remembering::Restored,
        Some(_) => Remembering::Duplicate,
    }
}

fn reply(remembered: &Remembered) -> Reply {
    if remembered.outcome != Remembering::Created {
        return Reply::json(StatusCode::OK, remembered);
    }
    let location = format!("/api/memory/{}", remembered.memory.id);
    Reply::json(StatusCode::CREATED, remembered).with(header::LOCATION, &location)
}

/// The memory that says the same, if there is one. What is to be corrected must be there.
async fn known<P: Database>(ports: &P, tenant: &Tenant, new: &Checked) -> Result<Option<MemoryRow>, Refusal> {
    let user = &tenant.user;
    let mut transaction = Transaction::default();
    let known = transaction.query(rows::of_hashes(user, &new.hash, &fingerprint::of_words(&new.text)));
    let corrected = new.supersedes.as_ref().map(|id| transaction.query(store::memories::memory(user, id)));
    let done = transaction.commit(ports).await?;
    if let Some(corrected) = corrected {
        done.first(corrected)?.ok_or_else(nothing_to_supersede)?;
    }
    let form = normal_form(&new.text);
    Ok(done.all(known)?.into_iter().find(|memory| normal_form(&memory.text) == form))
}

/// Where the answers of the transaction stand.
struct Places {
    before: Selected<NumberedMemory>,
    inserted: Written,
    after: Selected<NumberedMemory>,
    /// What is to be corrected, and what corrected it.
    corrected: Option<[Selected<MemoryRow>; 2]>,
    /// What it is compared with, where the model answered.
    embeddings: Option<Selected<EmbeddingsRow>>,
}

/// What is corrected, the memory, its words; then what else is remembered: of two that are alike and come at the same
/// time, the second sees the first.
fn transaction(row: &NewMemoryRow<'_>, known: Option<&MemoryRow>) -> (Transaction, Places) {
    let NewMemoryRow { user, hash, .. } = *row;
    let mut work = Transaction::default();
    if let Some(known) = known {
        work.write(rows::rehash(user, &known.id, hash));
    }
    let before = work.query(rows::of_hash(user, hash));
    work.write_all(rows::correct(row));
    let inserted = work.write(rows::insert(row));
    work.write(store::memories::index(user, row.words, hash, row.text));
    if row.supersedes.is_some() || known.is_some() {
        work.write(rows::delete_oldest_superseded(user));
    }
    work.write(users::bump(user));
    let after = work.query(rows::of_hash(user, hash));
    let corrected = row
        .supersedes
        .map(|id| [work.query(store::memories::memory(user, id)), work.query(rows::correction(user, id))]);
    let embeddings = row.embedding.map(|_| work.query(recall::embeddings(user)));
    (work, Places { before, inserted, after, corrected, embeddings })
}

/// Why it is not remembered.
fn refusal(done: &Committed, places: &Places, new: &Checked) -> Result<Problem, Failure> {
    let full = format!("{} memories are the most a user can have; forget some first", constants::MEMORIES);
    let full = Problem::field(Code::TooLarge, "/text", full);
    let Some([corrected, correction]) = places.corrected else { return Ok(full) };
    let form = normal_form(&new.text);
    let Some(corrected) = done.first(corrected)? else { return Ok(nothing_to_supersede()) };
    if normal_form(&corrected.text) == form {
        let itself = "this memory says the same already, and supersedes no other by it; leave `supersedes` out";
        return Ok(Problem::field(Code::Invalid, "/supersedes", itself));
    }
    let first = done.first(correction)?.filter(|first| normal_form(&first.text) != form);
    let corrected_by =
        |first: MemoryRow| Problem::field(Code::Conflict, "/supersedes", superseded(&corrected.id, &first));
    Ok(first.map_or(full, corrected_by))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_names_its_field() {
        let long = format!(r#"{{"text":"{}"}}"#, "x".repeat(constants::MEMORY_BYTES + 1));
        for (body, status, pointer) in [
            (r#"{"text":""}"#, 422, "/text"),
            (r#"{"text":"\u200b\u2060"}"#, 422, "/text"),
            (r#"{"text":"a\u0000b"}"#, 422, "/text"),
            (r#"{"text":"a","source":"\u0000"}"#, 422, "/source"),
            (long.as_str(), 413, "/text"),
            (r#"{"text":"a","kind":"poem"}"#, 422, "/kind"),
            (r#"{"text":"a","confidence":2}"#, 422, "/confidence"),
            (r#"{"text":"a","supersedes":"x"}"#, 404, "/supersedes"),
            (r#"{"text":"a","pinned":"yes"}"#, 422, "/pinned"),
            (r#"{"text":"a","project":"C:\\x"}"#, 422, "/project"),
        ] {
            let problem = parse(body.as_bytes()).err().unwrap();
            assert_eq!((problem.status, problem.errors[0].pointer.as_str()), (status, pointer), "{body:.80}");
        }
    }
}
