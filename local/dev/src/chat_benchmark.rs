//! The chat part of `make bench`: what a turn takes beside its model, and what it costs.
//!
//! The language model is replaced by one that answers at once, so that the times are the product's.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use pipeline::{
    chat::catalogue::{Catalogue, RouteName},
    constants,
};
use serde_json::{Value, json};

use crate::{
    Error,
    client::Client,
    language_model::LanguageModel,
    product::{Options, Product, root},
};

const TURNS_PER_ROUTE: usize = 15;
/// Tokens of an answer as people get them; its text has four bytes for each.
const ANSWER_TOKENS: usize = 200;

/// Runs the measurements and prints them.
pub fn run() -> Result<(), Error> {
    let state = std::env::temp_dir().join(format!("friend-bench-chat-{}", std::process::id()));
    let product = Product::start(Options {
        cron_every: Duration::from_mins(10),
        language_model: LanguageModel::Server(instant_model()?),
        ..Options::for_tests(state.clone())
    })?;
    let client = product.new_user("chatting")?;
    let document = |name: &str| -> Result<Value, Error> {
        Ok(json!({ "external_id": name, "content": fs::read_to_string(root().join(name))? }))
    };
    let documents =
        [document("README.md")?, document("ARCHITECTURE.md")?, document("migrations/0002_jobs_and_documents.sql")?];
    let job = client.post("/api/index", &json!({ "documents": documents }))?.success()?;
    client.follow(job["job_id"].as_str().unwrap_or_default(), Duration::from_mins(2), |_| {})?;
    let catalogue = Catalogue::default();
    for route in RouteName::ALL {
        let price = catalogue.price(&catalogue.route(route).models[0]);
        measure(&product, &client, route, price)?;
    }
    drop(product);
    fs::remove_dir_all(state)?;
    Ok(())
}

/// What a turn takes beside neurons, with what a day has of it.
#[expect(clippy::cast_precision_loss, reason = "allowances are far below 2^52")]
const RESOURCES: [(&str, f64); 5] = [
    ("queue_operations", constants::QUEUE_OPERATIONS_PER_DAY as f64),
    ("d1_rows_read", constants::D1_ROWS_READ_PER_DAY as f64),
    ("d1_rows_written", constants::D1_ROWS_WRITTEN_PER_DAY as f64),
    ("kv_writes", constants::KV_WRITES_PER_DAY as f64),
    ("object_requests", constants::OBJECT_REQUESTS_PER_DAY as f64),
];

/// What all turns took so far, as [`RESOURCES`].
fn taken(product: &Product) -> Result<Vec<f64>, Error> {
    let columns = RESOURCES.map(|(column, _)| format!("total({column})")).join(", ");
    let rows = product.query(&format!("SELECT {columns} FROM usage_log WHERE source IN ('/api/chat', 'chat')"))?;
    Ok(rows.first().map(|row| row.iter().filter_map(|value| value.parse().ok()).collect()).unwrap_or_default())
}

/// How turns went: milliseconds until the first words and the end of each, without the models, and the tokens
/// of all prompts.
#[derive(Default)]
struct Turns {
    firsts: Vec<f64>,
    dones: Vec<f64>,
    prompt: f64,
}

fn ask(product: &Product, client: &Client, route: RouteName) -> Result<Turns, Error> {
    let in_model = || product.model_use().map(|used| used["seconds"].as_f64().unwrap_or(0.0));
    let mut turns = Turns::default();
    for number in 0..TURNS_PER_ROUTE {
        let question =
            format!("What happens to an item when its worker dies, and who finds it? ({} {number})", route.name());
        let embedded = in_model()?;
        let started = Instant::now();
        let asked = client.post("/api/chat", &json!({ "message": question, "route": route.name() }))?.success()?;
        let job = asked["job_id"].as_str().ok_or("no turn began")?;
        let (first, done, result) = follow(client, job, started)?;
        let embedding = (in_model()? - embedded) * 1_000.0;
        turns.firsts.push(first - embedding);
        turns.dones.push(done - embedding);
        turns.prompt += result["usage"]["prompt_tokens"].as_f64().unwrap_or(0.0);
    }
    Ok(turns)
}

#[expect(clippy::cast_precision_loss, reason = "counts")]
fn measure(
    product: &Product,
    client: &Client,
    route: RouteName,
    price: pipeline::chat::generation::Price,
) -> Result<(), Error> {
    let before = taken(product)?;
    let Turns { mut firsts, mut dones, prompt } = ask(product, client, route)?;
    // The last invocations write their rows after their answers.
    thread::sleep(Duration::from_secs(1));
    let per_turn: Vec<f64> =
        taken(product)?.iter().zip(&before).map(|(after, before)| (after - before) / TURNS_PER_ROUTE as f64).collect();
    let prompt = prompt / TURNS_PER_ROUTE as f64;
    let neurons = (prompt * price.input + ANSWER_TOKENS as f64 * price.output) / 1e6;
    // Caches stop writing when the day's KV writes are spent; turns do not.
    let others = per_turn.iter().zip(RESOURCES).filter(|(_, (column, _))| *column != "kv_writes");
    let others = others.map(|(used, (_, allowance))| allowance / used).fold(f64::INFINITY, f64::min);
    println!(
        "chat, {}: first words after {:.0} ms, done after {:.0} ms (medians, without the models); \
         {prompt:.0} prompt tokens and {ANSWER_TOKENS} of answer: {neurons:.2} neurons; \
         {:.1} queue operations, {:.0} D1 rows read, {:.1} written, {:.1} KV writes, {:.1} object requests; \
         a day carries {:.0} turns by neurons, {others:.0} by the rest",
        route.name(),
        median(&mut firsts),
        median(&mut dones),
        per_turn[0],
        per_turn[1],
        per_turn[2],
        per_turn[3],
        per_turn[4],
        constants::NEURONS_PER_DAY as f64 / neurons,
    );
    Ok(())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Follows a turn; milliseconds until its first words and its end, and its result.
fn follow(client: &Client, job: &str, started: Instant) -> Result<(f64, f64, Value), Error> {
    let response = ureq::get(format!("{}/api/jobs/{job}/events", client.url()))
        .header("authorization", format!("Bearer {}", client.key()))
        .call()?;
    let mut first = None;
    for line in BufReader::new(response.into_body().into_reader()).lines() {
        let line = line?;
        let Some(data) = line.strip_prefix("data: ") else { continue };
        let event: Value = serde_json::from_str(data)?;
        let now = started.elapsed().as_secs_f64() * 1_000.0;
        match event["type"].as_str() {
            Some("delta") => first = first.or(Some(now)),
            Some("done") => return Ok((first.unwrap_or(now), now, event["result"].clone())),
            Some("failed") => return Err(event.to_string().into()),
            _ => {}
        }
    }
    Err("the stream ended before the turn".into())
}

/// A language model that answers every prompt at once; the base URL of its API.
pub(crate) fn instant_model() -> Result<String, Error> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let url = format!("http://{}/v1", listener.local_addr()?);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream));
        }
    });
    Ok(url)
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    reader.take(length).read_to_end(&mut Vec::new())?;
    let piece = json!({ "choices": [{ "delta": { "content": "The sweeper finds it. " } }] });
    let pieces = format!("data: {piece}\n\n").repeat(ANSWER_TOKENS * 4 / 22);
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{pieces}data: [DONE]\n\n"
    )
}
