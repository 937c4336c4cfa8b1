//! Purge: revisions that were replaced, deleted or cancelled out of every store.
//!
//! In: a purge item and the superseded revisions that are noted under it.
//! Does, per message:
//! 1. reads up to 50 revisions and the chunks they still have, and takes of them, in order, what has a hundred
//!    vectors: Vectorize removes no more in one call. Of a longer document a hundred at a time;
//! 2. removes those vectors;
//! 3. of revisions whose last vector is gone takes their bytes out of their packs in R2, or the pack if nothing
//!    in it is wanted;
//! 4. removes their chunks, full-text rows and notes in one fenced transaction, which also writes what
//!    was removed where into the receipt.
//!
//! A writer whose lease ran out can still upsert vectors for as long as an invocation lives, so a
//! revision whose batch was at work lately is visited a second time when nothing unseen can write.
//!
//! Sends on: purge again while superseded revisions are left.

use std::collections::{BTreeMap, HashSet};

use pipeline::{
    constants,
    failure::Failure,
    ids::{DocumentId, ItemId, JobId, vector_id},
    job::{
        cursors::{self, PartlyPurged, PurgeCursor},
        item::{Claim, ItemState, Move, PackedDocument, Progress},
        kind::JobKind,
        outcome::Outcome,
        protocol::complete,
        purge::{self, Purge},
    },
    platform::{
        object_keys,
        ports::{Clock, Database, Deployment, ObjectStore, PutIf, Queue, Random, VectorIndex},
        statement::json,
        transaction::Transaction,
    },
    store::{
        self,
        documents::superseded::{self, Purged, PurgedRevision, SupersededRevision},
        jobs::items,
        users::words::Words,
    },
    time::Timestamp,
};
use serde::Serialize;

/// What one message removed.
#[derive(Debug, Default, Serialize)]
struct Removed {
    vectors: i64,
    chunks: i64,
    objects: i64,
    objects_rewritten: i64,
}

/// What one message does.
#[derive(Debug, Default)]
struct Plan {
    /// Of the revisions, in order, how many lose their last vector.
    whole: usize,
    /// The vectors that go.
    ids: Vec<String>,
    /// How far the next revision is by then, if it has more vectors than one message removes.
    partly: Option<PartlyPurged>,
}

/// Runs the stage. See the module for its steps.
pub async fn purge<P>(ports: &P, claim: &Claim) -> Result<Outcome, Failure>
where
    P: Database + ObjectStore + Queue + VectorIndex + Deployment + Clock + Random,
{
    let units = ports.plan().units();
    let begun = cursors::read::<PurgeCursor>(claim)?.unwrap_or_default().partly;
    let (found, words) = read(ports, claim, units.purged_revisions).await?;
    let plan = plan(&found, begun.as_ref(), units.purged_vectors);
    let revisions = &found[..plan.whole];
    // Idempotent: removing what is not there is no error.
    for ids in plan.ids.chunks(constants::VECTORS_PER_DELETE) {
        ports.remove(ids).await?;
    }
    let mut emptied = Vec::new();
    let mut removed = Removed {
        vectors: i64::try_from(plan.ids.len()).unwrap_or(0),
        chunks: revisions.iter().map(|revision| revision.chunks_now).sum(),
        ..Removed::default()
    };
    remove_bytes(ports, claim, revisions, &mut removed, &mut emptied).await?;
    let mut work = Transaction::default();
    remove_rows(ports, claim, revisions, words, &mut work)?;
    work.write(items::add_to_receipt(claim, &json(&removed)?));
    // A pack that is gone holds no documents: its job may expire.
    work.write(items::forget_packs(claim, &emptied)?);
    let more = plan.whole < found.len() || i64::try_from(found.len()).unwrap_or(0) == units.purged_revisions;
    let next = if more { Move::Continue(json(&PurgeCursor { partly: plan.partly })?) } else { Move::Finish };
    complete(ports, claim, work, &Progress::default(), next).await
}

/// The revisions, and the words of their owner's chunks where there are any. A table that is not there may be made
/// before the chunks go, but not where none are: nobody writes chunks of a revision that is superseded.
async fn read<P: Database>(
    ports: &P,
    claim: &Claim,
    most: i64,
) -> Result<(Vec<SupersededRevision>, Option<Words>), Failure> {
    let mut look = Transaction::default();
    let revisions = look.query(superseded::of_item(claim, most));
    let owner = look.query(store::users::tenant(&claim.user));
    let done = look.commit(ports).await?;
    let revisions = done.all(revisions)?;
    let has_chunks = revisions.iter().any(|revision| revision.chunks_now > 0);
    let words = done.first(owner)?.map(|owner| owner.words_of_chunks());
    Ok((revisions, words.filter(|words| has_chunks || words.existing().is_some())))
}

/// As many revisions as have `most` vectors together, in order; of one that alone has more, as many from where the
/// message before, if it `begun` it, left off.
fn plan(revisions: &[SupersededRevision], begun: Option<&PartlyPurged>, most: usize) -> Plan {
    let mut plan = Plan::default();
    for revision in revisions {
        let from = begun.filter(|begun| begun.is_of(revision)).map_or(0, |begun| begun.vectors);
        let left = usize::try_from(chunks(revision) - from).unwrap_or(0);
        let space = most - plan.ids.len();
        if left > space && !plan.ids.is_empty() {
            return plan;
        }
        let ids = (from..).take(left.min(space));
        plan.ids.extend(ids.map(|index| vector_id(&revision.document_id, revision.revision, index)));
        if left > space {
            plan.partly = Some(PartlyPurged::of(revision, from + i64::try_from(space).unwrap_or(0)));
            return plan;
        }
        plan.whole += 1;
    }
    plan
}

/// The chunks a revision has or had: as many vectors as it can have.
fn chunks(revision: &SupersededRevision) -> i64 {
    revision.chunk_count.unwrap_or(0).max(revision.chunks_now)
}

/// True when nothing unseen can still write for a revision.
fn is_final(revision: &SupersededRevision, now: Timestamp) -> bool {
    // A batch whose rows are gone ended days ago.
    let Some(last_write) = revision.batch_updated_at else { return true };
    revision.batch_state.is_none_or(ItemState::is_terminal) && now.since(last_write) > constants::MAX_WRITER_LIFE
}

/// Idempotent: zeros over zeros, and a pack that is gone stays gone.
async fn remove_bytes<P: Database + ObjectStore>(
    ports: &P,
    claim: &Claim,
    revisions: &[SupersededRevision],
    removed: &mut Removed,
    emptied: &mut Vec<ItemId>,
) -> Result<(), Failure> {
    let mut by_pack: BTreeMap<ItemId, HashSet<&DocumentId>> = BTreeMap::new();
    for revision in revisions {
        by_pack.entry(revision.pack).or_default().insert(&revision.document_id);
    }
    let packs: Vec<ItemId> = by_pack.keys().copied().collect();
    for pack in superseded::packs(&claim.user, &packs)?.all(ports).await? {
        let key = object_keys::pack(&claim.user, pack.pack);
        if pack.wanted == 0 {
            ports.delete(&[key]).await?;
            removed.objects += 1;
            emptied.push(pack.pack);
            continue;
        }
        let superseded = by_pack.remove(&pack.pack).unwrap_or_default();
        blank(ports, &key, &pack.documents, &superseded).await?;
        removed.objects_rewritten += 1;
    }
    Ok(())
}

/// Overwrites the bytes of superseded documents with zeros; the others' offsets stay right.
async fn blank<P: ObjectStore>(
    ports: &P,
    key: &str,
    documents: &str,
    superseded: &HashSet<&DocumentId>,
) -> Result<(), Failure> {
    let documents: Vec<PackedDocument> =
        serde_json::from_str(documents).map_err(|error| Failure::bug(format!("documents of {key}: {error}")))?;
    let Some(object) = ports.get(key, None).await? else { return Ok(()) };
    let mut bytes = object.bytes;
    for document in documents.iter().filter(|document| superseded.contains(&document.id)) {
        let range = usize::try_from(document.start).unwrap_or(0)..usize::try_from(document.end).unwrap_or(0);
        if let Some(range) = bytes.get_mut(range) {
            range.fill(0);
        }
    }
    if ports.put(key, bytes, PutIf::Unchanged(object.etag)).await? {
        return Ok(());
    }
    Err(Failure::transient(format!("{key} was rewritten by another")))
}

/// Adds the statements that remove the revisions' rows, and note once more what must be visited again.
fn remove_rows<P: Clock + Random>(
    ports: &P,
    claim: &Claim,
    revisions: &[SupersededRevision],
    words: Option<Words>,
    work: &mut Transaction,
) -> Result<(), Failure> {
    let now = ports.now();
    let purged: Vec<PurgedRevision<'_>> = revisions
        .iter()
        .map(|revision| PurgedRevision {
            document: &revision.document_id,
            revision: revision.revision,
            pack: revision.pack,
            chunks: chunks(revision),
            is_final: is_final(revision, now),
        })
        .collect();
    let purged = Purged::new(&purged)?;
    work.write(superseded::visit_again(claim, &purged));
    let job = JobId::new(now, ports.bytes());
    let due = now.plus(constants::MAX_WRITER_LIFE);
    purge::schedule(work, Purge { job: &job, user: &claim.user, kind: JobKind::Purge, due, now })?;
    work.write_all(store::chunks::write::purge(claim, words, &purged));
    work.write(store::kept_vectors::purge(claim, &purged));
    work.write(superseded::remove(claim, &purged));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use pipeline::{ids::UserId, job::message::Stage, platform::ports::ObjectStore as _, time::MILLISECOND};
    use test_platform::{Fate, ready};

    use super::*;
    use crate::fixture::Index;

    /// Rows of everything a revision has in D1.
    const ROWS: &str = "SELECT (SELECT count(*) FROM chunks) + (SELECT count(*) FROM chunks_fts_1) AS n";

    #[test]
    fn a_superseded_revision_is_gone_from_every_store() {
        let index = Index::new();
        let first = index.upload(&[("a.md", "ships sail")]);
        index.publish(first);
        let second = index.upload(&[("a.md", "ships sink")]);
        index.publish(second);
        assert_eq!((index.number(ROWS), index.memory.vector_ids().len()), (4, 2));
        assert_eq!(index.consume(Stage::Purge, index.newest_purge()).outcome, Outcome::Done);
        assert_eq!(index.number(ROWS), 2);
        assert_eq!(index.number("SELECT revision FROM chunks"), 2);
        assert_eq!(index.memory.vector_ids(), [vector_id(&index.document("a.md"), 2, 0)]);
        assert_eq!(index.memory.object_keys(), [object_keys::pack(&index.user, second)]);
        // Its pack's row holds no documents any more, so that its job may expire.
        assert_eq!(index.memory.look("SELECT documents FROM job_items ORDER BY id LIMIT 1")[0]["documents"], "[]");
    }

    #[test]
    fn what_an_unseen_writer_may_still_write_is_visited_again() {
        let index = Index::new();
        index.publish(index.upload(&[("a.md", "ships sail")]));
        index.delete("a.md");
        let first = index.newest_purge();
        index.consume(Stage::Purge, first);
        let second = index.newest_purge();
        assert_ne!(first, second);
        assert_eq!(index.number("SELECT chunk_count FROM garbage"), 1);
        assert!(index.claim(Stage::Purge, second).is_none(), "nothing unseen has ended yet");
        index.memory.advance(constants::MAX_WRITER_LIFE + MILLISECOND);
        index.consume(Stage::Purge, second);
        assert_eq!(index.newest_purge(), second);
        assert_eq!(index.number("SELECT count(*) AS n FROM garbage"), 0);
    }

    #[test]
    fn bytes_beside_wanted_ones_are_zeros() {
        let index = Index::new();
        let pack = index.upload(&[("a.md", "ships sail"), ("b.md", "trains run")]);
        index.publish(pack);
        index.delete("a.md");
        index.consume(Stage::Purge, index.newest_purge());
        let object = ready(index.memory.get(&object_keys::pack(&index.user, pack), None)).unwrap().unwrap();
        assert_eq!(object.bytes, [&[0; 10], "trains run".as_bytes()].concat());
    }

    #[test]
    fn purged_twice_is_the_same() {
        let index = Index::new();
        index.publish(index.upload(&[("a.md", "ships sail")]));
        index.delete("a.md");
        let item = index.newest_purge();
        let claim = index.claim(Stage::Purge, item).unwrap();
        // The worker dies before its last call, the commit: of the stores only D1 still has something.
        let calls = Cell::new(0);
        index.memory.set_fates(move || {
            calls.set(calls.get() + 1);
            if calls.get() == 5 { Fate::Fails } else { Fate::Works }
        });
        ready(purge(&index.memory, &claim)).unwrap_err();
        assert_eq!((index.number(ROWS), index.memory.vector_ids().len(), index.memory.object_keys().len()), (2, 0, 0));
        index.memory.heal();
        assert_eq!(ready(purge(&index.memory, &claim)).unwrap(), Outcome::Done);
        assert_eq!(index.number(ROWS), 0);
        // A message that comes again changes nothing, not even the receipt.
        index.consume(Stage::Purge, item);
        let receipts = index.memory.look("SELECT receipt FROM jobs WHERE kind = 'delete'");
        assert_eq!(receipts[0]["receipt"], r#"{"vectors":1,"chunks":1,"objects":1,"objects_rewritten":0}"#);
    }

    fn superseded(document: &str, vectors: i64) -> SupersededRevision {
        let user = UserId::parse("usr_00000000000000000000000000").unwrap();
        SupersededRevision {
            document_id: DocumentId::from_external_id(&user, document),
            revision: 1,
            pack: ItemId(1),
            chunk_count: Some(vectors),
            chunks_now: 0,
            batch_state: None,
            batch_updated_at: None,
        }
    }

    #[test]
    fn what_nobody_can_write_any_more_is_not_visited_again() {
        let now = Timestamp::from_milliseconds(0).plus(constants::MAX_WRITER_LIFE);
        let revision = |state, updated_at| SupersededRevision {
            batch_state: state,
            batch_updated_at: updated_at,
            ..superseded("a", 1)
        };
        let long_ago = Timestamp::from_milliseconds(-1);
        assert!(is_final(&revision(None, None), now), "its batch expired");
        assert!(is_final(&revision(Some(ItemState::Done), Some(long_ago)), now));
        assert!(!is_final(&revision(Some(ItemState::Done), Some(now)), now));
        assert!(!is_final(&revision(Some(ItemState::Running), Some(long_ago)), now));
    }

    #[test]
    fn a_plan_never_has_more_vectors_than_one_call_removes_and_leaves_none_out() {
        for sizes in [vec![0, 30, 70, 1], vec![101], vec![99, 250, 0, 100, 100], vec![1; 50], vec![1, 0, 300]] {
            let revisions: Vec<SupersededRevision> =
                sizes.iter().enumerate().map(|(place, size)| superseded(&place.to_string(), *size)).collect();
            let (mut left, mut begun, mut removed) = (revisions.as_slice(), None, Vec::new());
            while !left.is_empty() {
                let plan = plan(left, begun.as_ref(), constants::VECTORS_PER_DELETE);
                assert!(plan.ids.len() <= constants::VECTORS_PER_DELETE, "{sizes:?}");
                assert!(plan.whole > 0 || plan.partly.is_some(), "{sizes:?}");
                removed.extend(plan.ids);
                left = &left[plan.whole..];
                begun = plan.partly;
            }
            let all = revisions.iter().flat_map(|revision| {
                (0..chunks(revision)).map(|index| vector_id(&revision.document_id, revision.revision, index))
            });
            assert_eq!(removed, all.collect::<Vec<_>>(), "{sizes:?}");
        }
    }

    #[test]
    fn a_lost_claim_removes_no_rows() {
        let index = Index::new();
        index.publish(index.upload(&[("a.md", "ships sail")]));
        index.delete("a.md");
        let late = index.claim(Stage::Purge, index.newest_purge()).unwrap();
        index.memory.advance(constants::LEASE + MILLISECOND);
        index.claim(Stage::Purge, index.newest_purge()).unwrap();
        assert_eq!(ready(purge(&index.memory, &late)).unwrap(), Outcome::Done);
        assert_eq!(index.number(ROWS), 2);
        assert_eq!(index.number("SELECT count(*) AS n FROM garbage"), 1);
    }
}
