//! Orphans: objects in R2 that nothing will read any more.
//!
//! * The upsert stage removes the slices of vectors it published; a crash right after, or a writer
//!   that woke up late, leaves some behind. A slice is an orphan when its batch has ended.
//! * An archive is one when its conversation was restored or deleted, or when its writer died
//!   before anything pointed at it.

use std::collections::HashSet;

use pipeline::{
    constants,
    failure::Failure,
    ids::ItemId,
    platform::{
        object_keys,
        ports::{Clock, Database, ObjectStore},
        statement::{Statement, json},
    },
    store::jobs::sweep,
};
use serde::Deserialize;

/// Removes what one look shows; the next run sees the rest. Returns how many objects went.
pub async fn remove<P: Database + ObjectStore + Clock>(ports: &P) -> Result<usize, Failure> {
    Ok(remove_vectors(ports).await? + remove_archives(ports).await?)
}

/// Idempotent: the row, which says what to remove, goes last. A name is never used again.
async fn remove_archives<P: Database + ObjectStore + Clock>(ports: &P) -> Result<usize, Failure> {
    #[derive(Deserialize)]
    struct Row {
        key: String,
    }
    let query = Statement::new(
        "SELECT key FROM archives WHERE state = 'garbage' OR (state = 'writing' AND updated_at < ?1) LIMIT ?2",
    )
    .bind(ports.now().plus(-constants::MAX_WRITER_LIFE))
    .bind(i64::try_from(constants::OBJECTS_PER_DELETE).unwrap_or(i64::MAX));
    let rows: Vec<Row> = ports.batch(vec![query]).await?.at(0)?.all()?;
    if rows.is_empty() {
        return Ok(0);
    }
    let seen: Vec<String> = rows.into_iter().map(|row| row.key).collect();
    // From here on nothing can point at them any more; what something points at since is left out.
    let give_up = Statement::new(
        "UPDATE archives SET state = 'garbage'
         WHERE key IN (SELECT value FROM json_each(?1)) AND state IN ('writing', 'garbage') RETURNING key",
    )
    .bind(json(&seen)?);
    let given_up: Vec<Row> = ports.batch(vec![give_up]).await?.at(0)?.all()?;
    let keys: Vec<String> = given_up.into_iter().map(|row| row.key).collect();
    ports.delete(&keys).await?;
    let forget =
        Statement::new("DELETE FROM archives WHERE key IN (SELECT value FROM json_each(?1)) AND state = 'garbage'")
            .bind(json(&keys)?);
    ports.batch(vec![forget]).await?;
    Ok(keys.len())
}

async fn remove_vectors<P: Database + ObjectStore>(ports: &P) -> Result<usize, Failure> {
    let keys = ports.list(object_keys::VECTORS_PREFIX, None).await?;
    let items: HashSet<ItemId> = keys.iter().filter_map(|key| object_keys::vectors_item(key)).collect();
    if items.is_empty() {
        return Ok(0);
    }
    let items: Vec<ItemId> = items.into_iter().collect();
    let readers = sweep::items_that_read(&items)?.all(ports).await?;
    let alive: HashSet<ItemId> = readers.into_iter().map(|row| row.id).collect();
    let orphans: Vec<String> = keys
        .into_iter()
        .filter(|key| object_keys::vectors_item(key).is_none_or(|item| !alive.contains(&item)))
        .collect();
    if !orphans.is_empty() {
        ports.delete(&orphans).await?;
    }
    Ok(orphans.len())
}
