//! `GET /api/usage`: today against every allowance of the Free plan.

use http::StatusCode;
use pipeline::{
    limits,
    model::EMBEDDING,
    ports::{Clock, Database},
    statement::Statement,
    time::{DAY, Timestamp},
    usage::Usage,
};
use serde::{Deserialize, Serialize};

use crate::{
    reply::{Answer, Reply},
    routes::Call,
};

/// Days that a monthly allowance is spread over.
const DAYS_PER_MONTH: f64 = 30.0;

/// One resource of the plan, as used today by everybody of this deployment.
#[derive(Debug, Serialize)]
struct Resource {
    name: &'static str,
    used: f64,
    allowance: f64,
    share: f64,
    /// When it runs out at today's pace, if that is today.
    runs_out_at: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct UsageView {
    since: Timestamp,
    until: Timestamp,
    invocations: i64,
    resources: Vec<Resource>,
    /// The resource nearest to its end.
    first_to_run_out: &'static str,
    /// What the tenant's own requests and jobs took of it.
    own: Usage,
}

#[derive(Debug, Deserialize)]
struct Row {
    invocations: i64,
    #[serde(flatten)]
    usage: Usage,
}

const SUMS: &str =
    "SELECT count(*) AS invocations, total(neurons) AS neurons, coalesce(sum(d1_rows_read), 0) AS d1_rows_read,
        coalesce(sum(d1_rows_written), 0) AS d1_rows_written, coalesce(sum(kv_reads), 0) AS kv_reads,
        coalesce(sum(kv_writes), 0) AS kv_writes, coalesce(sum(r2_class_a), 0) AS r2_class_a,
        coalesce(sum(r2_class_b), 0) AS r2_class_b, coalesce(sum(queue_operations), 0) AS queue_operations,
        coalesce(sum(vectors_queried), 0) AS vectors_queried, coalesce(sum(vectors_upserted), 0) AS vectors_upserted,
        coalesce(sum(object_requests), 0) AS object_requests
 FROM usage_log WHERE at >= ?1 AND (?2 IS NULL OR user_id = ?2)";

/// `GET /api/usage`
pub async fn usage<P: Database + Clock>(ports: &P, call: &Call<'_>) -> Answer {
    let now = ports.now();
    let since = now.start_of_day();
    let sums = |user: Option<&pipeline::ids::UserId>| Statement::new(SUMS).bind(since).bind(user);
    let answers = ports.batch(vec![sums(None), sums(Some(&call.tenant.user))]).await?;
    let all: Row = answers.at(0)?.first()?.unwrap_or(Row { invocations: 0, usage: Usage::default() });
    let own: Row = answers.at(1)?.first()?.unwrap_or(Row { invocations: 0, usage: Usage::default() });
    let resources = resources(&all.usage, all.invocations, since, now);
    let first =
        resources.iter().max_by(|one, other| one.share.total_cmp(&other.share)).map_or("", |resource| resource.name);
    let view = UsageView {
        since,
        until: now.next_day(),
        invocations: all.invocations,
        first_to_run_out: first,
        resources,
        own: own.usage,
    };
    Ok(Reply::json(StatusCode::OK, &view))
}

#[expect(clippy::cast_precision_loss, reason = "counts and allowances are far below 2^52")]
fn resources(usage: &Usage, invocations: i64, since: Timestamp, now: Timestamp) -> Vec<Resource> {
    let resource = |name, used: f64, allowance: f64| {
        let elapsed = now.since(since).max(1) as f64;
        let day_fraction_at_end = if used > 0.0 { allowance / used * elapsed } else { f64::INFINITY };
        #[expect(clippy::cast_possible_truncation, reason = "less than a day in milliseconds")]
        let runs_out_at = (day_fraction_at_end < DAY as f64).then(|| since.plus(day_fraction_at_end as i64));
        Resource { name, used, allowance, share: used / allowance, runs_out_at }
    };
    let dimensions = EMBEDDING.dimensions as f64;
    vec![
        resource("neurons", usage.neurons, limits::NEURONS_PER_DAY as f64),
        resource("requests", invocations as f64, limits::REQUESTS_PER_DAY as f64),
        resource("queue_operations", usage.queue_operations as f64, limits::QUEUE_OPERATIONS_PER_DAY as f64),
        resource("d1_rows_read", usage.d1_rows_read as f64, limits::D1_ROWS_READ_PER_DAY as f64),
        resource("d1_rows_written", usage.d1_rows_written as f64, limits::D1_ROWS_WRITTEN_PER_DAY as f64),
        resource("kv_reads", usage.kv_reads as f64, limits::KV_READS_PER_DAY as f64),
        resource("kv_writes", usage.kv_writes as f64, limits::KV_WRITES_PER_DAY as f64),
        resource("r2_class_a", usage.r2_class_a as f64, limits::R2_CLASS_A_PER_MONTH as f64 / DAYS_PER_MONTH),
        resource("r2_class_b", usage.r2_class_b as f64, limits::R2_CLASS_B_PER_MONTH as f64 / DAYS_PER_MONTH),
        resource("object_requests", usage.object_requests as f64, limits::OBJECT_REQUESTS_PER_DAY as f64),
        resource("vectors_stored", usage.vectors_upserted as f64, limits::VECTOR_STORED_DIMENSIONS as f64 / dimensions),
        resource(
            "vectors_queried",
            usage.vectors_queried as f64,
            limits::VECTOR_QUERIED_DIMENSIONS_PER_MONTH as f64 / dimensions / DAYS_PER_MONTH,
        ),
    ]
}
