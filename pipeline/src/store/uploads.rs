//! Uploads that lie in R2 until they are unpacked: the tables `uploads` and `upload_results`.
//!
//! An upload's row is made with its job and that one's only item, which unpacks it. Each attempt takes item
//! numbers before it stores packs under them, so that no attempt overwrites another's objects; numbers
//! that were taken and not used stay noted, and what was stored under them is removed at the end.

use const_format::formatcp;
use serde::Deserialize;

use crate::{
    constants,
    failure::Failure,
    ids::{DocumentId, ItemId, JobId, UserId},
    job::item::Claim,
    platform::{
        parameters::JsonRows,
        statement::json,
        transaction::{Query, Write},
    },
    store::{conditions::HELD, jobs::documents::document_state},
    time::Timestamp,
};

/// Inserts an upload, if its job was inserted by an earlier statement of the transaction.
pub fn insert(user: &UserId, job: &JobId, media_type: &str, bytes: u64) -> Write {
    Write::new(
        "INSERT INTO uploads (job_id, user_id, media_type, bytes)
         SELECT id, user_id, ?3, ?4 FROM jobs WHERE id = ?1 AND user_id = ?2",
    )
    .bind(job)
    .bind(user)
    .bind(media_type)
    .bind(bytes)
}

/// Item numbers that an attempt has taken.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Numbers {
    /// The first of them, counted from the unpack item's.
    pub first: i64,
    /// One past the last that the job has to itself, counted alike.
    pub end: i64,
}

/// Takes so many of the job's item numbers for the holder of a claim; no row if the claim was lost.
pub fn take_numbers(claim: &Claim, count: usize) -> Query<Numbers> {
    // What is bound is a float to SQLite; the numbers stand in JSON as they are.
    Query::new(formatcp!(
        "UPDATE uploads SET numbers = numbers + ?3,
                            unused = json_insert(unused, '$[#]', json_array(numbers, CAST(numbers + ?3 - 1 AS INTEGER)))
         WHERE job_id = ?4 AND {HELD}
         RETURNING CAST(numbers - ?3 AS INTEGER) AS first,
                   (SELECT last_item - first_item + 1 FROM jobs WHERE id = ?4) AS \"end\""
    ))
    .bind(claim.item)
    .bind(&claim.token)
    .bind(count)
    .bind(&claim.job)
}

/// What a range of an upload held.
#[derive(Clone, Copy, Debug)]
pub struct Unpacked<'a> {
    /// How many documents stand before it.
    pub first: u64,
    /// What became of its documents.
    pub results: &'a JsonRows,
    /// Bytes of the upload that are unpacked now.
    pub read: u64,
    /// Documents that are indexed.
    pub queued: usize,
    /// Documents that were there already.
    pub duplicates: usize,
    /// Documents that are not indexed since their owner decided otherwise after the upload was accepted.
    pub superseded: usize,
    /// Documents that cannot be indexed.
    pub rejected: usize,
    /// Where the upload cannot be read on (JSON).
    pub broken: Option<&'a str>,
    /// The first of the numbers that were taken for it, all of which are used.
    pub numbers: Option<i64>,
}

/// Notes what a range held, in the transaction that moves its item on.
pub fn record(claim: &Claim, unpacked: Unpacked<'_>) -> Vec<Write> {
    let counted = claim
        .fenced(formatcp!(
            "UPDATE uploads SET read = ?4, queued = queued + ?5, duplicates = duplicates + ?6,
                                rejected = rejected + ?7, broken = ?8, superseded = superseded + ?10,
                                unused = (SELECT json_group_array(json(taken.value)) FROM json_each(unused) taken
                                          WHERE taken.value ->> 0 IS NOT ?9)
             WHERE job_id = ?3 AND {HELD}"
        ))
        .bind(&claim.job)
        .bind(unpacked.read)
        .bind(unpacked.queued)
        .bind(unpacked.duplicates)
        .bind(unpacked.rejected)
        .bind(unpacked.broken)
        .bind(unpacked.numbers)
        .bind(unpacked.superseded);
    let insert = |(before, results): (usize, &str)| {
        claim
            .fenced(formatcp!("INSERT INTO upload_results (job_id, first, results) SELECT ?3, ?4, ?5 WHERE {HELD}"))
            .bind(&claim.job)
            .bind(unpacked.first + before as u64)
            .bind(results)
    };
    std::iter::once(counted).chain(unpacked.results.placed().map(insert)).collect()
}

/// A document that was left as it is.
#[derive(Clone, Debug, Deserialize)]
pub struct LeftAsItIs {
    /// The document.
    pub id: DocumentId,
}

/// Which of these documents stand further up in the upload of a claim and were left as they are: nothing of the
/// documents themselves says so. It reads a row for each range before this one.
///
/// # Errors
/// A bug if the documents cannot be written as JSON.
pub fn left_as_they_are(claim: &Claim, documents: &[&DocumentId]) -> Result<Query<LeftAsItIs>, Failure> {
    Ok(Query::new(
        "SELECT DISTINCT e.value ->> 'document_id' AS id
         FROM upload_results r CROSS JOIN json_each(r.results) e
         WHERE r.job_id = ?1 AND e.value ->> 'status' IN ('duplicate', 'in_progress')
           AND e.value ->> 'document_id' IN (SELECT value FROM json_each(?2))",
    )
    .bind(&claim.job)
    .bind(json(&documents)?))
}

/// What became of a document of an upload.
#[derive(Clone, Debug, Deserialize)]
pub struct ResultRow {
    /// How many documents of the upload stand before it.
    pub index: u64,
    /// The client's name for it.
    pub external_id: Option<String>,
    /// Ours.
    pub document_id: Option<DocumentId>,
    /// `duplicate`, `in_progress`, `rejected`, `superseded`, or how far what is indexed has come.
    pub status: String,
    /// Of what another upload was bringing already: that upload's job.
    pub job_id: Option<JobId>,
    /// Why it was rejected (JSON).
    pub error: Option<String>,
}

/// Which results of an upload are wanted.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// Those after the one with this index.
    pub after: i64,
    /// So many are looked at, whatever their state.
    pub window: i64,
    /// Those in this state, or all.
    pub status: Option<&'a str>,
    /// So many at most.
    pub limit: i64,
}

/// Reads what became of the documents of a user's upload, in its order.
pub fn results(user: &UserId, job: &JobId, wanted: &Wanted<'_>) -> Query<ResultRow> {
    // A row holds the results of one range: the first that is read may begin that much before what is wanted.
    Query::new(formatcp!(
        "SELECT * FROM (
             SELECT u.first + r.key AS \"index\", r.value ->> 'external_id' AS external_id,
                    r.value ->> 'document_id' AS document_id,
                    CASE WHEN r.value ->> 'status' <> 'queued' THEN r.value ->> 'status' ELSE {STATE} END AS status,
                    r.value ->> 'job_id' AS job_id,
                    r.value -> 'error' AS error
             FROM jobs j JOIN upload_results u ON u.job_id = j.id AND u.first > ?3 - ?6 AND u.first <= ?3 + ?7
             CROSS JOIN json_each(u.results) r
             LEFT JOIN job_items p ON p.id = r.value ->> 'pack'
             LEFT JOIN job_items b ON b.id = p.batch
             WHERE j.id = ?1 AND j.user_id = ?2 AND u.first + r.key > ?3 AND u.first + r.key <= ?3 + ?7
             ORDER BY u.first, r.key)
         WHERE ?4 IS NULL OR status = ?4 LIMIT ?5",
        STATE = document_state!("r.value ->> 'document_id'"),
    ))
    .bind(job)
    .bind(user)
    .bind(wanted.after)
    .bind(wanted.status)
    .bind(wanted.limit)
    .bind(constants::DOCUMENTS_PER_RESULT_ROW)
    .bind(wanted.window)
}

/// How many documents of an upload have a result.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct ResultCount {
    /// How many were found; `None` for a job that is no such upload.
    pub found: Option<i64>,
    /// One past the index of the last that has a result; `None` if none has: not yet, or not any more.
    pub end: Option<i64>,
}

/// Reads how many documents of a user's upload have a result: one row of them, the last.
pub fn result_count(user: &UserId, job: &JobId) -> Query<ResultCount> {
    Query::new(
        "SELECT u.queued + u.duplicates + u.superseded + u.rejected AS found,
                (SELECT r.first + json_array_length(r.results) FROM upload_results r WHERE r.job_id = j.id
                 ORDER BY r.first DESC LIMIT 1) AS \"end\"
         FROM jobs j LEFT JOIN uploads u ON u.job_id = j.id WHERE j.id = ?1 AND j.user_id = ?2",
    )
    .bind(job)
    .bind(user)
}

/// The job of an upload.
#[derive(Clone, Debug, Deserialize)]
pub struct UploadJob {
    /// The job.
    pub job_id: JobId,
}

/// Reads which uploads of a user may still bring documents that nobody knows so far.
pub fn unpacking(user: &UserId) -> Query<UploadJob> {
    Query::new(
        "SELECT u.job_id
         FROM uploads u INDEXED BY uncleared_uploads
         CROSS JOIN jobs j ON j.id = u.job_id CROSS JOIN job_items i ON i.id = j.first_item
         WHERE u.cleared_at IS NULL AND u.user_id = ?1 AND i.state NOT IN ('done', 'cancelled')
         ORDER BY u.job_id",
    )
    .bind(user)
}

/// An upload that was unpacked, given up or cancelled, and what may be left of it in R2.
#[derive(Clone, Debug, Deserialize)]
pub struct EndedUpload {
    /// Its job.
    pub job_id: JobId,
    /// Its owner.
    pub user_id: UserId,
    /// The item that unpacked it.
    pub item: ItemId,
    /// Numbers that were taken and not used: [[first, last], …], counted from the item's (JSON).
    pub unused: String,
}

/// Reads uploads that nothing unpacks any more and nothing can: whoever might have is gone, and one that was given
/// up has been kept for its owner to try again.
pub fn ended(now: Timestamp) -> Query<EndedUpload> {
    Query::new(
        "SELECT u.job_id, u.user_id, u.unused, i.id AS item
         FROM uploads u JOIN jobs j ON j.id = u.job_id JOIN job_items i ON i.id = j.first_item
         WHERE u.cleared_at IS NULL
           AND ((i.state IN ('done', 'cancelled') AND i.updated_at < ?1) OR (i.state = 'failed' AND i.updated_at < ?2))
         LIMIT 10",
    )
    .bind(now.plus(-constants::MAX_WRITER_LIFE))
    .bind(now.plus(-constants::FAILED_UPLOAD_KEPT))
}

/// Notes that nothing of an upload is left in R2 but its packs.
pub fn clear(job: &JobId, now: Timestamp) -> Write {
    Write::new("UPDATE uploads SET cleared_at = ?2 WHERE job_id = ?1").bind(job).bind(now)
}

/// Reads which of these jobs are those that have an upload.
///
/// # Errors
/// A bug if the data cannot be written as JSON.
pub fn of_jobs(jobs: &[JobId]) -> Result<Query<UploadJob>, Failure> {
    Ok(Query::new("SELECT job_id FROM uploads WHERE job_id IN (SELECT value FROM json_each(?1))").bind(json(&jobs)?))
}

/// Removes what became of the documents of jobs that ended before `before`, and uploads whose jobs are gone.
pub fn expire(before: Timestamp) -> [Write; 2] {
    [
        Write::new(
            "DELETE FROM upload_results WHERE job_id IN (
                 SELECT u.job_id FROM uploads u LEFT JOIN jobs j ON j.id = u.job_id
                 WHERE j.id IS NULL OR j.finished_at < ?1)",
        )
        .bind(before),
        Write::new("DELETE FROM uploads WHERE cleared_at IS NOT NULL AND job_id NOT IN (SELECT id FROM jobs)"),
    ]
}
