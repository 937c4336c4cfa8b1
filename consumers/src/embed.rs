//! Embed: a batch's chunks into vectors, which wait in R2 for the upsert stage.
//!
//! In: a batch (job item) whose packs are all chunked.
//! Does, per message:
//! 1. reads the next chunks of the batch that are still wanted, no more than a message can embed;
//! 2. takes the vectors that were made of the same texts before ([`kept`]), and cuts the other chunks into windows the
//!    model can read whole, as many as the day's neurons allow;
//! 3. reserves the neurons, calls the model, and pools the windows' vectors;
//! 4. puts the vectors into R2, keeps those that may come back, and beside its chunk those of the windows where it has
//!    several, and moves the item on.
//!
//! Sends on: embed again while chunks are left, then upsert.

mod embedded_chunk;
mod kept;

use pipeline::{
    budget::{allowances::Allowances, ledger, purpose::Purpose},
    failure::Failure,
    ids::{ChunkRow, ClaimToken},
    job::{
        cursors::{self, EmbedCursor, UpsertCursor},
        item::{Claim, Move, Progress},
        message::Stage,
        outcome::Outcome,
        protocol::complete,
    },
    model::EMBEDDING,
    platform::{
        object_keys,
        ports::{Clock, Database, Deployment, Embedder, KeyValue, Meter, ObjectStore, PutIf, Queue},
        statement::json,
        transaction::Transaction,
    },
    store::{
        self,
        chunks::{read::ChunkToEmbed, write::ChunkWindows},
    },
    vectors,
};

use self::{embedded_chunk::EmbeddedChunk, kept::Kept};
use retrieval::windows::{self, Payer, Window};

/// Runs the stage. See the module for its steps.
pub async fn embed<P>(ports: &P, claim: &Claim) -> Result<Outcome, Failure>
where
    P: Database + ObjectStore + KeyValue + Queue + Embedder + Deployment + Meter + Clock,
{
    let packs = claim.packs.ok_or_else(|| Failure::bug("a batch without packs"))?;
    let start = EmbedCursor { next: ChunkRow::first(packs.0), slices: Vec::new() };
    let cursor = cursors::read(claim)?.unwrap_or(start);
    // Each chunk has a window at least. One more says whether another message is needed.
    let most = ports.plan().units().windows;
    let chunks = store::chunks::read::to_embed(claim, packs, cursor.next, most + 1).all(ports).await?;
    if chunks.is_empty() {
        // Nothing was wanted, or nothing any more since the last message.
        let next = if cursor.slices.is_empty() { Move::Finish } else { to_upsert(cursor.slices)? };
        return complete(ports, claim, Transaction::default(), &Progress::default(), next).await;
    }
    let kept = Kept::find(ports, claim, &chunks).await?;
    let mut plan = plan(&chunks, most, &kept);
    let allowances = Allowances::load(ports).await.allowances;
    let left = allowances.ingest_neurons() - claim.day.ingest_neurons;
    // One message never needs more than a user's share, or it would wait for ever.
    cut_to_neurons(&mut plan, left.min(allowances.user_neurons()));
    let embedded = run_model(ports, claim, &chunks, &plan, &kept).await?;
    let last = embedded.last().map_or(cursor.next, |chunk| chunk.id);
    // The upsert stage reads only slices of claims that were completed; the schedule removes others.
    let key = object_keys::vectors(&claim.user, claim.item, &claim.token);
    let pooled: Vec<(ChunkRow, Vec<f32>)> = embedded.iter().map(|chunk| (chunk.id, chunk.vector.clone())).collect();
    ports.put(&key, vectors::encode(EMBEDDING.dimensions, &pooled), PutIf::Always).await?;
    let more = embedded.len() < chunks.len();
    let slices = [cursor.slices, vec![claim.token.clone()]].concat();
    let next = if more {
        Move::Continue(json(&EmbedCursor { next: ChunkRow(last.0 + 1), slices })?)
    } else {
        to_upsert(slices)?
    };
    let passed = i64::try_from(embedded.len()).unwrap_or(0);
    let progress = Progress { chunks_passed: passed, ..Progress::default() };
    let mut work = Transaction::default();
    work.write_all(kept.keep(claim, &chunks, &embedded, ports.now())?);
    let windows: Vec<ChunkWindows> = embedded.iter().filter_map(EmbeddedChunk::windows).collect();
    if !windows.is_empty() {
        work.write(store::chunks::write::keep_windows(claim, &windows)?);
    }
    complete(ports, claim, work, &progress, next).await
}

fn to_upsert(slices: Vec<ClaimToken>) -> Result<Move, Failure> {
    Ok(Move::To(Stage::Upsert, json(&UpsertCursor { slice: 0, slices })?))
}

/// The windows, at most so many, of as many chunks as one message embeds; at least one chunk. One whose vector is kept
/// has none.
fn plan(chunks: &[ChunkToEmbed], most: usize, kept: &Kept) -> Vec<Vec<Window>> {
    let mut plan = Vec::new();
    let mut total = 0;
    for chunk in chunks.iter().take(most) {
        if kept.chunk(chunk.id).is_some() {
            plan.push(Vec::new());
            continue;
        }
        let windows = windows::windows(&EMBEDDING, chunk.title.as_deref().unwrap_or_default(), &chunk.text);
        total += windows.len();
        if total > most && !plan.is_empty() {
            break;
        }
        plan.push(windows);
    }
    plan
}

/// What a model that reads these windows costs.
fn neurons<'a>(windows: impl Iterator<Item = &'a Window>) -> f64 {
    let pieces: usize = windows.map(|window| window.pieces).sum();
    EMBEDDING.neurons(pieces as u64)
}

/// Shortens a plan to what the rest of the day's neurons pays for, to one chunk at least: the last
/// neurons of a day are used too, and a message never needs more than a small allowance holds.
fn cut_to_neurons(plan: &mut Vec<Vec<Window>>, left: f64) {
    let mut total = 0.0;
    let fits = plan.iter().take_while(|windows| {
        total += neurons(windows.iter());
        total <= left
    });
    let fits = fits.count().max(1);
    plan.truncate(fits);
}

/// Embeds the planned windows and pools them, one vector per chunk. Where all are kept, no model is asked.
async fn run_model<P>(
    ports: &P,
    claim: &Claim,
    chunks: &[ChunkToEmbed],
    plan: &[Vec<Window>],
    kept: &Kept,
) -> Result<Vec<EmbeddedChunk>, Failure>
where
    P: Embedder + Database + KeyValue + Deployment + Meter + Clock,
{
    let windows: Vec<&Window> = plan.iter().flatten().collect();
    let mut vectors = Vec::new();
    if !windows.is_empty() {
        ledger::reserve(ports, Purpose::Ingest, &claim.user, neurons(windows.iter().copied())).await?;
        let payer = Payer { purpose: Purpose::Ingest, user: &claim.user };
        // Billed again if what follows fails: the work of at most one message.
        vectors = windows::embed(ports, &windows, payer).await?;
    }
    let mut rest = vectors.as_slice();
    Ok(chunks
        .iter()
        .zip(plan)
        .map(|(chunk, windows)| {
            if let Some(kept) = kept.chunk(chunk.id) {
                return kept.clone();
            }
            let (own, others) = rest.split_at(windows.len().min(rest.len()));
            rest = others;
            let pieces: Vec<usize> = windows.iter().map(|window| window.pieces).collect();
            EmbeddedChunk::of(chunk.id, &chunk.text, own, &pieces)
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Index;
    use pipeline::{
        constants,
        ids::{ItemId, UserId},
        platform::ports::Random as _,
    };
    use test_platform::{Fate, InMemory, ready};

    /// Rows that the first embed message of so many documents of a chunk reads, and the vectors it makes.
    fn first_message(documents: usize) -> (u64, usize) {
        let index = Index::new();
        let names: Vec<String> = (0..documents).map(|number| format!("{number}.md")).collect();
        let documents: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "ships sail")).collect();
        let pack = index.upload(&documents);
        index.consume(Stage::Chunk, pack);
        index.memory.begin("the first embed message");
        index.consume(Stage::Embed, ItemId(pack.0 + 1));
        (index.memory.usage().d1_rows_read, index.memory.embedded())
    }

    #[test]
    fn a_message_reads_no_more_chunks_than_it_can_embed() {
        let few = first_message(constants::WINDOWS_PER_MESSAGE + 1);
        assert_eq!(few.1, constants::WINDOWS_PER_MESSAGE);
        assert_eq!(first_message(3 * constants::WINDOWS_PER_MESSAGE), few);
    }

    /// The mean of its windows is what Vectorize has; a search compares the best hits by the windows themselves.
    #[test]
    fn a_chunk_of_several_windows_has_their_vectors_beside_it() {
        let index = Index::new();
        let long = "Ships sail in autumn, and whales sing in the deep. ".repeat(60);
        index.publish(index.upload(&[("long.md", &long), ("short.md", "ships sail")]));
        let windows = index.memory.look(
            "SELECT d.external_id AS name, c.windows FROM chunks c JOIN documents d ON d.id = c.document_id
             ORDER BY c.id",
        );
        let of = |name: &str| -> Vec<Option<usize>> {
            let rows = windows.iter().filter(|row| row["name"] == name);
            rows.map(|row| row["windows"].as_str().map(str::len)).collect()
        };
        assert_eq!(of("short.md"), [None]);
        assert!(of("long.md").contains(&Some(2 * EMBEDDING.dimensions)), "{:?}", of("long.md"));
    }

    #[test]
    fn chunks_that_just_fill_a_message_need_no_second_one() {
        let index = Index::new();
        let names: Vec<String> = (0..constants::WINDOWS_PER_MESSAGE).map(|number| format!("{number}.md")).collect();
        let documents: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "ships sail")).collect();
        index.embed(index.upload(&documents));
        assert_eq!(index.number("SELECT count(*) FROM job_items WHERE stage = 'upsert'"), 1);
    }

    #[test]
    fn a_call_of_many_long_texts_that_fails_is_made_again_with_half_of_them() {
        let memory = InMemory::default();
        memory.set_longest_call(30 * 1_000);
        let windows: Vec<Window> = (0..130).map(|_| Window { text: "x".repeat(1_000), pieces: 250 }).collect();
        let windows: Vec<&Window> = windows.iter().collect();
        let user = UserId::new(memory.now(), memory.bytes());
        let payer = Payer { purpose: Purpose::Ingest, user: &user };
        let vectors = ready(windows::embed(&memory, &windows, payer)).unwrap();
        assert_eq!((vectors.len(), memory.embedded()), (130, 130));
        memory.set_longest_call(1_000);
        assert!(ready(windows::embed(&memory, &windows, payer)).is_err(), "a model that is out is not asked for ever");
    }

    #[test]
    fn a_call_whose_answer_is_lost_and_that_is_made_again_is_paid_for_twice() {
        let memory = InMemory::default();
        let user = UserId::new(memory.now(), memory.bytes());
        let windows: Vec<Window> = (0..40).map(|_| Window { text: "x".repeat(1_000), pieces: 250 }).collect();
        let windows: Vec<&Window> = windows.iter().collect();
        ready(ledger::reserve(&memory, Purpose::Ingest, &user, neurons(windows.iter().copied()))).unwrap();
        let mut calls = 0;
        memory.set_fates(move || {
            calls += 1;
            if calls == 1 { Fate::AnswerLost } else { Fate::Works }
        });
        let payer = Payer { purpose: Purpose::Ingest, user: &user };
        assert_eq!(ready(windows::embed(&memory, &windows, payer)).unwrap().len(), 40);
        let reserved = memory.look("SELECT total(neurons) AS neurons FROM reservations")[0]["neurons"].clone();
        assert!(reserved.as_f64().unwrap() + 1e-9 >= memory.billed_after_reserving(), "{reserved}");
    }

    #[test]
    fn a_plan_is_cut_to_the_neurons_that_are_left() {
        let window = |pieces| Window { text: String::new(), pieces };
        let plan = || vec![vec![window(512), window(88)], vec![window(400)], vec![window(500)]];
        let left = |neurons| {
            let mut plan = plan();
            cut_to_neurons(&mut plan, neurons);
            plan.len()
        };
        assert_eq!(left(100.0), 3);
        // 600 and 400 pieces of 1,841 neurons a million.
        assert_eq!(left(1.85), 2);
        assert_eq!(left(1.84), 1);
        // One chunk is always tried: reserving it decides.
        assert_eq!(left(-5.0), 1);
    }
}
