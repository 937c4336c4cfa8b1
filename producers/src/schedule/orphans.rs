//! Orphans: objects in R2 that nothing will read any more.
//!
//! * The upsert stage removes the slices of vectors it published; a crash right after, or a writer
//!   that woke up late, leaves some behind. A slice is an orphan when its batch has ended.
//! * A streamed upload is an orphan when its request died before it became a job. One that was unpacked,
//!   cancelled or given up goes with the packs that attempts stored and did not commit, when none of them can
//!   be alive any more.
//! * An archive is an orphan when its conversation was restored or deleted, or when its writer died
//!   before anything pointed at it.
//!
//! Of each list a run looks at one page, and notes where the next goes on: what is kept in front, however much of it,
//! hides nothing behind it.

use std::collections::HashSet;

use pipeline::{
    constants,
    failure::Failure,
    ids::{ItemId, JobId, RANDOM_BYTES},
    platform::{
        object_keys,
        ports::{Clock, Database, Meter, ObjectStore},
    },
    store::{
        archives::{self, ArchiveKey},
        jobs::sweep,
        listings::{self, Listing},
        uploads,
    },
};

use super::queries::are_left_to_orphans;

/// D1 queries of a page: what is known of its keys, and how far it was seen.
const QUERIES_OF_PAGE: u64 = 2;
/// D1 queries of archives.
const QUERIES_OF_ARCHIVES: u64 = 3;

/// Removes what one look shows; the next run sees the rest. Returns how many objects went.
pub async fn remove<P: Database + ObjectStore + Meter + Clock>(ports: &P) -> Result<usize, Failure> {
    if !are_left_to_orphans(ports, 1 + QUERIES_OF_PAGE) {
        return Ok(0);
    }
    let seen = listings::seen().all(ports).await?;
    let mut removed = remove_uploads(ports, &seen).await?;
    if are_left_to_orphans(ports, QUERIES_OF_PAGE) {
        removed += remove_vectors(ports, &seen).await?;
    }
    if are_left_to_orphans(ports, QUERIES_OF_ARCHIVES) {
        removed += remove_archives(ports).await?;
    }
    Ok(removed + clear_uploads(ports).await?)
}

/// A page of a list.
struct Page {
    prefix: &'static str,
    keys: Vec<String>,
    /// Where the run before left off.
    seen_until: Option<String>,
}

impl Page {
    /// Lists what comes after what the run before saw, or begins anew.
    async fn list<P: ObjectStore>(ports: &P, prefix: &'static str, seen: &[Listing]) -> Result<Self, Failure> {
        let seen_until = seen.iter().find(|listing| listing.prefix == prefix).map(|listing| listing.seen_until.clone());
        Ok(Self { prefix, keys: ports.list(prefix, seen_until.as_deref()).await?, seen_until })
    }

    /// Removes the orphans of it, and notes where the next run goes on if that changes.
    async fn remove<P: Database + ObjectStore>(self, ports: &P, orphans: &[String]) -> Result<usize, Failure> {
        if !orphans.is_empty() {
            ports.delete(orphans).await?;
        }
        let next = self.keys.last().filter(|_| self.keys.len() >= constants::OBJECTS_PER_LIST);
        if next != self.seen_until.as_ref() {
            listings::note(self.prefix, next.map(String::as_str)).run(ports).await?;
        }
        Ok(orphans.len())
    }
}

/// Uploads that are no jobs.
async fn remove_uploads<P: Database + ObjectStore + Clock>(ports: &P, seen: &[Listing]) -> Result<usize, Failure> {
    let dead = ports.now().plus(-(constants::UPLOAD_TIME + constants::MAX_WRITER_LIFE));
    let oldest_alive = JobId::new(dead, [0; RANDOM_BYTES]);
    let page = Page::list(ports, object_keys::UPLOADS_PREFIX, seen).await?;
    let of = |key: &String| object_keys::upload_job(key).filter(|job| *job < oldest_alive);
    let jobs: Vec<JobId> = page.keys.iter().filter_map(of).collect();
    let mut known: HashSet<JobId> = HashSet::new();
    if !jobs.is_empty() {
        known.extend(uploads::of_jobs(&jobs)?.all(ports).await?.into_iter().map(|upload| upload.job_id));
    }
    let is_orphan = |key: &&String| of(key).is_some_and(|job| !known.contains(&job));
    let orphans: Vec<String> = page.keys.iter().filter(is_orphan).cloned().collect();
    page.remove(ports, &orphans).await
}

/// What uploads that have ended leave. Idempotent: the row, which says what to remove, is marked last.
async fn clear_uploads<P: Database + ObjectStore + Meter + Clock>(ports: &P) -> Result<usize, Failure> {
    if !are_left_to_orphans(ports, 2) {
        return Ok(0);
    }
    let ended = uploads::ended(ports.now()).all(ports).await?;
    let mut cleared = 0;
    for upload in ended.iter().take_while(|_| are_left_to_orphans(ports, 1)) {
        cleared += 1;
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
    Ok(cleared)
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

async fn remove_vectors<P: Database + ObjectStore>(ports: &P, seen: &[Listing]) -> Result<usize, Failure> {
    let page = Page::list(ports, object_keys::VECTORS_PREFIX, seen).await?;
    let items: HashSet<ItemId> = page.keys.iter().filter_map(|key| object_keys::vectors_item(key)).collect();
    let mut alive: HashSet<ItemId> = HashSet::new();
    if !items.is_empty() {
        let reading = sweep::items_that_read(&items.into_iter().collect::<Vec<_>>())?.all(ports).await?;
        alive.extend(reading.into_iter().map(|row| row.id));
    }
    let is_orphan = |key: &&String| object_keys::vectors_item(key).is_none_or(|item| !alive.contains(&item));
    let orphans: Vec<String> = page.keys.iter().filter(is_orphan).cloned().collect();
    page.remove(ports, &orphans).await
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

    /// Objects of so many uploads that wait to be unpacked, from long before the platform's time begins.
    fn waiting(memory: &InMemory, count: usize) {
        for number in 0..count {
            store(memory, &object_keys::upload(&user(), &JobId::parse(&format!("job_{number:026}")).unwrap()));
        }
        memory.change(
            "WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 2999)
             INSERT INTO uploads (job_id, user_id, media_type, bytes)
             SELECT 'job_' || printf('%026d', n), 'usr_00000000000000000000000000', '', 1 FROM n",
        );
    }

    #[test]
    fn what_is_kept_in_front_however_much_hides_no_orphan_behind_it() {
        let memory = InMemory::default();
        waiting(&memory, 2_500);
        let orphan = object_keys::upload(&user(), &JobId::parse("job_00000000000000000000009999").unwrap());
        store(&memory, &orphan);
        let removed: Vec<usize> = (0..6)
            .map(|_| {
                memory.begin("orphans");
                ready(remove(&memory)).unwrap()
            })
            .collect();
        assert_eq!(removed, [0, 0, 1, 0, 0, 0]);
        assert_eq!(memory.object_keys().len(), 2_500, "{orphan}");
        assert!(memory.look("SELECT prefix FROM listings").is_empty(), "it begins anew after the end");
    }

    #[test]
    fn however_much_there_is_to_remove_what_follows_has_its_queries() {
        let memory = with_archive();
        memory.change("UPDATE archives SET state = 'garbage'");
        for number in 0..30 {
            let item = insert_job(&memory, JobKind::Index, &[NewItem::queued(Stage::Unpack, memory.now())]);
            assert_eq!(item, ItemId(number + 1));
        }
        memory.change("UPDATE job_items SET state = 'done'");
        memory.change("INSERT INTO uploads (job_id, user_id, media_type, bytes) SELECT id, user_id, '', 1 FROM jobs");
        memory.advance(constants::MAX_WRITER_LIFE + MILLISECOND);
        for spent in (0..40).chain([0; 30]) {
            memory.begin("orphans");
            for _ in 0..spent {
                ready(listings::seen().all(&memory)).unwrap();
            }
            let left = memory.asked().queries_left();
            ready(remove(&memory)).unwrap();
            assert!(memory.asked().queries_left() >= left.min(35), "{spent}: {:?}", memory.asked());
        }
        assert!(memory.look("SELECT job_id FROM uploads WHERE cleared_at IS NULL").is_empty());
        assert!(memory.look("SELECT key FROM archives").is_empty());
    }
}
