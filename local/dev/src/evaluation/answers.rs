//! `make eval-answers`: answers measured on questions whose answers are known, through the HTTP API.
//!
//! The questions of `tests/answers/questions.jsonl` are about this repository's own documents; those of a set with
//! answers, such as `locomo_dev`, about the set's. Beside what is shown
//! stands what the model would have said without a check (`draft`). Whether a sentence asserts what stands nowhere is
//! decided here by other rules than the product's, on the whole documents.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Error,
    client::Client,
    configuration::Profile,
    evaluation::set::{self, Query},
    language_model::LanguageModel,
    product::{Options, Product, root},
};

const DEADLINE: Duration = Duration::from_mins(30);

/// A question, and what is known of its answer.
#[derive(Clone, Debug, Deserialize)]
struct Question {
    id: String,
    kind: String,
    question: String,
    /// Asked before it, in the same conversation.
    #[serde(default)]
    before: Vec<String>,
    /// One of each group stands in a right answer.
    #[serde(default)]
    gold: Vec<Vec<String>>,
    /// Documents of which one says it.
    #[serde(default)]
    sources: Vec<String>,
}

/// What became of a kind of questions.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    asked: usize,
    right: usize,
    refused: usize,
    cited: usize,
    cited_rightly: usize,
    found: usize,
    sentences: usize,
    stray: usize,
    drafted: usize,
    stray_of_draft: usize,
    neurons: f64,
    seconds: f64,
    slowest: f64,
}

/// Questions, and the documents they are about.
struct Material {
    questions: Vec<Question>,
    /// As they are uploaded.
    uploads: Vec<Value>,
    /// Their texts by name.
    documents: BTreeMap<String, String>,
}

/// A set of which one category asks about what was never said.
const LOCOMO: &str = "locomo_dev";
/// That category.
const NEVER_SAID: &str = "5";

/// Ours.
fn own() -> Result<Material, Error> {
    let folder = root().join("tests/answers");
    let names = fs::read_to_string(folder.join("documents.txt"))?;
    let documents: BTreeMap<String, String> = names
        .lines()
        .map(|name| Ok((name.to_owned(), fs::read_to_string(root().join(name))?)))
        .collect::<Result<_, Error>>()?;
    let upload =
        |(name, content): (&String, &String)| json!({ "external_id": name, "title": name, "content": content });
    let uploads = documents.iter().map(upload).collect();
    Ok(Material { questions: lines(&folder.join("questions.jsonl"))?, uploads, documents })
}

/// Those of a set, whose judges say which documents answer.
fn of_set(folder: &Path) -> Result<Material, Error> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let set = set::read(folder, &name)?;
    if set.queries.iter().all(|query| query.answer.is_none()) {
        return Err(format!("{} has no answers", folder.display()).into());
    }
    let question = |query: &Query| {
        let is_never_said = name == LOCOMO && query.category.as_deref() == Some(NEVER_SAID);
        let kind = query.category.as_ref().map_or_else(|| "answerable".to_owned(), |kind| format!("category {kind}"));
        let answering = set.gains[&query.id].iter().filter(|(_, gain)| **gain > 0.0).map(|(name, _)| name.clone());
        Question {
            id: query.id.clone(),
            kind: if is_never_said { "unanswerable".to_owned() } else { kind },
            question: query.text.clone(),
            before: Vec::new(),
            gold: query.answer.iter().filter(|_| !is_never_said).map(|answer| vec![answer.clone()]).collect(),
            sources: if is_never_said { Vec::new() } else { answering.collect() },
        }
    };
    let text = |upload: &Value, field: &str| upload[field].as_str().unwrap_or_default().to_owned();
    let documents = set
        .documents
        .iter()
        .map(|upload| (text(upload, "external_id"), format!("{}\n{}", text(upload, "title"), text(upload, "content"))));
    let documents = documents.collect();
    Ok(Material { questions: set.queries.iter().map(question).collect(), documents, uploads: set.documents })
}

/// Asks all, or every so-many-th of, the questions, ours or those of the set in a folder, and prints what came of them.
pub fn run(model: LanguageModel, set: Option<&Path>, every: usize, as_json: bool) -> Result<(), Error> {
    let Material { questions, uploads, documents } = set.map_or_else(own, of_set)?;
    let state = std::env::temp_dir().join(format!("friend-eval-answers-{}", std::process::id()));
    let with = format!("{model:?}");
    let evaluated = Options::for_evaluations(state.clone());
    let profile = Profile { drafts_only: model.comes_along(), ..evaluated.profile };
    let product = Product::start(Options { language_model: model, profile, ..evaluated })?;
    let client = product.new_user("answers")?;
    index(&client, &uploads)?;
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for question in questions.iter().step_by(every.max(1)) {
        let started = Instant::now();
        let answer = ask(&client, question)?;
        let seconds = started.elapsed().as_secs_f64();
        let one = tally(question, &answer, &documents, seconds);
        if std::env::var_os("SHOW").is_some() {
            println!(
                "{}",
                json!({"question": question.question, "id": question.id, "kind": question.kind,
                                  "right": one.right, "stray": one.stray, "answer": answer})
            );
        }
        for kind in [question.kind.as_str(), "all"] {
            let sum = tallies.entry(kind.to_owned()).or_default();
            *sum = sum.and(&one);
        }
    }
    print(&with, &tallies, as_json);
    drop(product);
    fs::remove_dir_all(state)?;
    Ok(())
}

/// The rows of a file that has one a line.
pub(crate) fn lines<Row: for<'a> Deserialize<'a>>(path: &Path) -> Result<Vec<Row>, Error> {
    fs::read_to_string(path)?.lines().map(|line| serde_json::from_str(line).map_err(Error::from)).collect()
}

fn index(client: &Client, uploads: &[Value]) -> Result<(), Error> {
    let answer = client.post("/api/index", &json!({ "documents": uploads }))?.success()?;
    let job = answer["job_id"].as_str().ok_or("no job")?;
    let view = client.follow(job, DEADLINE, |_| {})?;
    if view["status"] != "succeeded" {
        return Err(format!("the documents are not indexed: {view}").into());
    }
    Ok(())
}

/// Asks a question after those before it; the answer as its job has it.
fn ask(client: &Client, question: &Question) -> Result<Value, Error> {
    let mut conversation = Value::Null;
    let mut answer = Value::Null;
    for message in question.before.iter().chain([&question.question]) {
        let mut body = json!({ "message": message, "use_memory": false });
        if !conversation.is_null() {
            body["conversation_id"] = conversation.clone();
        }
        let begun = client.unhurried(|client| client.post("/api/chat", &body))?.success()?;
        conversation = begun["conversation_id"].clone();
        let job = begun["job_id"].as_str().ok_or("no job")?.to_owned();
        let view = client.follow(&job, DEADLINE, |_| {})?;
        if view["status"] != "succeeded" {
            return Err(format!("{}: {view}", question.id).into());
        }
        answer = view["result"].clone();
    }
    Ok(answer)
}

fn tally(question: &Question, answer: &Value, documents: &BTreeMap<String, String>, seconds: f64) -> Tally {
    let text = answer["answer"].as_str().unwrap_or_default();
    let lower = text.to_lowercase();
    let holds = |group: &Vec<String>| group.iter().any(|gold| lower.contains(&gold.to_lowercase()));
    let is_refused = answer["verdict"] == "unknown";
    let citations: Vec<&str> = answer["citations"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|cited| cited["external_id"].as_str())
        .collect();
    let is_right = |name: &&&str| question.sources.iter().any(|source| source == **name);
    let everything = documents.values().chain([&question.question]).chain(&question.before);
    let everything = everything.map(|text| collapsed(text)).collect::<Vec<_>>().join("\n");
    let is_by_model = answer["draft"].is_null() && answer["route"]["model"].is_string();
    let shown = if is_by_model { sentences(text) } else { Vec::new() };
    let shown: Vec<&str> = shown.into_iter().filter(|sentence| !sentence.contains("[unsupported]")).collect();
    let written = answer["draft"].as_str().unwrap_or(if is_by_model { text } else { "" });
    let drafted = sentences(written);
    let is_stray = |sentence: &&&str| !strays(sentence, &everything).is_empty();
    Tally {
        asked: 1,
        right: usize::from(!question.gold.is_empty() && !is_refused && question.gold.iter().all(holds)),
        refused: usize::from(is_refused),
        cited: if is_refused { 0 } else { citations.len() },
        cited_rightly: if is_refused { 0 } else { citations.iter().filter(is_right).count() },
        found: usize::from(citations.iter().any(|name| is_right(&name))),
        sentences: shown.len(),
        stray: shown.iter().filter(is_stray).count(),
        drafted: drafted.len(),
        stray_of_draft: drafted.iter().filter(is_stray).count(),
        neurons: answer["usage"]["neurons"].as_f64().unwrap_or(0.0),
        seconds,
        slowest: seconds,
    }
}

fn collapsed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase().replace(['`', '*'], "")
}

fn sentences(text: &str) -> Vec<&str> {
    text.split(['\n', '!', '?']).flat_map(|line| line.split(". ")).filter(|part| part.trim().len() > 2).collect()
}

/// What of a sentence looks as if it could be looked up, and stands nowhere: words with digits, with a capital inside
/// the sentence, or as only code spells them.
fn strays<'a>(sentence: &'a str, everything: &str) -> Vec<&'a str> {
    let words = sentence.split_whitespace().enumerate().filter_map(|(place, word)| {
        let bare = word.trim_matches(|mark: char| !mark.is_alphanumeric());
        let is_citation = word.starts_with('[');
        let has_digit = bare.bytes().any(|byte| byte.is_ascii_digit());
        let is_name = place > 0 && bare.starts_with(char::is_uppercase) && bare.len() > 2;
        let is_code = bare.contains(['_', '/', ':', '=']) || word.contains('`');
        (!is_citation && !bare.is_empty() && (has_digit || is_name || is_code)).then_some(bare)
    });
    words.filter(|word| !stands_in(everything, &word.to_lowercase().replace('`', ""))).collect()
}

/// True if a text has a word by itself: 87 is none of 8787.
fn stands_in(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let (before, behind) = (text[..at].chars().next_back(), text[at + word.len()..].chars().next());
        ![before, behind].into_iter().flatten().any(char::is_alphanumeric)
    })
}

impl Tally {
    fn and(&self, other: &Self) -> Self {
        Self {
            asked: self.asked + other.asked,
            right: self.right + other.right,
            refused: self.refused + other.refused,
            cited: self.cited + other.cited,
            cited_rightly: self.cited_rightly + other.cited_rightly,
            found: self.found + other.found,
            sentences: self.sentences + other.sentences,
            stray: self.stray + other.stray,
            drafted: self.drafted + other.drafted,
            stray_of_draft: self.stray_of_draft + other.stray_of_draft,
            neurons: self.neurons + other.neurons,
            seconds: self.seconds + other.seconds,
            slowest: self.slowest.max(other.slowest),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of questions")]
fn share(count: usize, of: usize) -> String {
    if of == 0 { "-".to_owned() } else { format!("{:.0} %", 100.0 * count as f64 / of as f64) }
}

#[expect(clippy::cast_precision_loss, reason = "counts of questions")]
fn print(model: &str, tallies: &BTreeMap<String, Tally>, as_json: bool) {
    if as_json {
        let rows = tallies.iter().map(|(kind, tally)| {
            (
                kind.clone(),
                json!({
                    "asked": tally.asked, "right": tally.right, "refused": tally.refused, "cited": tally.cited,
                    "cited_rightly": tally.cited_rightly, "found": tally.found, "sentences": tally.sentences,
                    "stray": tally.stray, "drafted": tally.drafted, "stray_of_draft": tally.stray_of_draft,
                    "neurons": tally.neurons / tally.asked as f64, "seconds": tally.seconds / tally.asked as f64,
                    "slowest": tally.slowest,
                }),
            )
        });
        println!("{}", json!({ "model": model, "kinds": rows.collect::<serde_json::Map<_, _>>() }));
        return;
    }
    println!("{model}");
    println!(
        "{:<13} {:>5} {:>6} {:>7} {:>10} {:>8} {:>14} {:>14} {:>8} {:>7} {:>8}",
        "kind",
        "asked",
        "right",
        "refused",
        "precision",
        "found",
        "stray shown",
        "stray drafted",
        "neurons",
        "s",
        "slowest"
    );
    for (kind, tally) in tallies {
        println!(
            "{kind:<13} {:>5} {:>6} {:>7} {:>10} {:>8} {:>14} {:>14} {:>8.1} {:>7.1} {:>8.1}",
            tally.asked,
            share(tally.right, tally.asked),
            share(tally.refused, tally.asked),
            share(tally.cited_rightly, tally.cited),
            share(tally.found, tally.asked),
            format!("{} of {}", tally.stray, tally.sentences),
            format!("{} of {}", tally.stray_of_draft, tally.drafted),
            tally.neurons / tally.asked as f64,
            tally.seconds / tally.asked as f64,
            tally.slowest,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_nowhere_is_found() {
        let everything = collapsed("Run `make dev` on port 8787. Ada wrote it.");
        assert!(strays("You run `make dev` as Ada said [1].", &everything).is_empty());
        assert_eq!(strays("You run `heroku` on 9000 as Bob said.", &everything), ["heroku", "9000", "Bob"]);
        assert_eq!(strays("It is 87 by Adam.", &everything), ["87", "Adam"], "no parts of words");
        assert!(strays("Nothing to look up.", &everything).is_empty());
    }

    #[test]
    fn a_right_answer_holds_one_of_each_group() {
        let question = Question {
            id: "q".to_owned(),
            kind: "answerable".to_owned(),
            question: "How?".to_owned(),
            before: Vec::new(),
            gold: vec![vec!["make dev".to_owned()], vec!["8787".to_owned(), "port".to_owned()]],
            sources: vec!["README.md".to_owned()],
        };
        let documents = BTreeMap::from([("README.md".to_owned(), "make dev, port 8787".to_owned())]);
        let answer = |text: &str| {
            json!({"answer": text, "verdict": "supported", "citations": [{"external_id": "README.md"}],
                                         "route": {"model": "m"}, "usage": {"neurons": 1.0}})
        };
        let right = tally(&question, &answer("Run make dev; it listens on a port [1]."), &documents, 1.0);
        assert_eq!((right.right, right.cited_rightly, right.found, right.stray), (1, 1, 1, 0));
        assert_eq!(tally(&question, &answer("Run make dev."), &documents, 1.0).right, 0);
    }
}
