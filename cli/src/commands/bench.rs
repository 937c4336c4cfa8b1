//! `friend bench`: one's own deployment measured with what it holds.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::probe::Probe;
use crate::{
    arguments::Bench,
    client::{Client, Request, pages},
    clock,
    context::Context,
    failure::{Exit, Failure},
    output,
};

/// Documents that are known by something of their own.
const DOCUMENTS: usize = 200;
/// Shortest word that is taken for a name of its own.
const WORD: usize = 8;
/// Hits that are looked at.
const TOP: usize = 10;

/// Something that stands in one document alone.
struct Known {
    document: String,
    word: String,
    line: String,
}

/// Between two searches for what was just sent: one by meaning costs neurons.
const WORDS_EVERY: Duration = Duration::from_millis(250);
const MEANING_EVERY: Duration = Duration::from_secs(1);

/// Measures and shows.
///
/// # Errors
/// There is nothing to measure with, or a part of it could not be measured.
pub fn bench(arguments: &Bench, context: &Context) -> Result<(), Failure> {
    let client = &context.client;
    let documents = pages::list(client, "/api/documents?status=indexed", DOCUMENTS)?;
    let known = known(client, &documents, arguments.searches)?;
    if known.is_empty() {
        return Err(
            Failure::new(Exit::NotFound, "there is no code or text to measure with").advise("`friend push` first")
        );
    }
    context.output.say(&format!("{} searches of each kind", known.len()));
    let by_word = measure(client, &known, |known| known.word.clone())?;
    let by_line = measure(client, &known, |known| known.line.clone())?;
    context.output.say("a document is sent, looked for until it is found, and removed again");
    let (searchable, probed) = searchable(client);
    let answer = json!({
        "searches": known.len(), "documents": documents.len(), "word": by_word.json(), "line": by_line.json(),
        "searchable": { "by_words_ms": searchable.by_words.map(milliseconds),
                        "by_meaning_ms": searchable.by_meaning.map(milliseconds) },
    });
    context.output.data(&answer, || {
        let row = |name: &str, measured: &Measured| {
            let recall = format!("{:.0} %", measured.recall() * 100.0);
            vec![name.to_owned(), recall, clock::span(measured.percentile(50)), clock::span(measured.percentile(95))]
        };
        let word = format!("a word that grep finds in one of {} files", documents.len());
        let rows = vec![row(&word, &by_word), row("the line it stands in", &by_line)];
        output::table(&["searched for", "among the first ten", "half within", "95 % within"], rows);
        let after = |span: Option<Duration>| span.map_or("nobody knows when".to_owned(), clock::span);
        let (words, meaning) = (after(searchable.by_words), after(searchable.by_meaning));
        output::line(&format!("searchable by words after {words}, by meaning after {meaning}"));
    });
    probed.map_err(|failure| Failure { exit: Exit::Partial, ..failure })
}

/// How long it takes from when a document is sent to when it is found.
#[derive(Debug, Default)]
struct Searchable {
    by_words: Option<Duration>,
    by_meaning: Option<Duration>,
}

fn searchable(client: &Client) -> (Searchable, Result<(), Failure>) {
    let mut searchable = Searchable::default();
    let (probe, sent) = Probe::send(client, "friend-bench");
    let found = sent.and_then(|()| find(&probe, &mut searchable));
    (searchable, found.and(probe.remove()))
}

fn find(probe: &Probe<'_>, searchable: &mut Searchable) -> Result<(), Failure> {
    searchable.by_words = Some(probe.found_by("keyword", WORDS_EVERY)?);
    // Before it is indexed no search by meaning is worth what it costs.
    probe.wait(|_| {})?;
    searchable.by_meaning = Some(probe.found_by("vector", MEANING_EVERY)?);
    Ok(())
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The words of documents that no other of them has: what grep finds in one file. Where there are more documents than
/// are looked at, one of the others may hold the word as well, and come first.
fn known(client: &Client, documents: &[Value], most: usize) -> Result<Vec<Known>, Failure> {
    let mut found: BTreeMap<String, Option<Known>> = BTreeMap::new();
    for document in documents {
        let id = output::text(&document["id"]);
        let original = client.send(&Request::new("GET", &format!("/api/documents/{id}/original")))?;
        let text = String::from_utf8_lossy(&original.body).into_owned();
        for (word, line) in words(&text) {
            let is_new = !found.contains_key(word);
            let is_other =
                found.get(word).is_some_and(|known| known.as_ref().is_some_and(|known| known.document != id));
            if is_new {
                let known = Known { document: id.clone(), word: word.to_owned(), line: line.trim().to_owned() };
                found.insert(word.to_owned(), Some(known));
            } else if is_other {
                found.insert(word.to_owned(), None);
            }
        }
    }
    // One of each document, as far as there are as many.
    let mut chosen: BTreeMap<String, Known> = BTreeMap::new();
    for known in found.into_values().flatten() {
        chosen.entry(known.document.clone()).or_insert(known);
    }
    Ok(chosen.into_values().take(most).collect())
}

fn words(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().flat_map(|line| {
        let words = line.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        words
            .filter(|word| word.len() >= WORD && !word.bytes().all(|byte| byte.is_ascii_digit()))
            .map(move |word| (word, line))
    })
}

struct Measured {
    found: usize,
    took: Vec<Duration>,
}

impl Measured {
    #[expect(clippy::cast_precision_loss, reason = "some dozen searches")]
    fn recall(&self) -> f64 {
        self.found as f64 / self.took.len().max(1) as f64
    }

    fn percentile(&self, percent: usize) -> Duration {
        let place = (self.took.len() * percent).div_ceil(100).saturating_sub(1);
        self.took.get(place).copied().unwrap_or_default()
    }

    fn json(&self) -> Value {
        let within = |percent| milliseconds(self.percentile(percent));
        json!({ "recall_at_10": self.recall(), "p50_ms": within(50), "p95_ms": within(95) })
    }
}

fn measure(client: &Client, known: &[Known], query: impl Fn(&Known) -> String) -> Result<Measured, Failure> {
    let mut measured = Measured { found: 0, took: Vec::new() };
    for known in known {
        let query: String = query(known).chars().take(1_000).collect();
        let body = json!({ "query": query, "top_k": TOP, "group_by": "document" });
        let began = Instant::now();
        let answer = client.json(Request::new("POST", "/api/search").repeatable(), &body)?;
        measured.took.push(began.elapsed());
        let hits = answer["hits"].as_array().into_iter().flatten();
        measured.found += usize::from(hits.into_iter().any(|hit| hit["document_id"].as_str() == Some(&known.document)));
    }
    measured.took.sort();
    Ok(measured)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        let measured = Measured { found: 1, took: (1..=20).map(Duration::from_millis).collect() };
        assert_eq!(measured.percentile(50), Duration::from_millis(10));
        assert_eq!(measured.percentile(95), Duration::from_millis(19));
    }
}
