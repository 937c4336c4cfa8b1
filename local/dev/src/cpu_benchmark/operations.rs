//! Operations of the gateway, each with the largest request that is answered within it.

use std::{net::TcpStream, time::Duration};

use pipeline::constants;
use serde_json::{Value, json};
use tungstenite::{ClientRequestBuilder, HandshakeError, Message, WebSocket};

use super::{
    harness::{Bench, Worker, documents_of},
    texts::{Kind, Source},
};
use crate::{Error, client::Client, cpu_profile::Cpu};

/// A request that is parsed at once.
const SMALL_UPLOAD: usize = 256 * 1024;
const LARGE_UPLOAD_DOCUMENTS: usize = 16;
/// A job with many items, and more documents than a page holds.
const CORPUS_DOCUMENTS: usize = 1_000;
const CORPUS_BYTES: usize = 2_000;
/// Events that a session's newcomer is sent.
const EVENTS: usize = 90;
const EVENT_BYTES: usize = 2_000;
/// How long a newcomer may have to wait for the next event.
const SILENCE: Duration = Duration::from_millis(150);

/// The larger upload is stopped at once: its messages are those of the smaller one.
pub(super) fn uploads(bench: &mut Bench) -> Result<(), Error> {
    let source = Source::of(Kind::Markdown)?;
    for (documents, bytes, unit) in [
        (4, SMALL_UPLOAD, "256 KB of JSON, 4 documents"),
        (LARGE_UPLOAD_DOCUMENTS, 1024 * 1024, "1 MB of JSON, 16 documents: streamed"),
    ] {
        bench.row("POST /api/index", unit, |bench, number| {
            let body = body_of(&source, number * documents, documents, bytes);
            let (answer, cpu) = bench.request(("POST", "/api/index"), "/api/index", &body)?;
            bench.cancel(answer["job_id"].as_str().ok_or("nothing was queued")?)?;
            Ok(cpu)
        })?;
        bench.drain_all()?;
    }
    Ok(())
}

/// An upload of so many documents that is about so large, and not larger, as JSON.
pub(super) fn body_of(source: &Source, first: usize, documents: usize, bytes: usize) -> Value {
    let mut each = bytes / documents;
    loop {
        let made: Vec<_> = (first..first + documents).map(|number| source.document(number, each)).collect();
        let body = documents_of(&made);
        let too_much = body.to_string().len().saturating_sub(bytes);
        if too_much == 0 {
            return body;
        }
        each -= too_much.div_ceil(documents);
    }
}

pub(super) fn jobs_and_documents(bench: &mut Bench) -> Result<(), Error> {
    let source = Source::of(Kind::Prose)?;
    let corpus: Vec<_> = (0..CORPUS_DOCUMENTS)
        .map(|number| {
            let (name, content) = source.document(number * 7, CORPUS_BYTES);
            (format!("corpus-{name}"), content)
        })
        .collect();
    let job = bench.upload(&corpus)?;
    // It is streamed: its job has no other items before.
    bench.drain("unpack")?;
    let unit = format!("a job of {CORPUS_DOCUMENTS} documents of 2 KB");
    bench.row("GET /api/jobs/{id}", &unit, |bench, _| {
        Ok(bench.request(("GET", "/api/jobs/{id}"), &format!("/api/jobs/{job}"), &Value::Null)?.1)
    })?;
    bench.drain_all()?;
    for (name, path) in [("GET /api/jobs", "/api/jobs"), ("GET /api/documents", "/api/documents")] {
        let unit = format!("a page of {}", constants::PAGE);
        bench.row(name, &unit, |bench, _| Ok(bench.request(("GET", path), path, &Value::Null)?.1))?;
    }
    Ok(())
}

pub(super) fn searches(bench: &mut Bench) -> Result<(), Error> {
    let source = Source::of(Kind::Prose)?;
    for mode in ["keyword", "vector", "hybrid"] {
        let unit = format!("{mode}, a query of 8 KB, {} hits", constants::TOP_K);
        bench.row("POST /api/search", &unit, |bench, number| {
            let (_, query) = source.document(number * 13 + mode.len(), constants::QUERY_BYTES - 64);
            let body = json!({ "query": query, "mode": mode, "top_k": constants::TOP_K });
            Ok(bench.request(("POST", "/api/search"), "/api/search", &body)?.1)
        })?;
    }
    Ok(())
}

pub(super) fn memories(bench: &mut Bench) -> Result<(), Error> {
    let source = Source::of(Kind::Prose)?;
    bench.row("POST /api/memory", "2 KB beside 940 others of 2 KB", |bench, number| {
        let (_, text) = source.document(number * 17, constants::MEMORY_BYTES - 64);
        let body = json!({ "text": text });
        let (_, cpu) = bench.request(("POST", "/api/memory"), "/api/memory", &body)?;
        Ok(cpu)
    })?;
    bench.row("GET /api/memory?query=", "a query of 2 KB over about 1,000 of 2 KB", |bench, number| {
        let (_, text) = source.document(number * 19 + 5, 2_000);
        let query: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '+' }).collect();
        let path = format!("/api/memory?query={query}");
        Ok(bench.request(("GET", "/api/memory"), &path, &Value::Null)?.1)
    })
}

/// The history of a client that has talked for a while.
pub(super) const HISTORY_BYTES: usize = 48 * 1024;

/// Each question is stopped: answering is a stage's work.
pub(super) fn questions(bench: &mut Bench) -> Result<(), Error> {
    let source = Source::of(Kind::Prose)?;
    bench.row("POST /api/chat", "a question of 16 KB", |bench, number| {
        let (_, message) = source.document(number * 23, constants::CHAT_MESSAGE_BYTES - 64);
        let (answer, cpu) = bench.request(("POST", "/api/chat"), "/api/chat", &json!({ "message": message }))?;
        bench.cancel(answer["job_id"].as_str().ok_or("no turn began")?)?;
        Ok(cpu)
    })?;
    for bytes in [HISTORY_BYTES, 2 * HISTORY_BYTES] {
        let unit = format!("{} KB of history", bytes / 1024);
        bench.row("POST /v1/chat/completions, begin", &unit, |bench, number| {
            let body = completion(&source, number, bytes);
            let client = bench.client.clone();
            // Its usage row comes when the stream ends, ten seconds later: no row is waited for.
            let (stream, cpu) = bench.cpu(Worker::Gateway, ("/v1/chat/completions", 0), |_| begin(&client, &body))?;
            bench.cancel(&stream.job)?;
            Ok(cpu)
        })?;
    }
    bench.drain_all()
}

/// A request as a client makes it that keeps its history itself.
pub(super) fn completion(source: &Source, number: usize, history: usize) -> Value {
    let turn = |role: &str, place: usize, bytes| json!({ "role": role, "content": source.document(place, bytes).1 });
    let mut messages: Vec<Value> = (0..history / 4_096)
        .map(|place| turn(if place % 2 == 0 { "user" } else { "assistant" }, number * 29 + place, 4_000))
        .collect();
    messages.push(turn("user", number * 31, constants::CHAT_MESSAGE_BYTES - 64));
    json!({ "model": "friend-complex", "stream": true, "messages": messages })
}

/// A stream that nobody reads. Closing it would stop its turn.
pub(super) struct Stream {
    pub(super) job: String,
    _response: ureq::http::Response<ureq::Body>,
}

/// Begins a stream.
pub(super) fn begin(client: &Client, body: &Value) -> Result<Stream, Error> {
    let response = ureq::post(format!("{}/v1/chat/completions", client.url()))
        .header("authorization", format!("Bearer {}", client.key()))
        .send_json(body)?;
    let job = response.headers().get("x-job-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    Ok(Stream { job: job.ok_or("no turn began")?, _response: response })
}

pub(super) fn joins(bench: &mut Bench) -> Result<(), Error> {
    let session = bench.client.post("/api/session", &json!({ "title": "Measured" }))?.success()?;
    let path = format!("/api/session/{}/ws", session["id"].as_str().ok_or("no session was opened")?);
    let mut speaker = join(&bench.client, &path)?;
    for _ in 0..EVENTS {
        let frame = json!({ "type": "say", "text": "word ".repeat(EVENT_BYTES / 5) });
        speaker.send(Message::text(frame.to_string()))?;
    }
    let unit = format!("and its object's part: {EVENTS} events of 2 KB");
    bench.row("GET /api/session/{id}/ws", &unit, |bench, _| {
        let client = bench.client.clone();
        let joined = bench.cpu(Worker::Gateway, ("/api/session/{id}/ws", 1), |_| {
            let mut socket = join(&client, &path)?;
            while socket.read().is_ok() {}
            Ok(socket)
        });
        let (_socket, cpu): (_, Cpu) = joined?;
        Ok(cpu)
    })
}

fn join(client: &Client, path: &str) -> Result<WebSocket<TcpStream>, Error> {
    let address = client.url().trim_start_matches("http://").replace("localhost", "127.0.0.1");
    let stream = TcpStream::connect(&address)?;
    stream.set_read_timeout(Some(SILENCE))?;
    let request = ClientRequestBuilder::new(format!("ws://{address}{path}").parse()?)
        .with_header("authorization", format!("Bearer {}", client.key()));
    let mut handshake = tungstenite::client(request, stream);
    loop {
        match handshake {
            Ok((socket, _)) => return Ok(socket),
            Err(HandshakeError::Interrupted(middle)) => handshake = middle.handshake(),
            Err(HandshakeError::Failure(error)) => return Err(error.into()),
        }
    }
}
