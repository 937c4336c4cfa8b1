//! `make bench`: speed, CPU and Free-plan cost, measured on the running product.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use consumers::chunk::split::{Structure, split};
use pipeline::constants;
use serde_json::{Value, json};

use crate::{
    Error, chat_benchmark,
    client::Client,
    cpu_benchmark,
    language_model::LanguageModel,
    product::{Options, Product, root},
    upload_benchmark,
};

const DEADLINE: Duration = Duration::from_mins(30);

/// How much is measured, and how it is reported.
#[derive(Clone, Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct Scope {
    /// A smaller run.
    #[arg(long)]
    quick: bool,
    /// The CPU of every operation and stage, and nothing else.
    #[arg(long)]
    cpu: bool,
    /// The largest uploads, and nothing else.
    #[arg(long)]
    uploads: bool,
    /// What hooks of Claude Code wait for, and nothing else.
    #[arg(long)]
    hooks: bool,
    /// The table of CPU once more, as JSON.
    #[arg(long)]
    json: bool,
    /// Of the CPU only these groups of rows: `memories`, `chat`, `schedules` and so on.
    #[arg(long, env = "ROWS", value_delimiter = ',')]
    rows: Vec<String>,
    /// A folder that keeps the profile of every invocation, which Chrome's developer tools open.
    #[arg(long, env = "PROFILES")]
    profiles: Option<PathBuf>,
}

/// Runs every measurement and prints it.
pub fn run(scope: Scope) -> Result<(), Error> {
    let Scope { quick, cpu, uploads, hooks, json, rows, profiles } = scope;
    if uploads {
        return upload_benchmark::run(quick);
    }
    if !hooks {
        cpu_benchmark::run(quick, json, &rows, profiles)?;
    }
    if cpu {
        return Ok(());
    }
    let state = std::env::temp_dir().join(format!("friend-bench-{}", std::process::id()));
    let text = source_text()?;
    native_chunking(&text);
    let mut product = Product::start(Options {
        cron_every: Duration::from_mins(10),
        language_model: LanguageModel::None,
        ..Options::for_tests(state.clone())
    })?;
    let chunks = if quick { 1_000 } else { 10_000 };
    if hooks {
        let client = searched(&product, chunks)?;
        hook_latency(&mut product, &client)?;
        drop(product);
        return Ok(fs::remove_dir_all(state)?);
    }
    embedding(&product)?;
    indexing(&product, if quick { 200 } else { 1_000 })?;
    let client = searched(&product, chunks)?;
    search_latency(&client, chunks)?;
    hook_latency(&mut product, &client)?;
    drop(product);
    fs::remove_dir_all(state)?;
    chat_benchmark::run()?;
    if quick { Ok(()) } else { upload_benchmark::run(quick) }
}

/// This repository's own Markdown and Rust, repeated to a megabyte.
fn source_text() -> Result<String, Error> {
    let mut text = String::new();
    for file in [
        "ARCHITECTURE.md",
        "README.md",
        "pipeline/src/job/protocol.rs",
        "producers/src/api/index.rs",
        "consumers/src/chunk/split.rs",
    ] {
        text.push_str(&fs::read_to_string(root().join(file))?);
    }
    Ok(text.repeat(1_200_000 / text.len() + 1))
}

/// The first `bytes` of the text, or a little less.
fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1_000.0
}

fn native_chunking(text: &str) {
    let text = cut(text, 100 * 1024);
    for structure in [Structure::Markdown, Structure::Prose, Structure::Code] {
        let times: Vec<f64> = (0..15)
            .map(|_| {
                let started = Instant::now();
                std::hint::black_box(split(text, structure));
                milliseconds(started)
            })
            .collect();
        println!("chunking, native, {structure:?}: {:.1} ms per 100 KB", median(times));
    }
}

/// Text of about 256 word pieces, different every time.
fn passage(number: usize) -> String {
    let words = [
        "queue", "message", "the", "worker", "of", "a", "river", "index", "and", "light", "vector", "table", "under",
        "green",
    ];
    (0..250).map(|place| words[(number * 31 + place * (7 + number % 5)) % words.len()]).collect::<Vec<_>>().join(" ")
}

fn documents(count: usize, content: impl Fn(usize) -> String) -> Value {
    let document = |number: usize| json!({ "external_id": format!("{number}.txt"), "content": content(number) });
    json!({ "documents": (0..count).map(document).collect::<Vec<_>>() })
}

/// Uploads and waits for the end; seconds from the request to the end.
fn index(client: &Client, documents: &Value) -> Result<f64, Error> {
    let started = Instant::now();
    let answer = client.post("/api/index", documents)?.success()?;
    let job = answer["job_id"].as_str().ok_or("nothing was queued")?;
    let view = client.follow(job, DEADLINE, |_| {})?;
    if view["status"] != "succeeded" {
        return Err(view.to_string().into());
    }
    Ok(started.elapsed().as_secs_f64())
}

/// Tokens a second through the whole path: stage, binding, stand-in, model and back.
fn embedding(product: &Product) -> Result<(), Error> {
    let client = product.new_user("embedding")?;
    let before = product.model_use()?;
    index(&client, &documents(400, passage))?;
    let after = product.model_use()?;
    let difference = |field: &str| after[field].as_f64().unwrap_or(0.0) - before[field].as_f64().unwrap_or(0.0);
    let log = fs::read_to_string(product.log())?;
    let path_ms: f64 = log
        .lines()
        .filter_map(|line| line.split_once('{'))
        .filter_map(|(_, rest)| serde_json::from_str::<Value>(&format!("{{{rest}")).ok())
        .filter(|line| line["queue"] == "friend-embed" && line["outcome"] == "done")
        .filter_map(|line| line["ms"].as_f64())
        .sum();
    println!(
        "embedding, {:.0} tokens a text: {:.0} tokens/s in the model, {:.0} tokens/s through the embed stage",
        difference("tokens") / difference("texts"),
        difference("tokens") / difference("seconds"),
        difference("tokens") / path_ms * 1_000.0
    );
    Ok(())
}

/// Documents a second, and what a thousand of them cost of every allowance.
fn indexing(product: &Product, count: usize) -> Result<(), Error> {
    let client = product.new_user("indexing")?;
    let content = |number: usize| {
        let mut text = format!("# Note {number}\n\n");
        while text.len() < 2_048 {
            text.push_str("Small files must be cheap to index, however many there are of them. ");
        }
        cut(&text, 2_048).to_owned()
    };
    let sums = || -> Result<Vec<f64>, Error> {
        let columns = RESOURCES.map(|(column, _)| format!("total({column})")).join(", ");
        let rows = product.query(&format!(
            "SELECT {columns}, count(*) FROM usage_log WHERE source <> '/api/jobs/{{id}}' AND source <> '/health'"
        ))?;
        Ok(rows.first().map(|row| row.iter().filter_map(|value| value.parse().ok()).collect()).unwrap_or_default())
    };
    let (before, model_before) = (sums()?, product.model_use()?);
    let seconds = index(&client, &documents(count, content))?;
    std::thread::sleep(Duration::from_secs(2));
    let (after, model_after) = (sums()?, product.model_use()?);
    let model = model_after["seconds"].as_f64().unwrap_or(0.0) - model_before["seconds"].as_f64().unwrap_or(0.0);
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let documents = count as f64;
    let chunks = model_after["texts"].as_f64().unwrap_or(0.0) - model_before["texts"].as_f64().unwrap_or(0.0);
    println!(
        "indexing {count} files of 2 KB: {seconds:.1} s, of it {model:.1} s in the model; \
         without it {:.0} documents/s, {:.0} chunks/s",
        documents / (seconds - model).max(0.001),
        chunks / (seconds - model).max(0.001)
    );
    let used = after.iter().zip(&before).map(|(after, before)| (after - before) / documents * 1_000.0);
    print_cost(&used.collect::<Vec<f64>>());
    Ok(())
}

/// What a thousand documents took, as [`RESOURCES`]: of a day, and which day ends first.
fn print_cost(used: &[f64]) {
    println!("  {:<18} {:>14} {:>12} {:>22}", "resource", "per 1,000", "of a day", "documents a day");
    let mut first = ("", f64::INFINITY);
    for ((name, allowance), used) in RESOURCES.iter().zip(used) {
        let lasts = allowance / used * 1_000.0;
        if lasts < first.1 {
            first = (name, lasts);
        }
        println!("  {name:<18} {used:>14.1} {:>11.2}% {lasts:>22.0}", used / allowance * 100.0);
    }
    println!("  first to run out: {} after {:.0} documents", first.0, first.1);
}

/// A column of `usage_log` and its allowance a day; monthly ones by the thirtieth part.
#[expect(clippy::cast_precision_loss, reason = "allowances are far below 2^52")]
const RESOURCES: [(&str, f64); 9] = [
    ("neurons", constants::NEURONS_PER_DAY as f64),
    ("queue_operations", constants::QUEUE_OPERATIONS_PER_DAY as f64),
    ("d1_rows_read", constants::D1_ROWS_READ_PER_DAY as f64),
    ("d1_rows_written", constants::D1_ROWS_WRITTEN_PER_DAY as f64),
    ("kv_reads", constants::KV_READS_PER_DAY as f64),
    ("kv_writes", constants::KV_WRITES_PER_DAY as f64),
    ("r2_class_a", constants::R2_CLASS_A_PER_MONTH as f64 / 30.0),
    ("r2_class_b", constants::R2_CLASS_B_PER_MONTH as f64 / 30.0),
    ("vectors_queried", constants::VECTOR_QUERIED_DIMENSIONS_PER_MONTH as f64 / 384.0 / 30.0),
];

/// Words that say something.
fn words() -> Result<Vec<String>, Error> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md"))?;
    let words = text.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned());
    Ok(words.filter(|word| word.len() > 3).collect())
}

fn sentence(words: &[String], number: usize, length: usize) -> String {
    (0..length)
        .map(|place| words[(number * 7_919 + place * place * 31 + place * 17) % words.len()].as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

/// A user with so many chunks.
fn searched(product: &Product, chunks: usize) -> Result<Client, Error> {
    let client = product.new_user("searching")?;
    let words = words()?;
    let sentence = |number, length| sentence(&words, number, length);
    for start in (0..chunks).step_by(1_000) {
        let documents: Vec<Value> = (start..(start + 1_000).min(chunks))
            .map(|number| json!({"external_id": format!("{number}.txt"), "content": sentence(number, 24)}))
            .collect();
        index(&client, &json!({ "documents": documents }))?;
    }
    Ok(client)
}

fn search_latency(client: &Client, chunks: usize) -> Result<(), Error> {
    let words = words()?;
    let sentence = |number, length| sentence(&words, number, length);
    for mode in ["keyword", "vector", "hybrid"] {
        let mut times = Vec::new();
        for number in 0..200 {
            let started = Instant::now();
            client.search(&json!({ "query": sentence(number * 13 + mode.len(), 5), "mode": mode }))?;
            times.push(milliseconds(started));
        }
        times.sort_by(f64::total_cmp);
        println!(
            "search over {chunks} chunks, {mode}: p50 {:.0} ms, p95 {:.0} ms (query embedding included)",
            times[100], times[190]
        );
    }
    let started = Instant::now();
    client.search(&json!({ "query": sentence(3, 5), "mode": "keyword" }))?;
    println!("search answered from the cache: {:.0} ms", milliseconds(started));
    Ok(())
}

/// Memories beside the chunks.
const MEMORIES: usize = 500;
/// Between two hooks, so that no burst is limited.
const BETWEEN_HOOKS: Duration = Duration::from_millis(120);

/// What Claude Code waits for: prompts that something may be about, that nothing is about, and sessions that begin.
fn hook_latency(product: &mut Product, client: &Client) -> Result<(), Error> {
    let words = words()?;
    client.post("/api/memory", &json!({"text": "The first of many", "kind": "decision"}))?.success()?;
    let texts: Vec<String> = (0..MEMORIES).map(|number| sentence(&words, number * 3 + 1, 12)).collect();
    product.kill_workers();
    product.fill(&format!(
        "INSERT INTO memories (id, user_id, kind, text, hash, confidence, state, pinned, embedding, created_at)
         SELECT 'mem_' || printf('%026d', n.key), m.user_id, m.kind, n.value, hex(randomblob(32)), 1, 'active', 0,
                m.embedding, m.created_at FROM json_each('{texts}') n, memories m WHERE m.hash <> '';
         INSERT INTO memories_fts_1 (rowid, body)
         SELECT number, text FROM memories WHERE text <> 'The first of many'",
        texts = json!(texts).to_string().replace('\'', "''"),
    ))?;
    product.restart_workers()?;
    let prompt = |number: usize| format!("Why does {} matter?", sentence(&words, number * 13 + 5, 4));
    let kinds: [(&str, &dyn Fn(usize) -> Value); 3] = [
        ("UserPromptSubmit, words of the chunks", &|number| {
            json!({"hook_event_name": "UserPromptSubmit",
            "session_id": format!("a{number}"), "prompt": prompt(number)})
        }),
        ("UserPromptSubmit, nothing to say", &|number| {
            json!({"hook_event_name": "UserPromptSubmit",
            "session_id": format!("b{number}"), "prompt": "thanks, run the tests again"})
        }),
        ("SessionStart", &|number| json!({"hook_event_name": "SessionStart", "session_id": format!("c{number}")})),
    ];
    for (name, body) in kinds {
        let (mut times, mut told) = (Vec::new(), 0);
        for number in 0..100 {
            std::thread::sleep(BETWEEN_HOOKS);
            let body = body(number);
            let started = Instant::now();
            let answer = client.post("/hooks/claude-code", &body)?.success()?;
            times.push(milliseconds(started));
            told += usize::from(!answer["hookSpecificOutput"].is_null());
        }
        times.sort_by(f64::total_cmp);
        println!("hook {name}: p50 {:.0} ms, p95 {:.0} ms, told {told} of 100", times[50], times[95]);
    }
    Ok(())
}
