//! A look at a job.

use pipeline::{
    failure::Failure,
    ids::{ItemId, JobId, UserId},
    platform::{ports::Database, transaction::Transaction},
    store::jobs::{overview, read},
};

use super::{
    overview::Items,
    view::{JobView, view},
};

/// Reads a job; `None` if there is none or it is another's.
pub async fn read<P: Database>(ports: &P, user: &UserId, job: &JobId) -> Result<Option<JobView>, Failure> {
    let mut transaction = Transaction::default();
    let job_row = transaction.query(read::job(user, job));
    let first = transaction.query(overview::overview(user, job, ItemId(0)));
    let done = transaction.commit(ports).await?;
    let Some(row) = done.first(job_row)? else { return Ok(None) };
    let mut items = Items::default();
    let mut page = done.first(first)?;
    while let Some(last) = items.add(&page.unwrap_or_default())? {
        page = overview::overview(user, job, last).first(ports).await?;
    }
    let reported = items.to_be_reported();
    if !reported.is_empty() {
        items.note_failures(overview::why(user, &reported)?.all(ports).await?);
    }
    Ok(Some(view(row, &items)))
}
