//! A job's items as its view counts them.

use std::collections::{HashMap, HashSet};

use pipeline::{
    failure::Failure,
    ids::ItemId,
    job::{
        item::{DocumentFailure, ItemState},
        message::Stage,
    },
    store::jobs::overview::{ITEMS_OF_OVERVIEW, ItemRow, OverviewRow, WhyRow},
    time::Timestamp,
};

/// The most errors one answer lists.
pub(super) const ERRORS: usize = 100;

/// All items of a job, and what those say of their failures that an answer has room for.
#[derive(Debug, Default)]
pub(super) struct Items {
    pub(super) rows: Vec<ItemRow>,
    /// When one of them last changed.
    pub(super) updated_at: Option<Timestamp>,
    /// Of each item its state: of batches, packs ask for it.
    states: HashMap<ItemId, ItemState>,
    /// Of each batch: the documents of its packs.
    documents: HashMap<ItemId, i64>,
    whys: HashMap<ItemId, WhyRow>,
}

impl Items {
    /// Adds items; the last of them if there may be more.
    pub(super) fn add(&mut self, page: &OverviewRow) -> Result<Option<ItemId>, Failure> {
        let rows = page.items()?;
        let more = if rows.len() < ITEMS_OF_OVERVIEW { None } else { rows.last().map(|last| last.id) };
        for row in &rows {
            match row.batch {
                Some(batch) => *self.documents.entry(batch).or_default() += row.document_count,
                None => drop(self.states.insert(row.id, row.state)),
            }
        }
        self.rows.extend(rows);
        self.updated_at = self.updated_at.max(page.updated_at);
        Ok(more)
    }

    /// What became of a pack's documents: what became of its batch, unless the pack got no further.
    pub(super) fn fate_of_pack(&self, pack: &ItemRow) -> ItemState {
        let batch = pack.batch.and_then(|batch| self.states.get(&batch));
        match (pack.state, batch) {
            (ItemState::Done, Some(ItemState::Waiting)) => ItemState::Running,
            (ItemState::Done, Some(batch)) => *batch,
            (state, _) => state,
        }
    }

    /// The documents of a batch's packs.
    pub(super) fn documents_of_batch(&self, batch: ItemId) -> i64 {
        self.documents.get(&batch).copied().unwrap_or(0)
    }

    /// What is parked and goes on first.
    pub(super) fn first_parked(&self) -> Option<&ItemRow> {
        self.rows.iter().filter(|item| item.state == ItemState::Parked).min_by_key(|item| item.next_at)
    }

    /// Why an item's last attempt failed, or why it is parked.
    pub(super) fn error(&self, item: &ItemRow) -> Option<&str> {
        self.whys.get(&item.id)?.error.as_deref()
    }

    /// The documents of an item that failed alone.
    pub(super) fn failures(&self, item: &ItemRow) -> Vec<DocumentFailure> {
        let failures = self.whys.get(&item.id).and_then(|why| why.failures.as_deref());
        failures.and_then(|failures| serde_json::from_str(failures).ok()).unwrap_or_default()
    }

    /// Notes what items say of their failures.
    pub(super) fn note_failures(&mut self, whys: Vec<WhyRow>) {
        self.whys = whys.into_iter().map(|why| (why.id, why)).collect();
    }

    /// Of thousands of items that say why they failed or wait, those that an answer reports.
    pub(super) fn to_be_reported(&self) -> Vec<ItemId> {
        let failed = self.rows.iter().filter(|item| item.state == ItemState::Failed && item.has_error).take(ERRORS);
        let of_documents = self.rows.iter().filter(|item| item.failed_documents > 0).take(ERRORS);
        let parked = self.first_parked().filter(|item| item.has_error);
        let mut stages: HashSet<(Stage, bool)> = HashSet::new();
        let of_stages = self.rows.iter().filter(|item| item.has_error);
        let of_stages = of_stages.filter(|item| stages.insert((item.stage, item.batch.is_some())));
        let all = of_stages.chain(failed).chain(of_documents).chain(parked);
        let distinct: HashSet<ItemId> = all.map(|item| item.id).collect();
        distinct.into_iter().collect()
    }
}
