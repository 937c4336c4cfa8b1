//! Collect: vectors in R2 that nothing will read any more.
//!
//! The upsert stage removes the slices it published; a crash right after, or a writer that woke up
//! late, leaves some behind. A slice is garbage when its batch has ended.

use std::collections::HashSet;

use pipeline::{
    failure::Failure,
    ids::ItemId,
    object_keys,
    ports::{Database, ObjectStore},
    statement::{Statement, json},
};
use serde::Deserialize;

/// Removes what one listing shows; the next run sees the rest. Returns how many objects went.
pub async fn collect<P: Database + ObjectStore>(ports: &P) -> Result<usize, Failure> {
    #[derive(Deserialize)]
    struct Row {
        id: ItemId,
    }
    let keys = ports.list(object_keys::VECTORS_PREFIX, None).await?;
    let items: HashSet<ItemId> = keys.iter().filter_map(|key| object_keys::vectors_item(key)).collect();
    if items.is_empty() {
        return Ok(0);
    }
    let query = Statement::new(
        "SELECT id FROM job_items WHERE id IN (SELECT value FROM json_each(?1)) AND state NOT IN ('done', 'cancelled')",
    )
    .bind(json(&items.iter().collect::<Vec<_>>())?);
    let rows: Vec<Row> = ports.batch(vec![query]).await?.at(0)?.all()?;
    let alive: HashSet<ItemId> = rows.into_iter().map(|row| row.id).collect();
    let garbage: Vec<String> = keys
        .into_iter()
        .filter(|key| object_keys::vectors_item(key).is_none_or(|item| !alive.contains(&item)))
        .collect();
    if !garbage.is_empty() {
        ports.delete(&garbage).await?;
    }
    Ok(garbage.len())
}
