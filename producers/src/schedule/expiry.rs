//! Expire: rows that have served their purpose.
//!
//! What is kept how long, in days: [`KEPT`]. Jobs of indexing stay as long as one of their packs holds
//! a document: the pack's row says where in it.

use pipeline::{
    failure::Failure,
    platform::{
        ports::{Clock, Database},
        statement::Statement,
    },
    time::DAY,
};

/// Statements with the days after which they apply; `?1` is the time before which rows go.
const KEPT: [(i64, &str); 12] = [
    (2, "DELETE FROM idempotency_keys WHERE created_at < ?1"),
    (2, "DELETE FROM session_tickets WHERE expires_at < ?1"),
    (30, "DELETE FROM dead_letters WHERE created_at < ?1"),
    (30, "DELETE FROM alerts WHERE created_at < ?1"),
    (40, "DELETE FROM budget WHERE day < ?1"),
    // Their clients keep them.
    (
        30,
        "DELETE FROM turns WHERE (user_id, conversation_id) IN (
             SELECT user_id, id FROM conversations WHERE origin = 'openai' AND updated_at < ?1 AND archived_key IS NULL)",
    ),
    (30, "DELETE FROM conversations WHERE origin = 'openai' AND updated_at < ?1 AND archived_key IS NULL"),
    // Nothing in flight is this old: a tombstone has fenced off all it could.
    (
        30,
        "DELETE FROM documents WHERE deleted_at < ?1
           AND NOT EXISTS (SELECT 1 FROM garbage g WHERE g.document_id = documents.id)",
    ),
    (
        7,
        "DELETE FROM job_items WHERE id IN (
             SELECT i.id FROM jobs j JOIN job_items i ON i.id BETWEEN j.first_item AND j.last_item
             WHERE j.finished_at < ?1 AND j.kind <> 'index')",
    ),
    (7, "DELETE FROM jobs WHERE finished_at < ?1 AND kind <> 'index'"),
    (
        7,
        "DELETE FROM job_items WHERE id IN (
             SELECT i.id FROM jobs j JOIN job_items i ON i.id BETWEEN j.first_item AND j.last_item
             WHERE j.finished_at < ?1 AND j.kind = 'index'
               AND NOT EXISTS (SELECT 1 FROM job_items p WHERE p.id BETWEEN j.first_item AND j.last_item AND p.documents <> '[]'))",
    ),
    (
        7,
        "DELETE FROM jobs WHERE finished_at < ?1 AND kind = 'index'
           AND NOT EXISTS (SELECT 1 FROM job_items p WHERE p.id BETWEEN jobs.first_item AND jobs.last_item AND p.documents <> '[]')",
    ),
];

/// Removes what is old. Returns how many rows went.
pub async fn expire<P: Database + Clock>(ports: &P) -> Result<u64, Failure> {
    let now = ports.now();
    let statements =
        KEPT.into_iter().map(|(days, sql)| Statement::new(sql).bind(now.plus(-days * DAY))).collect::<Vec<_>>();
    let answers = ports.batch(statements).await?;
    Ok(answers.0.iter().map(|answer| answer.changes).sum())
}
