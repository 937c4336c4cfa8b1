//! All items of a job at a glance: a job of a large upload has thousands, and who follows it looks often.

use const_format::formatcp;
use serde::Deserialize;

use crate::{
    failure::Failure,
    ids::{ItemId, JobId, UserId},
    job::{item::ItemState, message::Stage},
    platform::{statement::json, transaction::Query},
    time::Timestamp,
};

/// The most items of one [`OverviewRow`]: as text they are shorter than D1 allows.
pub const ITEMS_OF_OVERVIEW: usize = 20_000;

/// Items of a job as text: a row for each would cost more CPU than all that is counted in them.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct OverviewRow {
    /// When one of them last changed; `None` without items.
    pub updated_at: Option<Timestamp>,
    /// `id stage state batch documents chunks progress attempts next_at failed superseded has_error|…`.
    items: Option<String>,
}

/// An item of a job, without what it says of its failures.
#[derive(Clone, Debug)]
pub struct ItemRow {
    /// Its id.
    pub id: ItemId,
    /// The stage it is in.
    pub stage: Stage,
    /// Its state there.
    pub state: ItemState,
    /// Of a pack: its batch.
    pub batch: Option<ItemId>,
    /// How many documents it is about.
    pub document_count: i64,
    /// Chunks made so far.
    pub chunk_count: i64,
    /// Of them, done in the current stage.
    pub progress: i64,
    /// Attempts since the last progress.
    pub attempts: i64,
    /// Of what is parked: not to be claimed before.
    pub next_at: Timestamp,
    /// How many of its documents failed alone.
    pub failed_documents: i64,
    /// How many of its documents another upload took over before they were published.
    pub superseded_documents: i64,
    /// It says why its last attempt failed, or why it is parked.
    pub has_error: bool,
}

/// How many documents of a pack another upload took over. What had been taken over may still fail alone, when it was
/// at work by then: it has failed, and counts once. Looked at one by one only where there is both.
const SUPERSEDED: &str = "CASE WHEN superseded IS NULL OR failures IS NULL
         THEN json_array_length(coalesce(superseded, '[]'))
         ELSE (SELECT count(*) FROM (SELECT s.value FROM json_each(superseded) s
                                     EXCEPT SELECT f.value ->> 'document_id' FROM json_each(failures) f)) END";

/// An item in an [`OverviewRow`].
const ENTRY: &str = formatcp!(
    "id || ' ' || stage || ' ' || state || ' ' || coalesce(batch, 0) || ' ' || document_count || ' '
    || chunk_count || ' ' || progress || ' ' || attempts || ' ' || CASE state WHEN 'parked' THEN next_at ELSE 0 END
    || ' ' || json_array_length(coalesce(failures, '[]')) || ' ' || {SUPERSEDED} || ' ' || (error IS NOT NULL)"
);

/// Reads the items of a user's job after the item `after`, at most [`ITEMS_OF_OVERVIEW`].
pub fn overview(user: &UserId, job: &JobId, after: ItemId) -> Query<OverviewRow> {
    Query::new(formatcp!(
        "SELECT max(updated_at) AS updated_at, group_concat({ENTRY}, '|') AS items FROM (
             SELECT i.* FROM jobs j JOIN job_items i ON i.id BETWEEN max(j.first_item, ?3 + 1) AND j.last_item
             WHERE j.id = ?1 AND j.user_id = ?2 ORDER BY i.id LIMIT {ITEMS_OF_OVERVIEW})"
    ))
    .bind(job)
    .bind(user)
    .bind(after)
}

impl OverviewRow {
    /// Returns the items in it, in their order.
    ///
    /// # Errors
    /// A bug if they are written in another way.
    pub fn items(&self) -> Result<Vec<ItemRow>, Failure> {
        let texts = self.items.as_deref().unwrap_or_default().split('|').filter(|text| !text.is_empty());
        texts.map(|text| item(text).ok_or_else(|| Failure::bug(format!("no item: {text}")))).collect()
    }
}

fn item(text: &str) -> Option<ItemRow> {
    let mut fields = text.split(' ');
    let (id, stage, state) = (fields.next()?, fields.next()?, fields.next()?);
    let mut numbers = fields.map(|field| field.parse::<i64>().ok());
    let mut number = || numbers.next().flatten();
    Some(ItemRow {
        id: ItemId(id.parse().ok()?),
        stage: Stage::ALL.into_iter().find(|known| known.name() == stage)?,
        state: ItemState::ALL.into_iter().find(|known| known.name() == state)?,
        batch: Some(number()?).filter(|batch| *batch != 0).map(ItemId),
        document_count: number()?,
        chunk_count: number()?,
        progress: number()?,
        attempts: number()?,
        next_at: Timestamp::from_milliseconds(number()?),
        failed_documents: number()?,
        superseded_documents: number()?,
        has_error: number()? != 0,
    })
}

/// What an item says of its failures.
#[derive(Clone, Debug, Deserialize)]
pub struct WhyRow {
    /// Its id.
    pub id: ItemId,
    /// Why the last attempt failed, or why it is parked.
    pub error: Option<String>,
    /// Documents that failed alone (JSON).
    pub failures: Option<String>,
}

/// Reads what these items of a user say of their failures.
///
/// # Errors
/// A bug if the ids cannot be written as JSON.
pub fn why(user: &UserId, items: &[ItemId]) -> Result<Query<WhyRow>, Failure> {
    Ok(Query::new(
        "SELECT id, error, failures FROM job_items WHERE id IN (SELECT value FROM json_each(?2)) AND user_id = ?1",
    )
    .bind(user)
    .bind(json(&items)?))
}
