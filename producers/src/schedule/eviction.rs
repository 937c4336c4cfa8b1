//! Evict: when the vector index is nearly full, what was least useful lately gives its vectors up, and
//! gets them back when it is looked for again.
//!
//! 1. Vectors are counted: once a night, and whenever the day's upserts could have filled the index.
//! 2. Above 90 % documents are marked, least recently hit first, until 80 % would be reached, and an alert says so.
//! 3. Vectors of marked documents are removed, a slice at a time; how far that has come is noted after each slice,
//!    so that a run that is stopped is gone on with. One run removes a few slices: hundreds of documents take
//!    several. They stay documents, found by keyword.
//! 4. An evicted document that was hit since gets a job that embeds it again, as long as there is space.

use std::ops::AddAssign;

use pipeline::{
    budget::allowances::Allowances,
    constants,
    failure::Failure,
    ids::{JobId, vector_id},
    job::{kind::JobKind, message::Stage},
    platform::{
        ports::{Clock, Database, Deployment, KeyValue, Meter, Queue, Random, VectorIndex},
        transaction::Transaction,
    },
    store::{
        counters,
        documents::eviction::{self, MarkedDocument, WantedPack},
        jobs::create::{self, NewItem, NewJob},
        usage::sums,
    },
};
use serde::Serialize;

use super::alerts;

/// Share of the index above which documents are evicted.
const FULL: f64 = 0.9;
/// Share down to which they are.
const EVICT_TO: f64 = 0.8;
/// Documents marked at most by one run; the next goes on.
const AT_ONCE: i64 = 500;
/// Slices of vectors that one run removes, each by one request: what an invocation has CPU for beside the rest.
const SLICES: usize = 4;
/// Documents that one run looks at: one more than its slices hold where each has one vector.
const DOCUMENTS: usize = SLICES * constants::VECTORS_PER_DELETE + 1;
/// Packs whose documents are embedded again at most by one run.
const RESTORED_AT_ONCE: i64 = 20;

/// D1 queries that a pack on its way back takes.
const QUERIES_OF_RESTORED: u64 = 4;
/// D1 queries of a run without those: two looks at what is marked with a note for every slice of both, two counts
/// of two, what is known of two, and the marks with their alert.
pub(super) const QUERIES: u64 = 2 + SLICES as u64 + 2 + 2 + 2;

/// What one run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Evicted {
    /// Documents that gave up their vectors.
    pub documents: usize,
    /// Vectors removed.
    pub vectors: usize,
    /// Packs on their way back.
    pub restored: usize,
}

impl AddAssign for Evicted {
    fn add_assign(&mut self, more: Self) {
        self.documents += more.documents;
        self.vectors += more.vectors;
        self.restored += more.restored;
    }
}

/// Runs once; `count` makes it count the vectors whatever it knows. True if more is left: another run goes on.
pub async fn evict<P>(ports: &P, count: bool) -> Result<(Evicted, bool), Failure>
where
    P: Database + KeyValue + Queue + VectorIndex + Deployment + Meter + Clock + Random,
{
    let most = Allowances::load(ports).await.allowances.vectors_stored;
    let mut evicted = Evicted::default();
    // What an earlier run left; what is to be counted is counted when all of it is gone.
    let (slices, is_more) = remove_marked(ports, SLICES, &mut evicted).await?;
    if is_more {
        return Ok((evicted, true));
    }
    let mut stored = known(ports).await?;
    if count || stored > EVICT_TO * most {
        stored = recount(ports).await?;
    }
    if stored > FULL * most {
        mark(ports, stored, most).await?;
        let (_, is_more) = remove_marked(ports, slices, &mut evicted).await?;
        return Ok((evicted, is_more));
    }
    evicted.restored = restore(ports, FULL * most - stored).await?;
    Ok((evicted, false))
}

/// Vectors as last counted, and all that were upserted today: no fewer than there are.
async fn known<P: Database + Clock>(ports: &P) -> Result<f64, Failure> {
    let mut transaction = Transaction::default();
    let counted = transaction.query(counters::stored());
    let today = transaction.query(sums::totals(ports.now().start_of_day()));
    let done = transaction.commit(ports).await?;
    let counted = done.first(counted)?.map_or(0.0, |stored| stored.vectors);
    let today = done.first(today)?.unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "vectors of a day are far below 2^52")]
    let upserted = today.usage.vectors_upserted as f64;
    Ok(counted + upserted)
}

async fn recount<P: Database + Clock>(ports: &P) -> Result<f64, Failure> {
    let mut transaction = Transaction::default();
    transaction.write(counters::count_stored(ports.now()));
    let counted = transaction.query(counters::stored());
    Ok(transaction.commit(ports).await?.first(counted)?.map_or(0.0, |stored| stored.vectors))
}

/// Marks the least recently useful documents whose vectors together are the surplus. Never silently: the alert is
/// raised in the same transaction.
async fn mark<P: Database + Deployment + Clock>(ports: &P, stored: f64, most: f64) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Data {
        stored: f64,
        allowance: f64,
        surplus: f64,
    }
    let now = ports.now();
    let surplus = stored - EVICT_TO * most;
    let id = format!("{}-vectors-evicted", now.to_rfc3339());
    let alert = alerts::alert(id, "index.evicted", Data { stored, allowance: most, surplus }, now)?;
    let mut transaction = Transaction::default();
    transaction.write(eviction::mark(surplus, AT_ONCE, now));
    transaction.write(alerts::raise(ports, &[alert], now)?);
    transaction.commit(ports).await.map(drop)
}

/// Removes vectors of what is marked, `slices` at most; answers with how many slices are left, and whether more is
/// marked. Idempotent: ids that are gone are no error.
async fn remove_marked<P: Database + VectorIndex>(
    ports: &P,
    slices: usize,
    evicted: &mut Evicted,
) -> Result<(usize, bool), Failure> {
    let mut marked = eviction::marked(DOCUMENTS).all(ports).await?;
    for left in (0..slices).rev() {
        let slice = take_slice(&mut marked);
        if slice.documents.is_empty() {
            return Ok((left + 1, false));
        }
        if !slice.ids.is_empty() {
            ports.remove(&slice.ids).await?;
        }
        eviction::note_removed(&slice.documents)?.run(ports).await?;
        evicted.documents += slice.documents.iter().filter(|document| document.is_done()).count();
        evicted.vectors += slice.ids.len();
    }
    Ok((0, !marked.is_empty()))
}

/// Vectors that one request removes, and how far their documents are then.
#[derive(Default)]
struct Slice {
    ids: Vec<String>,
    documents: Vec<MarkedDocument>,
}

/// Takes a slice off what is marked. Of the last document the rest may be left.
fn take_slice(marked: &mut Vec<MarkedDocument>) -> Slice {
    let mut slice = Slice::default();
    let mut left = i64::try_from(constants::VECTORS_PER_DELETE).unwrap_or(1);
    let mut whole = 0;
    for document in marked.iter_mut() {
        let end = document.chunk_count.min(document.next + left);
        left -= end - document.next;
        slice.ids.extend((document.next..end).map(|index| vector_id(&document.id, document.current, index)));
        document.next = end;
        slice.documents.push(document.clone());
        whole += usize::from(document.is_done());
        if left == 0 {
            break;
        }
    }
    marked.drain(..whole);
    slice
}

/// Evicted documents that were hit since, a job for each of their packs, as long as the index has space for
/// so many vectors. Not at once: a run of this step that was held up may still remove their vectors while
/// its invocation lives.
async fn restore<P: Database + Queue + Meter + Clock + Random>(ports: &P, space: f64) -> Result<usize, Failure> {
    let before = ports.now().plus(-constants::MAX_WRITER_LIFE);
    let wanted = eviction::wanted_back(before, RESTORED_AT_ONCE).all(ports).await?;
    let mut left = space;
    let mut restored = 0;
    for pack in wanted {
        left -= pack.chunks;
        // Those that are left come with the next run.
        if left < 0.0 || ports.asked().queries_left() < QUERIES_OF_RESTORED {
            break;
        }
        embed_again(ports, &pack).await?;
        restored += 1;
    }
    Ok(restored)
}

/// A job whose one item is a batch of this pack, at the embed stage.
async fn embed_again<P: Database + Queue + Clock + Random>(ports: &P, wanted: &WantedPack) -> Result<(), Failure> {
    let now = ports.now();
    let job = JobId::new(now, ports.bytes());
    let chunks = eviction::chunks_to_embed(&wanted.user_id, wanted.pack).first(ports).await?;
    #[expect(clippy::cast_possible_truncation, reason = "a pack holds at most 16,384 chunks")]
    let chunk_count = chunks.map_or(0, |total| total.chunks as i64);
    let item = NewItem { pack: Some(wanted.pack), chunk_count, ..NewItem::queued(Stage::Embed, now) };
    let mut transaction = Transaction::default();
    transaction.query(create::job(NewJob {
        id: &job,
        user: &wanted.user_id,
        kind: JobKind::Restore,
        is_accepted: true,
        items: 1,
        documents: 0,
        rejected: 0,
        key: None,
        now,
    }));
    transaction.write(counters::take_item_numbers(&job, 1));
    transaction.announce(create::items(&job, &[item], now)?);
    // A lost message costs a sweep.
    let _ = ports.send(transaction.commit(ports).await?.messages()?).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use pipeline::{
        ids::DocumentId,
        platform::{ports::VectorRecord, transaction::Write},
        time::MILLISECOND,
    };
    use test_platform::{Fate, InMemory, ready};

    use super::*;

    /// Ten documents of ten vectors each, the first uploaded first and the second hit last.
    fn filled(most: usize) -> InMemory {
        let memory = InMemory::new(1);
        memory.change(
            "WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 9)
             INSERT INTO documents (user_id, id, type, media_type, tags, created_at, uploaded_at, bytes, latest,
                                    latest_item, current, current_item, chunk_count, hit_at)
             SELECT 'user', 'document-' || n, 'doc', '', '[]', 0, n, 0, 1,
                    n, 1, n, 10, CASE n WHEN 1 THEN 99 END FROM n",
        );
        memory.set_limits(&format!(r#"{{"vectors_stored": {most}}}"#));
        memory
    }

    fn evict_now(memory: &InMemory) -> Evicted {
        memory.begin("eviction");
        let (evicted, is_more) = ready(evict(memory, true)).unwrap();
        assert!(!is_more);
        evicted
    }

    fn evicted(memory: &InMemory) -> Vec<String> {
        let rows = memory.look("SELECT id FROM documents WHERE evicted_at IS NOT NULL ORDER BY id");
        rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn above_nine_tenths_what_was_least_useful_lately_goes_until_eight_are_reached() {
        let memory = filled(100);
        let done = evict_now(&memory);
        assert_eq!((done.documents, done.vectors), (2, 20));
        assert_eq!(evicted(&memory), ["document-0", "document-2"]);
        assert!(memory.look("SELECT body FROM alerts")[0]["body"].to_string().contains("index.evicted"));
        assert_eq!(evict_now(&memory), Evicted::default(), "there is space now");
    }

    #[test]
    fn while_there_is_space_nothing_goes() {
        let memory = filled(112);
        assert_eq!(evict_now(&memory), Evicted::default());
        assert!(evicted(&memory).is_empty());
    }

    #[test]
    fn what_is_looked_for_again_is_embedded_again_once_there_is_space() {
        let memory = filled(100);
        let _ = evict_now(&memory);
        memory.advance(MILLISECOND);
        memory.change("UPDATE documents SET hit_at = evicted_at + 1 WHERE id = 'document-2'");
        memory.set_limits(r#"{"vectors_stored": 200}"#);
        assert_eq!(evict_now(&memory).restored, 0, "a run that was held up may still remove it");
        memory.advance(constants::MAX_WRITER_LIFE);
        assert_eq!(evict_now(&memory).restored, 1);
        assert_eq!(memory.receive().unwrap().stage, Stage::Embed);
        assert_eq!(evict_now(&memory).restored, 0, "it is on its way");
    }

    /// A document of so many vectors, all of which are stored.
    fn with_long_document(vectors: usize) -> InMemory {
        let memory = filled(20);
        memory.change("DELETE FROM documents WHERE id <> 'document-0'");
        memory.change("UPDATE documents SET id = 'doc_000000000000000000000001'");
        let count = Write::new("UPDATE documents SET chunk_count = ?1").bind(vectors);
        ready(count.run(&memory)).unwrap();
        let document = DocumentId::parse("doc_000000000000000000000001").unwrap();
        let records: Vec<VectorRecord> = (0..vectors)
            .map(|index| VectorRecord {
                id: vector_id(&document, 1, i64::try_from(index).unwrap()),
                values: vec![1.0],
                metadata: "{}".to_owned(),
            })
            .collect();
        for records in records.chunks(constants::VECTORS_PER_UPSERT) {
            ready(memory.upsert("user", records)).unwrap();
        }
        memory
    }

    #[test]
    fn one_run_removes_a_few_slices_and_the_next_goes_on_where_it_was() {
        let memory = with_long_document(1_050);
        let mut left = vec![memory.vector_ids().len()];
        let mut is_more = true;
        while is_more {
            memory.begin("eviction");
            is_more = ready(evict(&memory, true)).unwrap().1;
            assert!(memory.asked().d1_queries <= QUERIES, "{:?}", memory.asked());
            left.push(memory.vector_ids().len());
        }
        assert_eq!(left, [1_050, 650, 250, 0]);
        assert!(memory.look("SELECT id FROM documents WHERE evicting IS NOT NULL").is_empty());
        assert_eq!(memory.look("SELECT id FROM alerts").len(), 1);
    }

    #[test]
    fn vectors_that_are_not_removed_so_far_are_counted() {
        let memory = with_long_document(1_050);
        memory.begin("eviction");
        ready(evict(&memory, true)).unwrap();
        ready(recount(&memory)).unwrap();
        let counted = ready(counters::stored().first(&memory)).unwrap().unwrap();
        assert!((counted.vectors - 650.0).abs() < 1e-9, "{counted:?}");
    }

    #[test]
    fn a_run_that_is_stopped_anywhere_loses_no_more_than_a_slice() {
        for fate in [Fate::Crashes, Fate::CrashesAfter] {
            // The allowances, the marks, and two calls for each of the slices.
            for last in 1..10 {
                let memory = with_long_document(1_050);
                ready(mark(&memory, 1_050.0, 20.0)).unwrap();
                let mut calls = 0;
                memory.set_fates(move || {
                    calls += 1;
                    if calls == last { fate } else { Fate::Works }
                });
                memory.begin("stopped");
                let _ = ready(evict(&memory, true));
                memory.heal();
                let gone = 1_050 - memory.vector_ids().len();
                let noted = memory.look("SELECT evicting - 1 AS noted FROM documents")[0]["noted"].as_u64().unwrap();
                let noted = usize::try_from(noted).unwrap();
                assert!(
                    noted <= gone && gone - noted <= constants::VECTORS_PER_DELETE,
                    "{fate:?} {last}: {noted} {gone}"
                );
                for _ in 0..3 {
                    memory.begin("next");
                    ready(evict(&memory, true)).unwrap();
                }
                assert!(memory.vector_ids().is_empty(), "{fate:?} {last}");
                assert!(memory.look("SELECT id FROM documents WHERE evicting IS NOT NULL").is_empty());
            }
        }
    }
}
