//! `make freeplan`: three days on the Free plan, the same for the obvious design, and the counts of the
//! simulation beside those of workerd.
#![expect(clippy::print_stdout, clippy::unwrap_used, clippy::cast_precision_loss, reason = "a report")]

use std::time::{Duration, Instant};

use local_dev::{
    language_model::LanguageModel,
    product::{Options, Product},
};
use pipeline::budget::allowances::Resource;
use serde_json::{Value, json};
use tests::{
    corpus,
    freeplan::{self, Day, MIXES, Mix, Texts},
    rig::Rig,
};

/// Everything but neurons must be below this when they are reached.
const OTHERS: f64 = 0.6;

fn main() {
    if std::env::var_os("ESTIMATES").is_some() {
        return estimates();
    }
    let mut texts = Texts::default();
    let mut holds = true;
    for mix in MIXES {
        let started = Instant::now();
        let day = freeplan::day(mix, &mut texts);
        println!("\n{} (simulated in {} s)", mix.name, started.elapsed().as_secs());
        show(mix, &day);
        let (first, _) = day.first();
        let others = day.shares.iter().filter(|(resource, _)| *resource != Resource::Neurons);
        let worst = others.map(|(_, share)| *share).fold(0.0, f64::max);
        println!("  first: {}; the worst of the others: {:.1} %", first.name(), worst * 100.0);
        holds &= first == Resource::Neurons && worst < OTHERS;
    }
    println!();
    estimates();
    println!();
    compare();
    println!("\n{}", if holds { "neurons are first, everything else below 60 %" } else { "NOT as it should be" });
    assert!(holds);
}

fn show(mix: Mix, day: &Day) {
    println!(
        "  ended after {:.1} h, {:.2} of the mix done, {} documents there",
        day.steps as f64 / 12.0,
        day.rounds,
        day.documents
    );
    let done = |count: usize| count as f64 * day.rounds;
    let documents = done(mix.small + mix.long + mix.changed);
    let chunks = done(mix.small + mix.changed) + done(mix.long) * 40.0;
    let obvious = freeplan::obvious_design(documents, chunks, done(mix.searches), done(mix.chats));
    for ((resource, share), (_, of_obvious)) in day.shares.iter().zip(&obvious) {
        println!(
            "  {:<18} {:>6.1} %      obvious design {:>8.1} %",
            resource.name(),
            share * 100.0,
            of_obvious * 100.0
        );
    }
    for (source, read, written) in &day.d1 {
        println!("    D1 of {source:<22} {read:>9} read {written:>8} written");
    }
    for (kind, asked) in &day.asked {
        println!("    at most {:>2} D1 queries and {:>3} requests in {kind}", asked.d1_queries, asked.subrequests);
    }
}

const COUNTED: [&str; 8] = [
    "neurons",
    "d1_rows_read",
    "d1_rows_written",
    "kv_reads",
    "kv_writes",
    "r2_class_a",
    "r2_class_b",
    "queue_operations",
];

/// What `dry_run` says, and what is then taken, on real texts.
fn estimates() {
    println!("dry_run: said / taken");
    let files = corpus::mixed(200);
    let documents = files
        .iter()
        .map(|file| json!({ "external_id": file.path, "content": String::from_utf8_lossy(&file.content) }))
        .collect();
    show_estimate("200 real files", &documents);
    let data = std::env::var("EVAL_DATA").unwrap_or_else(|_| "../shared/data".to_owned());
    for set in ["cranfield", "scifact", "cosqa", "chunking_eval"] {
        let Ok(text) = std::fs::read_to_string(format!("{data}/{set}/corpus.jsonl")) else { continue };
        let documents: Vec<Value> = text
            .lines()
            .take(400)
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .map(|line| json!({ "external_id": line["_id"], "title": line["title"], "content": line["text"] }))
            .collect();
        show_estimate(set, &Value::from(documents));
    }
}

fn show_estimate(name: &str, documents: &Value) {
    let shown: Vec<String> = freeplan::estimate(documents)
        .into_iter()
        .map(|(name, said, taken)| format!("{name} {said:.0} / {taken:.0} ({:+.0} %)", (said / taken - 1.0) * 100.0))
        .collect();
    println!("  {name:<15} {}", shown.join(", "));
}

/// The same 50 files through the simulation and through workerd, per stage.
fn compare() {
    let files = corpus::mixed(50);
    let documents: Vec<Value> = files
        .iter()
        .map(|file| json!({ "external_id": file.path, "content": String::from_utf8_lossy(&file.content) }))
        .collect();
    let body = json!({ "documents": documents });
    let (native, rows) = (in_simulation(&body), on_workerd(&body));
    println!(
        "50 real files, {} bytes: the simulation / workerd",
        files.iter().map(|file| file.content.len()).sum::<usize>()
    );
    for (one, other) in native.iter().zip(&rows) {
        println!(
            "  {:<12} invocations {} / {}",
            one["source"].as_str().unwrap_or_default(),
            one["invocations"],
            other[1]
        );
        for (place, name) in COUNTED.iter().enumerate() {
            println!("    {name:<18} {:>12} / {:>12}", short(&one[*name].to_string()), short(&other[place + 2]));
        }
    }
}

/// What indexing takes over ports in memory, a row for each stage.
fn in_simulation(body: &Value) -> Vec<Value> {
    let rig = Rig::new(1);
    rig.request("POST", "/api/index", body);
    rig.drain();
    rig.memory.look(
        "SELECT source, count(*) AS invocations, total(neurons) AS neurons, sum(d1_rows_read) AS d1_rows_read,
                sum(d1_rows_written) AS d1_rows_written, sum(kv_reads) AS kv_reads, sum(kv_writes) AS kv_writes,
                sum(r2_class_a) AS r2_class_a, sum(r2_class_b) AS r2_class_b, sum(queue_operations) AS queue_operations
         FROM usage_log WHERE source IN ('/api/index', 'chunk', 'embed', 'upsert')
         GROUP BY source ORDER BY source",
    )
}

/// The same on workerd.
fn on_workerd(body: &Value) -> Vec<Vec<String>> {
    let state = std::env::temp_dir().join(format!("friend-freeplan-{}", std::process::id()));
    let options = Options {
        cron_every: Duration::from_mins(30),
        language_model: LanguageModel::None,
        ..Options::for_tests(state.clone())
    };
    let product = Product::start(options).unwrap();
    let client = product.client().unwrap();
    let answer = client.post("/api/index", body).unwrap().success().unwrap();
    client.follow(answer["job_id"].as_str().unwrap(), Duration::from_mins(5), |_| {}).unwrap();
    let sql = "SELECT source, count(*), total(neurons), sum(d1_rows_read), sum(d1_rows_written),
                      sum(kv_reads), sum(kv_writes), sum(r2_class_a), sum(r2_class_b), sum(queue_operations)
               FROM usage_log WHERE source IN ('/api/index', 'chunk', 'embed', 'upsert')
               GROUP BY source ORDER BY source";
    // The usage row of the last message is written after the job's end.
    let end = Instant::now() + Duration::from_secs(10);
    let mut rows = product.query(sql).unwrap();
    while rows.len() < 4 && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(200));
        rows = product.query(sql).unwrap();
    }
    drop(product);
    let _ = std::fs::remove_dir_all(state);
    rows
}

fn short(number: &str) -> String {
    number.parse::<f64>().map_or_else(|_| number.to_owned(), |number| format!("{}", (number * 100.0).round() / 100.0))
}
