//! Stages of the pipeline, each with the largest message that it is sent.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use pipeline::constants;
use serde_json::json;

use super::{
    harness::{Bench, WARM_UPS, Worker},
    operations::{HISTORY_BYTES, begin, body_of, completion},
    seed,
    texts::{Kind, Source},
};
use crate::Error;

/// Documents of one upload whose revisions one message removes.
const REVISIONS: usize = 50;
/// Dead letters of one invocation: as many as `max_batch_size` in `wrangler.consumers.toml`.
const DEAD_LETTERS: usize = 4;

/// Uploads that were too large to be read at once: a range of documents, and a document as large as any may be.
pub(super) fn unpack(bench: &mut Bench) -> Result<(), Error> {
    let source = Source::of(Kind::Prose)?;
    let range = usize::try_from(constants::RANGE_BYTES)?;
    let longest = constants::DOCUMENT_BYTES - 64;
    // What stands before the first document that is longer than a range takes a message of its own.
    for (unit, bytes, count, before) in [
        ("a range of 144 KB, documents of 24 KB", constants::PACK_BYTES - 64, 2 * range / constants::PACK_BYTES, 0),
        ("a range of 100 documents of 1 KB", 1_000, 2 * range / 1_000, 0),
        ("a document of 4 MB", longest, 1, 1),
    ] {
        bench.row("stage unpack", unit, |bench, number| {
            let documents: Vec<_> = (0..count).map(|place| source.document(number * count + place, bytes)).collect();
            let job = bench.upload(&documents)?;
            (0..before).try_for_each(|_| bench.message("unpack").map(drop))?;
            let cpu = bench.message("unpack")?;
            bench.cancel(&job)?;
            Ok(cpu)
        })?;
    }
    unpack_folders(bench)
}

/// Ranges of large uploads of source code; the second of each, which begins where the first ended.
fn unpack_folders(bench: &mut Bench) -> Result<(), Error> {
    let range = constants::RANGE_BYTES / 1024;
    let small = vec![4 * 1024; 400];
    // A range is read to the file that it does not hold, which is the next one's.
    let longest = [vec![200 * 1024], vec![constants::DOCUMENT_BYTES - 64]].concat();
    for (media_type, unit, sizes) in [
        ("application/x-tar", format!("{range} KB of a folder, files of 4 KB"), &small),
        ("application/gzip", format!("{range} KB of a compressed folder, files of 4 KB"), &small),
        ("application/gzip", "a file of 4 MB in a compressed folder".to_owned(), &longest),
    ] {
        bench.row("stage unpack", &unit, |bench, number| {
            let body = folder(number, sizes, media_type == "application/gzip")?;
            let answer = bench.client.send("POST", "/api/index", &[("content-type", media_type)], &body)?.success()?;
            bench.message("unpack")?;
            let cpu = bench.message("unpack")?;
            bench.cancel(answer["job_id"].as_str().ok_or("nothing was queued")?)?;
            Ok(cpu)
        })?;
    }
    bench.drain_all()
}

/// A folder of source code, files of these sizes, that is streamed also when it is compressed.
fn folder(number: usize, sizes: &[usize], is_compressed: bool) -> Result<Vec<u8>, Error> {
    let source = Source::of(Kind::Code)?;
    let mut archive = tar::Builder::new(Vec::new());
    for (file, size) in sizes.iter().enumerate() {
        let (name, content) = source.document(number * sizes.len() + file, *size);
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, name, content.as_bytes())?;
    }
    let archive = archive.into_inner()?;
    if !is_compressed {
        return Ok(archive);
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&archive)?;
    Ok(encoder.finish()?)
}

/// A pack that is full, of every kind of text.
pub(super) fn chunk(bench: &mut Bench) -> Result<(), Error> {
    Kind::ALL.into_iter().try_for_each(|kind| chunk_pack(bench, kind))
}

/// One document and its name.
fn chunk_pack(bench: &mut Bench, kind: Kind) -> Result<(), Error> {
    let source = Source::of(kind)?;
    let unit = format!("a pack of {} KB, {}", constants::PACK_BYTES / 1024, kind.name());
    bench.row("stage chunk", &unit, |bench, number| {
        let job = bench.upload(&[source.document(number, constants::PACK_BYTES - 64)])?;
        let cpu = bench.message("chunk")?;
        bench.cancel(&job)?;
        Ok(cpu)
    })?;
    bench.drain_all()
}

/// The same documents again and again, each time changed: a batch is embedded, upserted and published, and
/// what it replaces is purged.
pub(super) fn batches(bench: &mut Bench) -> Result<(), Error> {
    large_revisions(bench)?;
    small_revisions(bench)
}

/// A few long documents.
fn large_revisions(bench: &mut Bench) -> Result<(), Error> {
    let source = Source::of(Kind::Prose)?;
    let (mut embed, mut upsert, mut purge) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..=WARM_UPS + bench.invocations {
        // Room for their names: what is larger than is read at once is streamed, and unpacked first.
        let mut body = body_of(&source, number, 4, constants::READ_AT_ONCE_BYTES - 256);
        for (place, document) in body["documents"].as_array_mut().into_iter().flatten().enumerate() {
            document["external_id"] = json!(format!("batch-{place}.txt"));
        }
        bench.client.post("/api/index", &body)?.success()?;
        bench.drain("chunk")?;
        embed.push(bench.message("embed")?);
        bench.drain("embed")?;
        upsert.push(bench.message("upsert")?);
        bench.drain("upsert")?;
        if number > 0 {
            purge.push(bench.message("retire")?);
        }
        bench.drain_all()?;
    }
    let windows = constants::WINDOWS_PER_MESSAGE;
    bench.add("stage embed", &format!("256 KB of prose, at most {windows} windows"), &embed);
    bench.add("stage upsert", "their vectors, and 4 documents published", &upsert);
    bench.add("stage retire (purge)", "4 revisions of 64 KB", &purge);
    Ok(())
}

/// Many small documents, all of them replaced at once.
fn small_revisions(bench: &mut Bench) -> Result<(), Error> {
    let source = Source::of(Kind::Prose)?;
    let (mut upsert, mut purge) = (Vec::new(), Vec::new());
    for number in 0..=WARM_UPS + bench.invocations {
        let documents: Vec<_> = (0..REVISIONS)
            .map(|place| (format!("small-{place}.txt"), source.document(number * 50 + place, 1_000).1))
            .collect();
        bench.upload(&documents)?;
        bench.drain("chunk")?;
        bench.drain("embed")?;
        upsert.push(bench.message("upsert")?);
        bench.drain("upsert")?;
        if number > 0 {
            purge.push(bench.message("retire")?);
        }
        bench.drain_all()?;
    }
    bench.add("stage upsert", &format!("{REVISIONS} documents of 1 KB published"), &upsert);
    bench.add("stage retire (purge)", &format!("{REVISIONS} revisions of 1 KB"), &purge);
    Ok(())
}

/// The longest question with the longest history a client may send along, over documents and memories.
pub(super) fn chat(bench: &mut Bench) -> Result<(), Error> {
    let source = Source::of(Kind::Prose)?;
    bench.row("stage chat", "16 KB of question, 48 KB of history", |bench, number| {
        let stream = begin(&bench.client, &completion(&source, number + 1_000, HISTORY_BYTES))?;
        let cpu = bench.message("chat")?;
        bench.drain("chat")?;
        let view = bench.client.get(&format!("/api/jobs/{}", stream.job))?.success()?;
        if view["status"] == "succeeded" { Ok(cpu) } else { Err(view.to_string().into()) }
    })?;
    bench.drain_all()
}

/// Conversations that were planted idle; the schedule hands them on.
pub(super) fn archive(bench: &mut Bench) -> Result<(), Error> {
    bench.product.run_cron(crate::schedule::Schedule::Daily)?;
    let unit = format!("{} messages of {} bytes", seed::MESSAGES, seed::MESSAGE_BYTES);
    bench.row("stage archive", &unit, |bench, _| bench.message("archive"))?;
    bench.drain_all()
}

/// Messages that their queue gave up, each of an item of its own.
pub(super) fn dead_letters(bench: &mut Bench) -> Result<(), Error> {
    let source = Source::of(Kind::Prose)?;
    bench.row("dead letters", &format!("{DEAD_LETTERS} delivered together"), |bench, number| {
        for place in 0..DEAD_LETTERS {
            bench.upload(&[source.document(number * DEAD_LETTERS + place, 200)])?;
        }
        let ((), cpu) = bench.cpu(Worker::Consumers, ("chunk", DEAD_LETTERS), |product| {
            product.command(&format!("give-up chunk {DEAD_LETTERS}"))
        })?;
        Ok(cpu)
    })?;
    bench.drain_all()
}
