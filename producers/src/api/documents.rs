//! Documents: what a user has, reading one, its original bytes, deleting it.

use http::{HeaderName, StatusCode, header};
use pipeline::{
    failure::Failure,
    ids::{DocumentId, ItemId, JobId, UserId},
    job::item::ItemState,
    platform::{
        object_keys,
        ports::{Clock, Database, ObjectStore, Queue, Random},
        statement::Statement,
        transaction::{RetireJob, Work},
    },
    problem::{Code, Problem},
    store::users,
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};

use crate::{
    api::jobs,
    http::{
        call::Call,
        paging,
        reply::{Answer, Reply},
    },
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
    /// The revision that searches see; null before the first is published.
    revision: Option<i64>,
    /// `indexing`, `indexed`, `failed`, `cancelled`: of the latest revision.
    status: &'static str,
    chunk_count: Option<i64>,
    /// Its vectors were given up for others': it is found by keyword, and a hit brings them back.
    keyword_only: bool,
}

#[derive(Debug, Deserialize)]
struct Row {
    id: DocumentId,
    external_id: Option<String>,
    title: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    language: Option<String>,
    media_type: String,
    tags: String,
    metadata: Option<String>,
    created_at: Timestamp,
    uploaded_at: Timestamp,
    bytes: i64,
    latest_item: Option<ItemId>,
    current: Option<i64>,
    current_item: Option<ItemId>,
    chunk_count: Option<i64>,
    evicted_at: Option<Timestamp>,
    pack_state: Option<ItemState>,
    batch_state: Option<ItemState>,
}

impl From<Row> for DocumentView {
    fn from(row: Row) -> Self {
        let status = match (row.pack_state, row.batch_state) {
            _ if row.latest_item == row.current_item => "indexed",
            (Some(ItemState::Failed), _) | (_, Some(ItemState::Failed | ItemState::Done)) => "failed",
            (Some(ItemState::Cancelled), _) | (_, Some(ItemState::Cancelled)) => "cancelled",
            _ => "indexing",
        };
        let raw = |text: String| RawValue::from_string(text).ok();
        Self {
            status,
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
            chunk_count: row.chunk_count,
            keyword_only: row.evicted_at.is_some(),
        }
    }
}

const SELECT: &str =
    "SELECT d.id, d.external_id, d.title, d.type, d.language, d.media_type, d.tags, d.metadata, d.created_at,
        d.uploaded_at, d.bytes, d.latest_item, d.current, d.current_item, d.chunk_count, d.evicted_at,
        p.state AS pack_state, b.state AS batch_state
 FROM documents d LEFT JOIN job_items p ON p.id = d.latest_item LEFT JOIN job_items b ON b.id = p.batch
 WHERE d.user_id = ?1 AND d.deleted_at IS NULL AND (?2 IS NULL OR d.id = ?2) AND (?3 IS NULL OR d.id > ?3)
   AND (?4 IS NULL OR d.type = ?4) AND (?5 IS NULL OR d.language = ?5)
   AND (?6 IS NULL OR EXISTS (SELECT 1 FROM json_each(d.tags) WHERE value = ?6))
   AND (?7 IS NULL OR d.external_id = ?7)
 ORDER BY d.id LIMIT ?8";

fn select(call: &Call<'_>, id: Option<&DocumentId>, cursor: Option<String>, limit: i64) -> Statement {
    let filter = |name: &str| if id.is_some() { None } else { call.parameter(name) };
    Statement::new(SELECT)
        .bind(&call.tenant.user)
        .bind(id)
        .bind(cursor)
        .bind(filter("type"))
        .bind(filter("language"))
        .bind(filter("tag"))
        .bind(filter("external_id"))
        .bind(limit)
}

fn id_of(call: &Call<'_>) -> Result<DocumentId, Problem> {
    DocumentId::parse(call.id).ok_or_else(not_found)
}

fn not_found() -> Problem {
    Problem::new(Code::NotFound, "there is no such document")
}

/// `GET /api/documents?type=&language=&tag=&external_id=&limit=&cursor=`
pub async fn list<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    let (limit, cursor) = paging::page(call)?;
    let rows: Vec<Row> = ports.batch(vec![select(call, None, cursor, limit + 1)]).await?.at(0)?.all()?;
    let views: Vec<DocumentView> = rows.into_iter().map(DocumentView::from).collect();
    Ok(paging::page_reply(views, limit, |view| view.id.to_string()))
}

/// A chunk's place in its document's extracted text.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ChunkSpan")]
struct Span {
    chunk_index: i64,
    start: i64,
    end: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// A document with its chunks.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DocumentWithChunks")]
pub struct Whole {
    #[serde(flatten)]
    document: DocumentView,
    chunks: Vec<Span>,
}

/// `GET /api/documents/{id}`, with `?text=true` the extracted text by chunk.
pub async fn get<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    let id = id_of(call)?;
    let with_text = call.parameter("text").as_deref() == Some("true");
    let spans = Statement::new(
        "SELECT c.chunk_index, c.start, c.\"end\", CASE WHEN ?3 THEN c.text END AS text
         FROM documents d JOIN chunks c ON c.id >= d.current_first AND c.id < d.current_first + d.chunk_count
         WHERE d.user_id = ?1 AND d.id = ?2 AND d.deleted_at IS NULL ORDER BY c.id",
    )
    .bind(&call.tenant.user)
    .bind(&id)
    .bind(i64::from(with_text));
    let answers = ports.batch(vec![select(call, Some(&id), None, 1), spans]).await?;
    let row: Row = answers.at(0)?.first()?.ok_or_else(not_found)?;
    Ok(Reply::json(StatusCode::OK, &Whole { document: row.into(), chunks: answers.at(1)?.all()? }))
}

/// `GET /api/documents/{id}/original`: the bytes as they were uploaded.
pub async fn original<P: Database + ObjectStore>(ports: &P, call: &Call<'_>) -> Answer {
    #[derive(Deserialize)]
    struct Place {
        pack: ItemId,
        start: u64,
        end: u64,
        media_type: String,
    }
    let id = id_of(call)?;
    // Of the revision that is current, or of the first while none is.
    let query = Statement::new(
        "SELECT p.id AS pack, packed.value ->> 'start' AS start, packed.value ->> 'end' AS \"end\", d.media_type
         FROM documents d JOIN job_items p ON p.id = coalesce(d.current_item, d.latest_item) AND p.user_id = d.user_id
         JOIN json_each(p.documents) packed ON packed.value ->> 'id' = d.id
         WHERE d.user_id = ?1 AND d.id = ?2 AND d.deleted_at IS NULL",
    )
    .bind(&call.tenant.user)
    .bind(&id);
    let place: Place = ports.batch(vec![query]).await?.at(0)?.first()?.ok_or_else(not_found)?;
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
}

/// `DELETE /api/documents/{id}`: hidden at once, removed everywhere by a job whose receipt says what
/// was removed where.
pub async fn delete<P: Database + Queue + Clock + Random>(ports: &P, call: &Call<'_>) -> Answer {
    let id = id_of(call)?;
    let user = &call.tenant.user;
    let deleted_at = ports.now();
    let job = remove(ports, user, &id).await?.ok_or_else(not_found)?;
    let deleted = Deleted { document_id: &id, deleted_at, job_id: &job };
    match call.wait_seconds() {
        0 => Ok(Reply::json(StatusCode::ACCEPTED, &deleted).with(header::LOCATION, &format!("/api/jobs/{job}"))),
        seconds => jobs::wait(ports, user, &job, seconds, &deleted).await,
    }
}

/// Deletes a document; the job that removes it everywhere, or `None` if there is no such document.
///
/// One transaction: the fence moves on (`latest + 1`, so that nothing in flight can publish), both
/// its revisions become garbage, and the row becomes a tombstone without content.
pub async fn remove<P: Database + Queue + Clock + Random>(
    ports: &P,
    user: &UserId,
    id: &DocumentId,
) -> Result<Option<JobId>, Failure> {
    let now = ports.now();
    let job = JobId::new(now, ports.bytes());
    let garbage = Statement::new(
        "INSERT INTO garbage (retire_item, document_id, revision, pack, user_id)
         -- After a cancel the latest pack is the current one, though the number given out was another.
         SELECT (SELECT value + 1 FROM counters WHERE name = 'item'), id,
                CASE WHEN latest_item = current_item THEN current ELSE latest END, latest_item, user_id FROM documents
         WHERE user_id = ?1 AND id = ?2 AND deleted_at IS NULL AND latest_item IS NOT NULL
         UNION
         SELECT (SELECT value + 1 FROM counters WHERE name = 'item'), id, current, current_item, user_id FROM documents
         WHERE user_id = ?1 AND id = ?2 AND deleted_at IS NULL AND current IS NOT NULL AND current_item <> latest_item",
    )
    .bind(user)
    .bind(id);
    let mut work = Work::from(vec![garbage]);
    work.schedule_retirement(RetireJob { job: &job, user, kind: "delete", due: now, now });
    let tombstone = work.statements.len();
    work.statements.push(
        Statement::new(
            "UPDATE documents SET deleted_at = ?3, latest = latest + 1, latest_item = NULL, latest_hash = NULL, current = NULL,
                 current_item = NULL, current_first = NULL, chunk_count = NULL, content_hash = NULL, pending = NULL,
                 external_id = NULL, title = NULL, language = NULL, tags = '[]', metadata = NULL, bytes = 0, evicted_at = NULL,
                 evicting = NULL
             WHERE user_id = ?1 AND id = ?2 AND deleted_at IS NULL",
        )
        .bind(user)
        .bind(id)
        .bind(now),
    );
    work.statements.push(users::bump(user));
    let retire = work.retire();
    let answers = ports.batch(work.statements).await?;
    if answers.at(tombstone)?.changes == 0 {
        return Ok(None);
    }
    // A lost message costs a sweep.
    let _ = ports.send(Vec::from_iter(Work::retire_message(retire, &answers, user)?)).await;
    Ok(Some(job))
}
