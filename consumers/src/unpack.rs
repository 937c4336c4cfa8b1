//! Unpack: an upload that lies in R2 as it came, range by range, into packs.
//!
//! In: the only item of a job whose upload was too large to be read at once.
//! Does, per message:
//! 1. reads a range of 144 KB, or of as much as its first document takes ([`unpack::range`](range)); of a compressed
//!    upload it inflates as much ([`unpack::compressed`](compressed));
//! 2. finds the whole documents in it, reads and checks each of them alone, as the gateway does; the last attempt
//!    leaves out a document so long that the others may have died of it;
//! 3. looks which of them are there already, stood further up, or were decided since the upload was accepted: what was
//!    uploaded or deleted after it is newer, however late it is unpacked;
//! 4. takes item numbers of its own and stores packs under them: an attempt that broke off before may have
//!    stored others, and overwrites nothing;
//! 5. commits the packs and their batches, the revisions, what became of each document, and the offset at
//!    which the next range begins, in one fenced transaction; unless any of its documents was decided since step 3:
//!    then nothing happens but that the range is looked at again.
//!
//! Sends on: chunk, for each pack; unpack again until the upload's end, or until where it cannot be read on:
//! what was whole until there stays. Then the upload is removed from R2; if a crash forgets it, the schedule
//! does (`producers/src/schedule/orphans.rs`), together with packs that broken attempts left.

mod compressed;
mod range;
mod read;

use std::collections::HashMap;

use futures_util::future::join_all;
use pipeline::{
    constants,
    failure::Failure,
    ids::{DocumentId, ItemId, JobId},
    job::{
        cursors::{self, UnpackCursor},
        item::{Claim, ItemState, Move, Progress},
        kind::JobKind,
        outcome::Outcome,
        protocol::commit,
        purge::{self, Purge},
    },
    platform::{
        object_keys,
        parameters::JsonRows,
        ports::{Clock, Database, Deployment, ObjectStore, PutIf, Queue, Random, Sha256},
        statement::json,
        transaction::Transaction,
    },
    problem::{Code, Problem},
    store::{
        documents::{
            order::{self, Seen, Standing, Standings},
            superseded,
            upload::{self, Upload},
        },
        jobs::{
            create::{self, NewItem},
            items,
        },
        uploads::{self as rows, Unpacked},
    },
    time::Timestamp,
};
use serde::Serialize;
use uploads::{
    Format, ItemAnswer, Prepared, PreparedDocument,
    pack::{self, Batch},
    packed,
};

use self::range::Range;

/// What became of a document, as it is stored.
#[derive(Debug, Serialize)]
struct Stored<'a> {
    external_id: Option<&'a str>,
    document_id: Option<&'a str>,
    status: &'a str,
    job_id: Option<&'a JobId>,
    pack: Option<ItemId>,
    error: Option<&'a Problem>,
}

/// The documents of a range, and the packs that those take which are to be indexed.
struct Plan {
    answers: Vec<ItemAnswer>,
    documents: Vec<PreparedDocument>,
    /// The place of each document among the answers.
    places: Vec<usize>,
    /// What was known of all of them that can be indexed.
    seen: Vec<Seen>,
    /// Those that are there with the same content, and their fingerprints.
    same: Vec<(DocumentId, String)>,
    /// Those that may yield to what is on its way.
    yielding: Vec<DocumentId>,
    batches: Vec<Batch>,
    items: Vec<NewItem>,
}

impl Plan {
    /// Documents that came to this.
    fn count(&self, status: &str) -> usize {
        self.answers.iter().filter(|answer| answer.status == status).count()
    }
}

/// Runs the stage. See the module for its steps.
pub async fn unpack<P>(ports: &P, claim: &Claim) -> Result<Outcome, Failure>
where
    P: Database + ObjectStore + Queue + Sha256 + Deployment + Clock + Random,
{
    let cursor = cursors::read::<UnpackCursor>(claim)?.ok_or_else(|| Failure::bug("an upload without a cursor"))?;
    let format = Format::of(&cursor.media_type).map_err(|problem| Failure::bug(problem.detail))?;
    let key = object_keys::upload(&claim.user, &claim.job);
    let Some(mut range) = read::read(ports, &key, &format, &cursor).await? else {
        return Err(Failure::input("the upload is not kept any more; send it again"));
    };
    let first = usize::try_from(cursor.documents).unwrap_or(usize::MAX);
    let mut items = range.items(&format, first, claim.attempts >= constants::ATTEMPTS).await;
    if !cursor.allow_secrets {
        uploads::withhold(&mut items);
    }
    let plan = plan(ports, claim, items, first).await?;
    range.hold_to_limits(plan.answers.len(), plan.count("rejected"));
    let numbers = match plan.items.len() {
        0 => None,
        count => match take_numbers(ports, claim, count).await? {
            // The claim was lost: another worker is at it.
            None => return Ok(Outcome::Done),
            numbers => numbers,
        },
    };
    let packs = numbers.map_or_else(Vec::new, |first| packed::pack_numbers(&plan.items, ItemId(claim.item.0 + first)));
    store_packs(ports, claim, &plan, &packs).await?;
    if commit_range(ports, claim, &range, &plan, numbers, &packs).await? && range.is_last() {
        // The job is committed: what is not removed here is removed by the schedule.
        let _ = ports.delete(&[key]).await;
    }
    Ok(Outcome::Done)
}

/// Steps 2 and 3: nothing is written so far.
async fn plan<P>(ports: &P, claim: &Claim, items: Vec<uploads::Item>, first: usize) -> Result<Plan, Failure>
where
    P: Database + Sha256 + Deployment + Clock,
{
    let Prepared { mut answers, documents } = uploads::prepare(ports, &claim.user, items, first).await?;
    let mut known = standings(ports, claim, &documents).await?;
    let (mut kept, mut places, mut seen, mut same) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut yielding = Vec::new();
    for (place, prepared) in documents {
        let known = known.remove(&prepared.id);
        seen.push(Seen(prepared.id.clone(), known.as_ref().map(|known| known.decided)));
        if known.as_ref().is_some_and(may_yield) {
            yielding.push(prepared.id.clone());
        }
        match known.map(|known| (known.standing, known.job_id)) {
            Some((Standing::Repeated, _)) => {
                let pointer = format!("{}/external_id", prepared.pointer);
                let detail = uploads::named_twice_in_upload(answers[place].external_id.as_deref());
                answers[place].reject(Problem::field(Code::Duplicate, pointer, detail));
            }
            Some((Standing::Superseded, _)) => answers[place].supersede(),
            Some((Standing::Known, job)) => {
                answers[place].know(job);
                same.push((prepared.id, prepared.fingerprint));
            }
            Some((Standing::Older, _)) | None => {
                kept.push(prepared);
                places.push(place);
            }
        }
    }
    let sizes: Vec<usize> = kept.iter().map(|prepared| prepared.document.content.len()).collect();
    let batches = pack::plan(&sizes, &ports.plan().units());
    let items = packed::new_items(&kept, &batches, (ItemState::Queued, ItemState::Waiting), ports.now());
    Ok(Plan { answers, documents: kept, places, seen, same, yielding, batches, items })
}

/// True for what is left to another upload, which may still be cancelled. What is published costs nothing.
fn may_yield(known: &Standings) -> bool {
    match known.standing {
        Standing::Superseded => true,
        Standing::Known => known.job_id.is_some(),
        Standing::Repeated | Standing::Older => false,
    }
}

/// How those documents stand that have a row already.
async fn standings<P: Database>(
    ports: &P,
    claim: &Claim,
    documents: &[(usize, PreparedDocument)],
) -> Result<HashMap<DocumentId, Standings>, Failure> {
    if documents.is_empty() {
        return Ok(HashMap::new());
    }
    let wanted: Vec<_> = documents.iter().map(|(_, prepared)| (&prepared.id, prepared.fingerprint.as_str())).collect();
    let mut known = order::standings(claim, &wanted)?.all(ports).await?;
    let changed = known.iter().filter(|known| known.standing == Standing::Older).map(|known| &known.id);
    let changed: Vec<&DocumentId> = changed.collect();
    if !changed.is_empty() {
        let above = rows::left_as_they_are(claim, &changed)?.all(ports).await?;
        for known in known.iter_mut().filter(|known| above.iter().any(|above| above.id == known.id)) {
            known.standing = Standing::Repeated;
        }
    }
    Ok(known.into_iter().map(|known| (known.id.clone(), known)).collect())
}

/// Step 4, first half. `None` if the claim was lost.
async fn take_numbers<P: Database>(ports: &P, claim: &Claim, count: usize) -> Result<Option<i64>, Failure> {
    let Some(numbers) = rows::take_numbers(claim, count).first(ports).await? else { return Ok(None) };
    let last = numbers.first + i64::try_from(count).unwrap_or(i64::MAX);
    if last > numbers.end {
        return Err(Failure::bug("the upload takes more items than its job has numbers"));
    }
    Ok(Some(numbers.first))
}

/// Step 4, second half: no other attempt writes under these numbers.
async fn store_packs<P: ObjectStore>(ports: &P, claim: &Claim, plan: &Plan, packs: &[ItemId]) -> Result<(), Failure> {
    let puts = packs.iter().zip(plan.batches.iter().flatten()).map(|(number, pack)| {
        let key = object_keys::pack(&claim.user, *number);
        let bytes = packed::bytes(&plan.documents, pack);
        async move { ports.put(&key, bytes, PutIf::Always).await }
    });
    for stored in join_all(puts).await {
        stored?;
    }
    Ok(())
}

/// Step 5; false if the claim was lost, or given back.
async fn commit_range<P>(
    ports: &P,
    claim: &Claim,
    range: &Range,
    plan: &Plan,
    numbers: Option<i64>,
    packs: &[ItemId],
) -> Result<bool, Failure>
where
    P: Database + Queue + Clock + Random,
{
    let now = ports.now();
    let mut work = Transaction::default();
    hold_to(&mut work, claim, plan, now)?;
    record(&mut work, claim, range, plan, numbers, packs)?;
    if let Some(first) = numbers {
        bring(ports, &mut work, claim, plan, packs, now)?;
        work.announce(create::more_items(claim, ItemId(claim.item.0 + first), &plan.items, now)?);
    }
    let next = if range.is_last() {
        Move::Finish
    } else {
        Move::Continue(json(&range.next(plan.answers.len(), plan.count("rejected")))?)
    };
    commit(ports, claim, work, &Progress::default(), next).await
}

/// What was planned for holds in the transaction, or nothing of it happens; and what is there already with the same
/// content was uploaded once more by this upload. What yields to something unpublished is noted, since a cancel of that
/// loses both.
fn hold_to(work: &mut Transaction, claim: &Claim, plan: &Plan, now: Timestamp) -> Result<(), Failure> {
    if !plan.seen.is_empty() {
        work.announce(items::plan_again(claim, &plan.seen, now)?);
    }
    if !plan.same.is_empty() {
        let same: Vec<_> = plan.same.iter().map(|(id, fingerprint)| (id, fingerprint.as_str())).collect();
        work.write(order::confirm(&claim.user, &same, Some(claim))?);
    }
    if !plan.yielding.is_empty() {
        work.write(order::note_yielded(claim, &plan.yielding)?);
    }
    Ok(())
}

/// What became of the range's documents.
fn record(
    work: &mut Transaction,
    claim: &Claim,
    range: &Range,
    plan: &Plan,
    numbers: Option<i64>,
    packs: &[ItemId],
) -> Result<(), Failure> {
    let mut pack_of = vec![None; plan.answers.len()];
    for (pack, place) in packed::places(&plan.batches, packs) {
        if let Some(answer) = plan.places.get(place) {
            pack_of[*answer] = Some(pack);
        }
    }
    let results: Vec<Stored<'_>> =
        plan.answers.iter().zip(pack_of).map(|(answer, pack)| stored(answer, pack)).collect();
    let broken = range.broken(plan.answers.len()).map(|broken| json(&broken)).transpose()?;
    let unpacked = Unpacked {
        first: range.first(),
        results: &JsonRows::of(&results)?,
        read: range.end(),
        queued: plan.count("queued"),
        duplicates: plan.count("duplicate") + plan.count("in_progress"),
        superseded: plan.count("superseded"),
        rejected: plan.count("rejected"),
        broken: broken.as_deref(),
        numbers,
    };
    for write in rows::record(claim, unpacked) {
        work.write(write);
    }
    work.write(items::add_documents(claim, plan.count("queued")));
    Ok(())
}

fn stored(answer: &ItemAnswer, pack: Option<ItemId>) -> Stored<'_> {
    Stored {
        external_id: answer.external_id.as_deref(),
        document_id: answer.document_id.as_ref().map(DocumentId::as_str),
        status: answer.status,
        job_id: answer.job_id.as_ref(),
        pack,
        error: answer.error.as_ref(),
    }
}

/// The revisions of the documents that are to be indexed; those they supersede are purged.
fn bring<P: Random>(
    ports: &P,
    work: &mut Transaction,
    claim: &Claim,
    plan: &Plan,
    packs: &[ItemId],
    now: Timestamp,
) -> Result<(), Failure> {
    let revisions = packed::revisions(&plan.documents, &plan.batches, packs, now);
    let upload = Upload::unpacked(claim, &revisions, now)?;
    work.write_all(superseded::by_upload(&upload));
    let purge_job = JobId::new(now, ports.bytes());
    purge::schedule(work, Purge { job: &purge_job, user: &claim.user, kind: JobKind::Purge, due: now, now })?;
    work.write_all(upload::take_revisions(&upload));
    Ok(())
}

#[cfg(test)]
mod tests {
    use pipeline::{constants::RANGE_BYTES, job::message::Stage};
    use test_platform::ready;

    use super::*;
    use crate::fixture::Index;

    const LINES: &str = "application/x-ndjson";
    const QUEUED: &str = "SELECT queued FROM uploads";
    const DOCUMENTS: &str = "SELECT count(*) AS n FROM documents";

    fn line(name: &str) -> String {
        format!("{{\"external_id\":\"{name}\",\"content\":\"ships sail\"}}\n")
    }

    #[test]
    fn documents_of_an_upload_become_a_pack_that_is_chunked_next() {
        let index = Index::new();
        let item = index.stream(LINES, (line("a.md") + &line("b.md")).as_bytes());
        assert_eq!(index.consume(Stage::Unpack, item).outcome, Outcome::Done);
        assert_eq!((index.number(QUEUED), index.number(DOCUMENTS)), (2, 2));
        assert_eq!(index.sent(), [Stage::Chunk]);
        // The upload is gone; what is left is the pack.
        let pack = index.number("SELECT id FROM job_items WHERE stage = 'chunk'");
        assert_eq!(index.memory.object_keys(), [object_keys::pack(&index.user, ItemId(pack))]);
        // The message comes again: there is nothing left to do.
        assert_eq!(index.consume(Stage::Unpack, item).outcome, Outcome::Done);
        assert_eq!((index.number(QUEUED), index.sent().len()), (2, 0));
    }

    #[test]
    fn a_long_upload_is_unpacked_range_by_range() {
        let index = Index::new();
        let nothing = "\n".repeat(usize::try_from(RANGE_BYTES).unwrap());
        let item = index.stream(LINES, (line("a.md") + &nothing + &line("b.md")).as_bytes());
        index.consume(Stage::Unpack, item);
        assert_eq!((index.number(QUEUED), index.sent()), (1, vec![Stage::Chunk, Stage::Unpack]));
        index.consume(Stage::Unpack, item);
        assert_eq!((index.number(QUEUED), index.sent()), (2, vec![Stage::Chunk]));
        assert_eq!(index.number("SELECT read = bytes FROM uploads"), 1);
    }

    #[test]
    fn a_compressed_upload_is_unpacked_as_what_it_unfolds_to() {
        // Two lines, as gzip writes them.
        const COMPRESSED: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xabVJ\xad(I-\xcaK\xcc\x89\xcfLQ\xb2RJ\
            \xd4\xcbMQ\xd2QJ\xce\xcf+I\xcd+\x01\n\x14gd\x16\x14+\x14'f\xe6(\xd5rU\xa3\xa9NBW]R\x94\x98\x99W\xacPT\
            \x9a\x07T\r\x00c;s\x19\\\x00\x00\x00";
        let index = Index::new();
        let item = index.stream(LINES, COMPRESSED);
        assert_eq!(index.consume(Stage::Unpack, item).outcome, Outcome::Done);
        assert_eq!((index.number(QUEUED), index.number(DOCUMENTS)), (2, 2));
        // Of a damaged one what is whole stays, and its owner is told where the damage is.
        let damaged = index.stream(LINES, &COMPRESSED[..COMPRESSED.len() - 12]);
        for _ in 0..2 {
            assert_eq!(index.consume(Stage::Unpack, damaged).outcome, Outcome::Done);
        }
        assert_eq!(index.number("SELECT duplicates FROM uploads WHERE broken IS NOT NULL"), 1);
    }

    #[test]
    fn what_is_no_document_is_rejected_alone() {
        let index = Index::new();
        let item = index.stream(LINES, (line("a.md") + "{\"content\":7}\n" + &line("b.md")).as_bytes());
        assert_eq!(index.consume(Stage::Unpack, item).outcome, Outcome::Done);
        assert_eq!((index.number(QUEUED), index.number("SELECT rejected FROM uploads")), (2, 1));
    }

    #[test]
    fn what_was_uploaded_since_is_left_as_it_is() {
        let index = Index::new();
        let item = index.stream(LINES, line("a.md").as_bytes());
        index.publish(index.upload(&[("a.md", "ships sink")]));
        index.consume(Stage::Unpack, item);
        assert_eq!((index.number(QUEUED), index.number("SELECT superseded FROM uploads")), (0, 1));
        assert_eq!(index.number("SELECT latest FROM documents"), 1);
    }

    #[test]
    fn an_upload_that_is_gone_is_given_up_and_its_owner_told() {
        let index = Index::new();
        let item = index.stream(LINES, line("a.md").as_bytes());
        index.lose_objects("uploads/");
        let why = "the upload is not kept any more; send it again".to_owned();
        assert_eq!(index.consume(Stage::Unpack, item).outcome, Outcome::Dead { why });
        assert_eq!(index.number("SELECT count(*) AS n FROM dead_letters WHERE stage = 'unpack'"), 1);
    }

    #[test]
    fn a_lost_claim_brings_nothing_and_leaves_the_upload() {
        let index = Index::new();
        let item = index.stream(LINES, line("a.md").as_bytes());
        let (late, now) = index.take_over(Stage::Unpack, item);
        assert_eq!(ready(unpack(&index.memory, &late)).unwrap(), Outcome::Done);
        assert_eq!((index.number(DOCUMENTS), index.memory.object_keys().len()), (0, 1));
        assert_eq!(ready(unpack(&index.memory, &now)).unwrap(), Outcome::Done);
        assert_eq!(index.number(DOCUMENTS), 1);
    }
}
