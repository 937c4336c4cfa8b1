//! Documents: what a user has, reading one, its original bytes, deleting it; deleting several is in [`matching`], what
//! of a folder is not there yet in [`manifest`].

pub mod manifest;
pub mod matching;

use http::{HeaderName, StatusCode, header};
use pipeline::{
    failure::Failure,
    filters::DOCUMENT_TYPES,
    ids::{DocumentId, JobId},
    platform::{
        object_keys,
        ports::{Clock, Database, Deployment, Meter, ObjectStore, Queue, Random},
        transaction::Transaction,
    },
    problem::{Code, Problem},
    store::{
        chunks::read::{self as chunks, ChunkSpan},
        documents::{
            delete::Cause,
            filter::DocumentFilter,
            read::{self, DocumentRow},
        },
    },
    time::{Span, Timestamp},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};

use crate::{
    api::jobs,
    http::{
        call::Call,
        paging::{self, Behind},
        reply::{Answer, Reply},
    },
    remove,
};

/// A document in a list.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DocumentView {
    id: DocumentId,
    external_id: Option<String>,
    title: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    language: Option<String>,
    media_type: String,
    #[schemars(with = "Vec<String>")]
    tags: Box<RawValue>,
    #[schemars(with = "Option<Map<String, Value>>")]
    metadata: Option<Box<RawValue>>,
    created_at: Timestamp,
    uploaded_at: Timestamp,
    bytes: i64,
    /// Git's hash of the bytes, as it came with them.
    blob: Option<String>,
    /// The revision that searches see; null before the first is published.
    revision: Option<i64>,
    /// `indexing`, `indexed`, `failed`, `cancelled`: of the latest revision.
    status: String,
    chunk_count: Option<i64>,
    /// Its vectors were given up for others': it is found by keyword, and a hit brings them back.
    keyword_only: bool,
}

impl From<DocumentRow> for DocumentView {
    fn from(row: DocumentRow) -> Self {
        let raw = |text: String| RawValue::from_string(text).ok();
        Self {
            status: row.status,
            tags: raw(row.tags).unwrap_or_else(|| RawValue::NULL.to_owned()),
            metadata: row.metadata.and_then(raw),
            revision: row.current,
            id: row.id,
            external_id: row.external_id,
            title: row.title,
            kind: row.kind,
            language: row.language,
            media_type: row.media_type,
            created_at: row.created_at,
            uploaded_at: row.uploaded_at,
            bytes: row.bytes,
            blob: row.blob,
            chunk_count: row.chunk_count,
            keyword_only: row.evicted_at.is_some(),
        }
    }
}

fn id_of(call: &Call<'_>) -> Result<DocumentId, Problem> {
    DocumentId::parse(call.id).ok_or_else(not_found)
}

pub(crate) fn not_found() -> Problem {
    Problem::new(Code::NotFound, "there is no such document; GET /api/documents lists yours")
}

/// What a document may be, as far as it has come.
pub const STATUSES: [&str; 4] = ["indexing", "indexed", "failed", "cancelled"];

/// What documents must be, as the parameters of a request say.
fn filter(call: &Call<'_>) -> Result<DocumentFilter, Problem> {
    Ok(DocumentFilter {
        external_id: call.parameter("external_id"),
        kind: paging::one_of(call, "type", &DOCUMENT_TYPES)?,
        language: call.parameter("language"),
        tag: call.parameter("tag"),
        prefix: call.parameter("prefix"),
        created_after: paging::time(call, "created_after")?,
        created_before: paging::time(call, "created_before")?,
        status: paging::one_of(call, "status", &STATUSES)?,
        until: None,
    })
}

/// `GET /api/documents`: the one that was uploaded last first.
pub async fn list<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    let (limit, behind) = paging::page(call, behind)?;
    let rows = read::list(&call.tenant.user, &filter(call)?, behind, limit + 1).all(ports).await?;
    let views: Vec<DocumentView> = rows.into_iter().map(DocumentView::from).collect();
    Ok(paging::page_reply(views, limit, |view| Behind::cursor(view.uploaded_at, &view.id)))
}

fn behind(cursor: &str) -> Option<(Timestamp, DocumentId)> {
    let Behind { time, id } = Behind::parse(cursor)?;
    Some((time, paging::id(&id, DocumentId::parse)?))
}

/// A document with its chunks.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DocumentWithChunks")]
pub struct Whole {
    #[serde(flatten)]
    document: DocumentView,
    chunks: Vec<ChunkSpan>,
}

/// `GET /api/documents/{id}`, with `?text=true` the extracted text by chunk.
pub async fn get<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    let id = id_of(call)?;
    let with_text = call.flag("text")?;
    let user = &call.tenant.user;
    let mut transaction = Transaction::default();
    let document = transaction.query(read::get(user, &id));
    let chunks = transaction.query(chunks::spans(user, &id, with_text));
    let done = transaction.commit(ports).await?;
    let row = done.first(document)?.ok_or_else(not_found)?;
    Ok(Reply::json(StatusCode::OK, &Whole { document: row.into(), chunks: done.all(chunks)? }))
}

/// `GET /api/documents/{id}/original`: the bytes as they were uploaded.
pub async fn original<P: Database + ObjectStore>(ports: &P, call: &Call<'_>) -> Answer {
    let id = id_of(call)?;
    let place = read::original(&call.tenant.user, &id).first(ports).await?.ok_or_else(not_found)?;
    let key = object_keys::pack(&call.tenant.user, place.pack);
    let object = ports.get(&key, Some((place.start, place.end))).await?;
    let object = object.ok_or_else(|| Failure::bug(format!("pack {key} is not in R2")))?;
    // Never rendered: what strangers uploaded must not run as a page of this origin.
    let content_type = format!("{}; charset=utf-8", place.media_type);
    Ok(Reply::bytes(StatusCode::OK, &content_type, object.bytes)
        .with(header::CONTENT_DISPOSITION, "attachment")
        .with(HeaderName::from_static("x-content-type-options"), "nosniff"))
}

/// A document that is hidden, and the job that removes it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DeletedDocument")]
pub struct Deleted<'a> {
    document_id: &'a DocumentId,
    deleted_at: Timestamp,
    job_id: &'a JobId,
    /// The job's, when it was made.
    status: &'static str,
}

/// `DELETE /api/documents/{id}`: hidden at once, removed everywhere by a job whose receipt says what
/// was removed where.
pub async fn delete<P: Database + Queue + Deployment + Meter + Clock + Random>(ports: &P, call: &Call<'_>) -> Answer {
    let id = id_of(call)?;
    let user = &call.tenant.user;
    let deleted_at = ports.now();
    let job = remove::document(ports, user, &id, Cause::Owner).await?.ok_or_else(not_found)?;
    let deleted = Deleted { document_id: &id, deleted_at, job_id: &job, status: "queued" };
    match call.wait() {
        Span::ZERO => Ok(Reply::json(StatusCode::ACCEPTED, &deleted).of_job(&job)),
        longest => jobs::wait(ports, user, &job, longest, &deleted).await,
    }
}
