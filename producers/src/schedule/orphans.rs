//! Orphans: objects in R2 that nothing will read any more.
//!
//! * The upsert stage removes the slices of vectors it published; a crash right after, or a writer
//!   that woke up late, leaves some behind. A slice is an orphan when its batch has ended.
//! * A streamed upload is an orphan when its request died before it became a job. One that was unpacked,
//!   cancelled or given up goes with the packs that attempts stored and did not commit, when none of them can
//!   be alive any more.
//! * An archive is an orphan when its conversation was restored or deleted, or when its writer died
//!   before anything pointed at it.

use std::collections::HashSet;

use pipeline::{
    constants,
    failure::Failure,
    ids::{ItemId, JobId, RANDOM_BYTES},
    platform::{
        object_keys,
        ports::{Clock, Database, ObjectStore},
    },
    store::{
        archives::{self, ArchiveKey},
        jobs::sweep,
        uploads,
    },
};

/// Removes what one look shows; the next run sees the rest. Returns how many objects went.
pub async fn remove<P: Database + ObjectStore + Clock>(ports: &P) -> Result<usize, Failure> {
    let uploads = remove_uploads(ports).await? + clear_uploads(ports).await?;
    Ok(uploads + remove_vectors(ports).await? + remove_archives(ports).await?)
}

/// Uploads that are no jobs. Their names sort by when they began.
async fn remove_uploads<P: Database + ObjectStore + Clock>(ports: &P) -> Result<usize, Failure> {
    let dead = ports.now().plus(-(constants::UPLOAD_TIME + constants::MAX_WRITER_LIFE));
    let oldest_alive = JobId::new(dead, [0; RANDOM_BYTES]);
    let keys = ports.list(object_keys::UPLOADS_PREFIX, None).await?;
    let of = |key: &String| object_keys::upload_job(key).filter(|job| *job < oldest_alive);
    let jobs: Vec<JobId> = keys.iter().filter_map(of).collect();
    if jobs.is_empty() {
        return Ok(0);
    }
    let known = uploads::of_jobs(&jobs)?.all(ports).await?;
    let known: HashSet<JobId> = known.into_iter().map(|upload| upload.job_id).collect();
    let orphans: Vec<String> =
        keys.into_iter().filter(|key| of(key).is_some_and(|job| !known.contains(&job))).collect();
    if !orphans.is_empty() {
        ports.delete(&orphans).await?;
    }
    Ok(orphans.len())
}

/// What uploads that have ended leave. Idempotent: the row, which says what to remove, is marked last.
async fn clear_uploads<P: Database + ObjectStore + Clock>(ports: &P) -> Result<usize, Failure> {
    let ended = uploads::ended(ports.now()).all(ports).await?;
    for upload in &ended {
        let mut keys = vec![object_keys::upload(&upload.user_id, &upload.job_id)];
        let unused: Vec<(i64, i64)> = serde_json::from_str(&upload.unused)
            .map_err(|error| Failure::bug(format!("numbers of the upload {}: {error}", upload.job_id)))?;
        let numbers = unused.into_iter().flat_map(|(first, last)| first..=last);
        keys.extend(numbers.map(|number| object_keys::pack(&upload.user_id, ItemId(upload.item.0 + number))));
        for keys in keys.chunks(constants::OBJECTS_PER_DELETE) {
            ports.delete(keys).await?;
        }
        uploads::clear(&upload.job_id, ports.now()).run(ports).await?;
    }
    Ok(ended.len())
}

/// Idempotent: the row, which says what to remove, goes last. A name is never used again.
async fn remove_archives<P: Database + ObjectStore + Clock>(ports: &P) -> Result<usize, Failure> {
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

async fn remove_vectors<P: Database + ObjectStore>(ports: &P) -> Result<usize, Failure> {
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

#[cfg(test)]
mod tests {
    use pipeline::{
        ids::{ClaimToken, ConversationId},
        job::{item::ItemState, kind::JobKind, message::Stage},
        platform::ports::PutIf,
        store::jobs::create::NewItem,
        time::MILLISECOND,
    };
    use test_platform::{InMemory, ready};

    use super::{
        super::fixture::{insert_job, user},
        *,
    };

    const ARCHIVE: &str = "u/usr_x/archives/conversations/2026-11-22/con_x-clm_x.json.gz";

    fn store(memory: &InMemory, key: &str) {
        ready(memory.put(key, vec![1], PutIf::Always)).unwrap();
    }

    /// An archive that was noted and written, and at which nothing points yet.
    fn with_archive() -> InMemory {
        let memory = InMemory::default();
        let conversation = ConversationId::parse("con_00000000000000000000000000").unwrap();
        ready(archives::note_conversation(ARCHIVE, &user(), &conversation, memory.now()).run(&memory)).unwrap();
        store(&memory, ARCHIVE);
        memory
    }

    #[test]
    fn an_archive_whose_writer_died_is_removed_after_max_writer_life() {
        let memory = with_archive();
        memory.advance(constants::MAX_WRITER_LIFE);
        assert_eq!(ready(remove(&memory)).unwrap(), 0, "its writer may live");
        memory.advance(MILLISECOND);
        assert_eq!(ready(remove(&memory)).unwrap(), 1);
        assert!(memory.object_keys().is_empty() && memory.look("SELECT key FROM archives").is_empty());
    }

    #[test]
    fn an_archive_that_is_kept_stays() {
        let memory = with_archive();
        memory.change("UPDATE archives SET state = 'kept'");
        memory.advance(2 * constants::MAX_WRITER_LIFE);
        assert_eq!(ready(remove(&memory)).unwrap(), 0);
        assert_eq!(memory.object_keys(), [ARCHIVE]);
    }

    #[test]
    fn a_superseded_archive_is_removed_at_once() {
        let memory = with_archive();
        memory.change("UPDATE archives SET state = 'garbage'");
        assert_eq!(ready(remove(&memory)).unwrap(), 1);
        assert!(memory.object_keys().is_empty());
    }

    #[test]
    fn an_archive_that_is_kept_since_the_look_is_left_out() {
        let memory = with_archive();
        memory.change("UPDATE archives SET state = 'kept'");
        let given_up = ready(archives::give_up(&[ARCHIVE.to_owned()]).unwrap().all(&memory)).unwrap();
        assert!(given_up.is_empty());
    }

    #[test]
    fn slices_of_vectors_stay_while_an_item_may_read_them() {
        let memory = InMemory::default();
        let batch = NewItem { state: ItemState::Failed, ..NewItem::queued(Stage::Upsert, memory.now()) };
        let item = insert_job(&memory, JobKind::Index, &[batch]);
        let claim = ClaimToken::parse("clm_00000000000000000000000000").unwrap();
        let slice = object_keys::vectors(&user(), item, &claim);
        let of_nobody = object_keys::vectors(&user(), ItemId(item.0 + 1), &claim);
        store(&memory, &slice);
        store(&memory, &of_nobody);
        assert_eq!(ready(remove(&memory)).unwrap(), 1);
        assert_eq!(memory.object_keys(), [slice], "what failed may be tried again");
        memory.change("UPDATE job_items SET state = 'done'");
        assert_eq!(ready(remove(&memory)).unwrap(), 1);
        assert!(memory.object_keys().is_empty());
    }
}
