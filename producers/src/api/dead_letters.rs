//! Dead letters: what failed for good, why, and trying it once more.

use http::StatusCode;
use pipeline::{
    ids::{ItemId, JobId},
    platform::{
        ports::{Clock, Database, Queue},
        statement::Statement,
    },
    problem::{Code, Problem},
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::jobs,
    http::{
        call::Call,
        reply::{Answer, Reply},
    },
};

/// What failed for good.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetter {
    id: String,
    stage: String,
    job_id: Option<JobId>,
    why: String,
    created_at: Timestamp,
    replayed_at: Option<Timestamp>,
}

/// The job that tries again.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Replayed {
    job_id: JobId,
}

/// `GET /api/dead-letters`: the tenant's, by id.
pub async fn list<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    let (limit, cursor) = crate::http::paging::page(call)?;
    let query = Statement::new(
        "SELECT l.id, l.stage, i.job_id, l.why, l.created_at, l.replayed_at FROM dead_letters l LEFT JOIN job_items i ON i.id = l.item_id
         WHERE l.user_id = ?1 AND (?2 IS NULL OR l.id > ?2) ORDER BY l.id LIMIT ?3",
    )
    .bind(&call.tenant.user)
    .bind(cursor)
    .bind(limit + 1);
    let entries: Vec<DeadLetter> = ports.batch(vec![query]).await?.at(0)?.all()?;
    Ok(crate::http::paging::page_reply(entries, limit, |entry| entry.id.clone()))
}

/// `POST /api/dead-letters/{id}/replay`: its item tries again from where it failed.
pub async fn replay<P: Database + Queue + Clock>(ports: &P, call: &Call<'_>) -> Answer {
    #[derive(Deserialize)]
    struct Row {
        item_id: ItemId,
        job_id: JobId,
    }
    let mark = Statement::new(
        "UPDATE dead_letters SET replayed_at = ?3 WHERE id = ?1 AND user_id = ?2
         RETURNING item_id, (SELECT job_id FROM job_items WHERE job_items.id = dead_letters.item_id) AS job_id",
    )
    .bind(call.id)
    .bind(&call.tenant.user)
    .bind(ports.now());
    let row: Option<Row> = ports.batch(vec![mark]).await?.at(0)?.first()?;
    let row = row.ok_or_else(|| Problem::new(Code::NotFound, "there is no such dead letter"))?;
    jobs::requeue(ports, &call.tenant.user, &row.job_id, Some(row.item_id)).await?;
    Ok(Reply::json(StatusCode::ACCEPTED, &Replayed { job_id: row.job_id }))
}
