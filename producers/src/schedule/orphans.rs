//! Orphans: objects in R2 that nothing will read any more.
//!
//! * The upsert stage removes the slices of vectors it published; a crash right after, or a writer
//!   that woke up late, leaves some behind. A slice is an orphan when its batch has ended.
//! * An archive is an orphan when its conversation was restored or deleted, or when its writer died
//!   before anything pointed at it.

use std::collections::HashSet;

use pipeline::{
    constants,
    failure::Failure,
    ids::ItemId,
    platform::{
        object_keys,
        ports::{Clock, Database, ObjectStore},
    },
    store::{
        archives::{self, ArchiveKey},
        jobs::sweep,
    },
};

/// Removes what one look shows; the next run sees the rest. Returns how many objects went.
pub async fn collect<P: Database + ObjectStore + Clock>(ports: &P) -> Result<usize, Failure> {
    Ok(collect_vectors(ports).await? + collect_archives(ports).await?)
}

/// Idempotent: the row, which says what to remove, goes last. A name is never used again.
async fn collect_archives<P: Database + ObjectStore + Clock>(ports: &P) -> Result<usize, Failure> {
    let unused = names(archives::unused(ports.now(), constants::OBJECTS_PER_DELETE).all(ports).await?);
    if unused.is_empty() {
        return Ok(0);
    }
    // From here on nothing can point at them any more; what something points at since is left out.
    let keys = names(archives::give_up(&unused)?.all(ports).await?);
    ports.delete(&keys).await?;
    archives::delete(&keys)?.run(ports).await?;
    Ok(keys.len())
}

fn names(archives: Vec<ArchiveKey>) -> Vec<String> {
    archives.into_iter().map(|archive| archive.key).collect()
}

async fn collect_vectors<P: Database + ObjectStore>(ports: &P) -> Result<usize, Failure> {
    let keys = ports.list(object_keys::VECTORS_PREFIX, None).await?;
    let items: HashSet<ItemId> = keys.iter().filter_map(|key| object_keys::vectors_item(key)).collect();
    if items.is_empty() {
        return Ok(0);
    }
    let reading = sweep::items_that_read(&items.into_iter().collect::<Vec<_>>())?.all(ports).await?;
    let alive: HashSet<ItemId> = reading.into_iter().map(|row| row.id).collect();
    let orphans: Vec<String> = keys
        .into_iter()
        .filter(|key| object_keys::vectors_item(key).is_none_or(|item| !alive.contains(&item)))
        .collect();
    if !orphans.is_empty() {
        ports.delete(&orphans).await?;
    }
    Ok(orphans.len())
}
