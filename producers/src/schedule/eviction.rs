//! Evict: when the vector index is nearly full, what was least useful lately gives its vectors up, and
//! gets them back when it is looked for again.
//!
//! 1. Vectors are counted: once a night, and whenever the day's upserts could have filled the index.
//! 2. Above 90 % documents are evicted, least recently hit first, until 80 % are reached: marked, then
//!    their vectors removed, then unmarked, so that a crash in between is seen and finished. They stay
//!    documents, found by keyword, and an alert says so.
//! 3. An evicted document that was hit since gets a job that embeds it again, as long as there is space.

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
        documents::eviction::{self, WantedPack},
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
/// Documents evicted at most by one run; the next goes on.
const AT_ONCE: i64 = 500;
/// Packs whose documents are embedded again at most by one run.
const RESTORED_AT_ONCE: i64 = 20;

/// D1 queries that a pack on its way back takes.
const QUERIES_OF_RESTORED: u64 = 4;

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

/// Runs once; `count` makes it count the vectors whatever it knows.
pub async fn evict<P>(ports: &P, count: bool) -> Result<Evicted, Failure>
where
    P: Database + KeyValue + Queue + VectorIndex + Deployment + Meter + Clock + Random,
{
    let most = Allowances::load(ports).await.allowances.vectors_stored;
    let mut evicted = Evicted::default();
    // What an earlier run left half done.
    finish(ports, &mut evicted).await?;
    let mut stored = known(ports).await?;
    if count || stored > EVICT_TO * most {
        stored = recount(ports).await?;
    }
    if stored > FULL * most {
        mark(ports, stored - EVICT_TO * most).await?;
        finish(ports, &mut evicted).await?;
        recount(ports).await?;
        announce(ports, stored, most, evicted).await?;
    } else {
        evicted.restored = restore(ports, FULL * most - stored).await?;
    }
    Ok(evicted)
}

/// Vectors as last counted, and all that were upserted today: no fewer than there are.
async fn known<P: Database + Clock>(ports: &P) -> Result<f64, Failure> {
    let mut transaction = Transaction::default();
    let counted = transaction.query(counters::stored_vectors());
    let today = transaction.query(sums::totals(ports.now().start_of_day()));
    let done = transaction.commit(ports).await?;
    let counted = done.first(counted)?.map_or(0.0, |row| row.value);
    let today = done.first(today)?.unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "vectors of a day are far below 2^52")]
    let upserted = today.usage.vectors_upserted as f64;
    Ok(counted + upserted)
}

async fn recount<P: Database>(ports: &P) -> Result<f64, Failure> {
    Ok(counters::count_stored_vectors().first(ports).await?.map_or(0.0, |row| row.value))
}

/// Marks the least recently useful documents whose vectors together are the surplus.
async fn mark<P: Database + Clock>(ports: &P, surplus: f64) -> Result<(), Failure> {
    eviction::mark(surplus, AT_ONCE, ports.now()).run(ports).await.map(drop)
}

/// Removes the vectors of what is marked. Idempotent: ids that are gone are no error.
async fn finish<P: Database + VectorIndex>(ports: &P, evicted: &mut Evicted) -> Result<(), Failure> {
    let marked = eviction::marked().all(ports).await?;
    if marked.is_empty() {
        return Ok(());
    }
    let ids: Vec<String> = marked
        .iter()
        .flat_map(|document| (0..document.chunk_count).map(|index| vector_id(&document.id, document.current, index)))
        .collect();
    for ids in ids.chunks(constants::VECTORS_PER_DELETE) {
        ports.remove(ids).await?;
    }
    eviction::unmark(&marked)?.run(ports).await?;
    evicted.documents += marked.len();
    evicted.vectors += ids.len();
    Ok(())
}

/// Never silently.
async fn announce<P: Database + Deployment + Clock>(
    ports: &P,
    stored: f64,
    most: f64,
    evicted: Evicted,
) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Data {
        stored: f64,
        allowance: f64,
        documents: usize,
        vectors: usize,
    }
    let now = ports.now();
    let data = Data { stored, allowance: most, documents: evicted.documents, vectors: evicted.vectors };
    let id = format!("{}-vectors-evicted", now.to_rfc3339());
    alerts::raise(ports, &[alerts::alert(id, "index.evicted", data, now)?], now)?.run(ports).await.map(drop)
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
    use pipeline::time::MILLISECOND;
    use test_platform::{InMemory, ready};

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

    fn evicted(memory: &InMemory) -> Vec<String> {
        let rows = memory.look("SELECT id FROM documents WHERE evicted_at IS NOT NULL ORDER BY id");
        rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn above_nine_tenths_what_was_least_useful_lately_goes_until_eight_are_reached() {
        let memory = filled(100);
        let done = ready(evict(&memory, true)).unwrap();
        assert_eq!((done.documents, done.vectors), (2, 20));
        assert_eq!(evicted(&memory), ["document-0", "document-2"]);
        assert!(memory.look("SELECT body FROM alerts")[0]["body"].to_string().contains("index.evicted"));
        assert_eq!(ready(evict(&memory, true)).unwrap(), Evicted::default(), "there is space now");
    }

    #[test]
    fn while_there_is_space_nothing_goes() {
        let memory = filled(112);
        assert_eq!(ready(evict(&memory, true)).unwrap(), Evicted::default());
        assert!(evicted(&memory).is_empty());
    }

    #[test]
    fn what_is_looked_for_again_is_embedded_again_once_there_is_space() {
        let memory = filled(100);
        ready(evict(&memory, true)).unwrap();
        memory.advance(MILLISECOND);
        memory.change("UPDATE documents SET hit_at = evicted_at + 1 WHERE id = 'document-2'");
        memory.set_limits(r#"{"vectors_stored": 200}"#);
        assert_eq!(ready(evict(&memory, true)).unwrap().restored, 0, "a run that was held up may still remove it");
        memory.advance(constants::MAX_WRITER_LIFE);
        assert_eq!(ready(evict(&memory, true)).unwrap().restored, 1);
        assert_eq!(memory.receive().unwrap().stage, Stage::Embed);
        assert_eq!(ready(evict(&memory, true)).unwrap().restored, 0, "it is on its way");
    }
}
