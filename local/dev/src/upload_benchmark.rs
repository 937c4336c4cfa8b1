//! `make bench UPLOADS=1`: the largest uploads, each in one request, while workerd is killed twice. Fails where what
//! they may cost is missed.
//!
//! What is asked of them: the gateway's memory grows by less than 16 MB, the answer comes within the transfer's own
//! time and a second, and every document is accounted for: indexed, when its job has ended. Memory is that of the
//! gateway's isolate, asked of workerd's inspector while the body is on its way: JavaScript's heap, the buffers that
//! it holds outside of that, and WebAssembly's memory. The process's own holds the simulators of D1 and R2, too.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write as _},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use crate::{
    Error,
    client::Client,
    configuration::{ABUNDANCE, GATEWAY, Profile},
    corpus,
    inspector::{Heap, Inspector},
    language_model::LanguageModel,
    product::{Options, Product, root},
    schedule::Schedule,
};

/// Nobody else's database is full, either.
const DATABASE_BYTES: &str = "10000000000";
const LINES: usize = 20_000;
const LINES_BYTES: usize = 100_000_000;
const FOLDER_BYTES: usize = 60_000_000;
/// How often memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// What memory may grow by, and how much later than its last byte an upload may be answered.
const MEMORY_BYTES: u64 = 16 * 1024 * 1024;
const LATE: Duration = Duration::from_secs(1);
/// Passes with every restart, so that what was lost with a kill is taken for lost.
const AWAY: Duration = Duration::from_mins(2);
/// How much of an upload is unpacked when workerd is killed, in percent.
const KILLED_AT: [u64; 2] = [20, 60];
/// For an upload's job to be unpacked, and to end: nothing here is about how fast that is.
const DEADLINE: Duration = Duration::from_hours(2);
/// Of an upload's size what a quick run sends.
const QUICK_PART: usize = 20;
/// What has become of a document whose upload is done with it.
const DONE: [&str; 2] = ["done", "duplicate"];

/// What is sent.
struct Upload {
    name: String,
    media_type: &'static str,
    body: Vec<u8>,
    documents: usize,
    /// Of them, those that are no text: they are listed as refused.
    refused: usize,
}

/// What was seen while it was sent.
#[derive(Debug)]
struct Sent {
    job: String,
    transfer: Duration,
    answered: Duration,
    least: Heap,
    most: Heap,
    wasm: (u64, u64),
}

/// Measures each of the uploads on a product of its own; a quick run sends a part of each.
pub fn run(quick: bool) -> Result<(), Error> {
    let part = if quick { QUICK_PART } else { 1 };
    let folder = folder(FOLDER_BYTES / part)?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&folder.body)?;
    let compressed = Upload {
        name: format!("{}, compressed", folder.name),
        media_type: "application/gzip",
        body: encoder.finish()?,
        documents: folder.documents,
        refused: folder.refused,
    };
    let mut missed = Vec::new();
    for upload in [lines(LINES / part, LINES_BYTES / part), folder, compressed] {
        missed.extend(measure(&upload)?.into_iter().map(|goal| format!("{}: {goal}", upload.name)));
    }
    if missed.is_empty() { Ok(()) } else { Err(format!("missed: {}", missed.join("; ")).into()) }
}

fn lines(lines: usize, bytes: usize) -> Upload {
    let filler = "A line of an upload that is too large to be read at once, and yet is read. ".repeat(80);
    let document = |number: usize, filler: &str| {
        let content = format!("# Note number{number}\n\n{filler}");
        json!({"external_id": format!("{number}.md"), "content": content}).to_string()
    };
    let mut body = Vec::with_capacity(bytes);
    for number in 0..lines {
        // As long as all the others, its line's end with it.
        let rest = (bytes / lines).saturating_sub(document(number, "").len() + 1);
        body.extend_from_slice(document(number, &filler[..rest]).as_bytes());
        body.push(b'\n');
    }
    let name = format!("{lines} documents in lines");
    Upload { name, media_type: "application/x-ndjson", body, documents: lines, refused: 0 }
}

/// This repository, as often as it takes for so many bytes.
fn folder(bytes: usize) -> Result<Upload, Error> {
    let files = corpus::read(&root(), usize::MAX)?;
    let mut archive = tar::Builder::new(Vec::new());
    let (mut documents, mut refused) = (0, 0);
    for copy in 0.. {
        for file in &files {
            let mut header = tar::Header::new_gnu();
            header.set_size(file.content.len() as u64);
            archive.append_data(&mut header, format!("copy-{copy}/{}", file.path), file.content.as_slice())?;
            documents += 1;
            refused += usize::from(std::str::from_utf8(&file.content).is_err());
        }
        if archive.get_ref().len() > bytes {
            break;
        }
    }
    let body = archive.into_inner()?;
    let name = format!("a folder of {documents} files");
    Ok(Upload { name, media_type: "application/x-tar", body, documents, refused })
}

/// The goals that were missed.
fn measure(upload: &Upload) -> Result<Vec<&'static str>, Error> {
    let state = std::env::temp_dir().join(format!("friend-bench-uploads-{}", std::process::id()));
    let mut profile = Profile {
        limits: ABUNDANCE.to_owned(),
        hashes_words: true,
        database_bytes: DATABASE_BYTES.to_owned(),
        ..Profile::default()
    };
    let mut product = Product::start(Options {
        language_model: LanguageModel::None,
        profile: profile.clone(),
        ..Options::for_tests(state.clone())
    })?;
    let client = product.client()?;
    warm_up(&client)?;
    let sent = send(&product, &client, upload)?;
    let mut goals = print_sent(upload, &sent);
    let started = Instant::now();
    for percent in KILLED_AT {
        wait_for(&client, &sent.job, percent)?;
        product.kill_workers();
        profile.clock_shift += AWAY;
        product.set_profile(profile.clone())?;
        product.restart_workers()?;
        product.run_cron(Schedule::Frequent)?;
    }
    let unpacked = wait_for(&client, &sent.job, 100).map(|_| started.elapsed())?;
    let view = client.follow(&sent.job, DEADLINE, |_| {})?;
    println!(
        "  unpacked after {:.0} s, indexed after {:.0} s, workerd killed {} times",
        unpacked.as_secs_f64(),
        started.elapsed().as_secs_f64(),
        KILLED_AT.len()
    );
    goals.push(print_items(upload, &view, &client.items(&sent.job, None)?));
    drop(product);
    fs::remove_dir_all(state)?;
    Ok(goals.into_iter().filter(|(_, is_met)| !is_met).map(|(goal, _)| goal).collect())
}

/// Uploads that are read at once and streamed: a Worker's first invocations compile what they run.
fn warm_up(client: &Client) -> Result<(), Error> {
    for bytes in [200_000, 400_000] {
        let document = json!({"external_id": format!("warm-{bytes}.md"), "content": "warm ".repeat(bytes / 5)});
        client.post("/api/index", &document)?.success()?;
    }
    Ok(())
}

/// A body that notes when its last byte is taken.
struct Timed<'a> {
    rest: &'a [u8],
    ended: &'a mut Option<Instant>,
}

impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.rest.read(buffer)?;
        if self.rest.is_empty() {
            self.ended.get_or_insert_with(Instant::now);
        }
        Ok(read)
    }
}

fn send(product: &Product, client: &Client, upload: &Upload) -> Result<Sent, Error> {
    let mut inspector = Inspector::attach(product.workers_group(), GATEWAY)?;
    let wasm_before = inspector.wasm_memory()?;
    let before = inspector.heap()?;
    let is_sent = AtomicBool::new(false);
    let (mut ended, started) = (None, Instant::now());
    let (answer, heaps) = thread::scope(|scope| {
        let looked = scope.spawn(|| -> Result<(Heap, Heap, u64), Error> {
            // Garbage is collected when it likes: the least that was seen has least of it.
            let (mut least, mut most) = (before, before);
            while !is_sent.load(Ordering::Relaxed) {
                let heap = inspector.heap()?;
                (least, most) = (least.min(heap), most.max(heap));
                thread::sleep(LOOK_EVERY);
            }
            Ok((least, most, inspector.wasm_memory()?))
        });
        let mut body = Timed { rest: &upload.body, ended: &mut ended };
        let answer = client.send_reader("/api/index", upload.media_type, upload.body.len(), &mut body);
        let answered = started.elapsed();
        is_sent.store(true, Ordering::Relaxed);
        let heaps = looked.join().map_err(|_| Error::from("whoever looked at memory panicked"))?;
        Ok::<_, Error>(((answer?, answered), heaps?))
    })?;
    let ((answer, answered), (least, most, wasm_after)) = (answer, heaps);
    if answer.status != 202 {
        return Err(format!("{}: {}", answer.status, answer.json()).into());
    }
    let job = answer.json()["job_id"].as_str().unwrap_or_default().to_owned();
    let transfer = ended.map_or(answered, |ended| ended.duration_since(started));
    Ok(Sent { job, transfer, answered, least, most, wasm: (wasm_before, wasm_after) })
}

/// Waits until so much of an upload is unpacked; its job.
fn wait_for(client: &Client, job: &str, percent: u64) -> Result<Value, Error> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        // A server that has just been restarted may not answer.
        if let Ok(view) = client.get(&format!("/api/jobs/{job}")).and_then(crate::client::Answer::success) {
            let stages = view["stages"].as_array().into_iter().flatten();
            let unpack = stages.clone().find(|stage| stage["name"] == "unpack");
            let number = |name: &str| unpack.and_then(|stage| stage[name].as_u64()).unwrap_or(0);
            // An archive ends before its last bytes.
            let is_done = unpack.is_some_and(|stage| stage["state"] == "done");
            if is_done || number("total") > 0 && 100 * number("done") >= percent * number("total") {
                return Ok(view);
            }
            if Instant::now() > deadline {
                return Err(format!("not unpacked after {DEADLINE:?}: {view}").into());
            }
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// What was aimed at, and whether it was met.
type Goal = (&'static str, bool);

const fn verdict(is_met: bool) -> &'static str {
    if is_met { "met" } else { "MISSED" }
}

#[expect(clippy::cast_precision_loss, reason = "megabytes")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn print_sent(upload: &Upload, sent: &Sent) -> Vec<Goal> {
    println!("{}, {} bytes in one request", upload.name, upload.body.len());
    let late = sent.answered.saturating_sub(sent.transfer);
    let (wasm_before, wasm_after) = sent.wasm;
    let least = sent.least.all() + wasm_before;
    let most = sent.most.all() + wasm_after;
    let grown = most.saturating_sub(least);
    println!(
        "  memory of the gateway's isolate: {:.1} to {:.1} MB while it came (heap {:.1}, buffers {:.1}, wasm \
         {:.1}): {:.1} MB more, {}",
        megabytes(least),
        megabytes(most),
        megabytes(sent.most.used),
        megabytes(sent.most.outside),
        megabytes(wasm_after),
        megabytes(grown),
        verdict(grown < MEMORY_BYTES)
    );
    println!(
        "  sent in {:.2} s, answered after {:.2} s: {:.2} s later, {}",
        sent.transfer.as_secs_f64(),
        sent.answered.as_secs_f64(),
        late.as_secs_f64(),
        verdict(late <= LATE)
    );
    vec![("the gateway's memory", grown < MEMORY_BYTES), ("the time of its answer", late <= LATE)]
}

fn print_items(upload: &Upload, view: &Value, items: &[Value]) -> Goal {
    let is_met = is_accounted_for((upload.documents, upload.refused), view, items);
    let states: Vec<String> = counted(items).into_iter().map(|(state, count)| format!("{count} {state}")).collect();
    println!(
        "  {} of {} documents listed ({}), their job {}: {}",
        items.len(),
        upload.documents,
        states.join(", "),
        view["status"].as_str().unwrap_or("unknown"),
        verdict(is_met)
    );
    ("every document accounted for", is_met)
}

/// How many documents are in each state.
fn counted(items: &[Value]) -> BTreeMap<&str, usize> {
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for item in items {
        *states.entry(item["status"].as_str().unwrap_or_default()).or_default() += 1;
    }
    states
}

/// True if the job has ended, and each document is listed once and is done, or was refused if it is no text.
fn is_accounted_for((documents, refused): (usize, usize), view: &Value, items: &[Value]) -> bool {
    let is_each_once = items.iter().enumerate().all(|(index, item)| item["index"] == json!(index));
    let mut states = counted(items);
    let is_refused = states.remove("rejected").unwrap_or(0) == refused;
    view["status"] == if refused == 0 { "succeeded" } else { "partial" }
        && view["upload"]["broken"].is_null()
        && items.len() == documents
        && is_each_once
        && is_refused
        && states.keys().all(|state| DONE.contains(state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_accounted_for_when_all_are_done_and_no_sooner() {
        let items = |states: &[&str]| -> Vec<Value> {
            states.iter().enumerate().map(|(index, state)| json!({"index": index, "status": state})).collect()
        };
        let ended = |status: &str| json!({"status": status, "upload": {"broken": null}});
        let is_met = |status: &str, states: &[&str]| is_accounted_for((3, 0), &ended(status), &items(states));
        assert!(is_met("succeeded", &["done", "duplicate", "done"]));
        assert!(!is_met("running", &["queued", "queued", "queued"]), "listed is not indexed");
        assert!(!is_met("succeeded", &["done", "done", "queued"]));
        assert!(!is_met("partial", &["done", "done", "rejected"]));
        assert!(!is_met("succeeded", &["done", "done"]), "one is missing");
        let mut twice = items(&["done", "done", "done"]);
        twice[2]["index"] = json!(1);
        assert!(!is_accounted_for((3, 0), &ended("succeeded"), &twice));
        let broken = json!({"status": "succeeded", "upload": {"broken": {"byte": 7}}});
        assert!(!is_accounted_for((3, 0), &broken, &items(&["done", "done", "done"])));
        let one_is_no_text = |states: &[&str]| is_accounted_for((3, 1), &ended("partial"), &items(states));
        assert!(one_is_no_text(&["done", "rejected", "done"]));
        assert!(!one_is_no_text(&["done", "rejected", "rejected"]) && !one_is_no_text(&["done", "queued", "rejected"]));
    }
}
