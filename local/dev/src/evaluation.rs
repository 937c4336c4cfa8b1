//! `make eval`: retrieval measured on real sets, through the HTTP API, with the real model.
//!
//! A set is a folder with corpus.jsonl (`_id`, `title`, `text`), queries.jsonl (`_id`, `text`) and
//! qrels.tsv (query, document, gain). Each set is a user of its own; hits are grouped by document.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    Error,
    client::Client,
    language_model::LanguageModel,
    product::{Options, Product, embedding_cache},
};

const DEADLINE: Duration = Duration::from_hours(1);
const DOCUMENTS_PER_REQUEST: usize = 500;
/// Ranks that count.
const DEPTH: usize = 10;
/// Queries asked at once: as many as there are cores.
const ASKERS: usize = 2;
const MODES: [&str; 3] = ["keyword", "vector", "hybrid"];

/// What the formula before this one reached: nDCG@10 and R@10 of the hybrid mode. Conversations as measured on a
/// deployment, by whole sessions.
const REFERENCE: [(&str, f64, f64); 5] = [
    ("cranfield", 0.413, 0.456),
    ("scifact", 0.747, 0.855),
    ("cosqa", 0.595, 0.834),
    ("chunking_eval", 0.775, 0.931),
    ("locomo_dev", 0.772, 0.915),
];

struct Set {
    name: String,
    documents: Vec<Value>,
    queries: Vec<(String, String)>,
    gains: HashMap<String, HashMap<String, f64>>,
}

/// Runs the evaluation over the sets in a folder.
pub fn run(data: &Path, wanted: &[String]) -> Result<(), Error> {
    if !data.is_dir() {
        println!("{} is not there; name a folder with sets by EVAL_DATA=…", data.display());
        return Ok(());
    }
    let state = std::env::temp_dir().join(format!("friend-eval-{}", std::process::id()));
    let product = Product::start(Options {
        cron_every: Duration::from_secs(30),
        language_model: LanguageModel::None,
        embedding_cache: Some(embedding_cache()),
        ..Options::for_tests(state.clone())
    })?;
    println!(
        "{:<15} {:>8} {:>9}   {:<8} {:>8} {:>8}   reference (hybrid)",
        "set", "queries", "documents", "mode", "nDCG@10", "R@10"
    );
    for (name, ndcg, recall) in REFERENCE {
        let folder = data.join(name);
        if !folder.is_dir() || !(wanted.is_empty() || wanted.iter().any(|set| set == name)) {
            continue;
        }
        evaluate(&product, &read(&folder, name)?, (ndcg, recall))?;
    }
    drop(product);
    fs::remove_dir_all(state)?;
    Ok(())
}

/// Indexes a set and prints how well each mode finds what its judges wanted, the hybrid one beside the reference.
fn evaluate(product: &Product, set: &Set, (ndcg, recall): (f64, f64)) -> Result<(), Error> {
    let name = &set.name;
    let client = product.new_user(name)?;
    let started = Instant::now();
    index(&client, set)?;
    eprintln!("{name}: indexed in {:.0} s", started.elapsed().as_secs_f64());
    for mode in MODES {
        let (found_ndcg, found_recall) = measure(&client, set, mode)?;
        let (ndcg_more, recall_more) = (found_ndcg - ndcg, found_recall - recall);
        let reference = if mode == "hybrid" {
            format!("{ndcg:.3} / {recall:.3}   difference {ndcg_more:+.3} / {recall_more:+.3}")
        } else {
            String::new()
        };
        println!(
            "{name:<15} {:>8} {:>9}   {mode:<8} {found_ndcg:>8.3} {found_recall:>8.3}   {reference}",
            set.gains.len(),
            set.documents.len()
        );
    }
    Ok(())
}

fn read(folder: &Path, name: &str) -> Result<Set, Error> {
    let lines = |file: &str| -> Result<Vec<Value>, Error> {
        let text = fs::read_to_string(folder.join(file))?;
        text.lines().map(|line| serde_json::from_str(line).map_err(Error::from)).collect()
    };
    let text = |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
    let is_code = name == "cosqa";
    let documents = lines("corpus.jsonl")?
        .iter()
        .filter(|document| !text(document, "text").trim().is_empty())
        .map(|document| {
            let mut upload = json!({
                "external_id": text(document, "_id"), "title": text(document, "title"),
                "content": text(document, "text"),
            });
            if is_code {
                upload["type"] = json!("code");
                upload["language"] = json!("python");
                // The functions have no file; without a title the id would be one.
                upload["title"] = json!(first_definition(&text(document, "text")));
            }
            upload
        })
        .collect();
    let mut gains: HashMap<String, HashMap<String, f64>> = HashMap::new();
    for line in fs::read_to_string(folder.join("qrels.tsv"))?.lines().skip(1) {
        let mut fields = line.split('\t');
        if let (Some(query), Some(document), Some(gain)) = (fields.next(), fields.next(), fields.next()) {
            gains.entry(query.to_owned()).or_default().insert(document.to_owned(), gain.trim().parse()?);
        }
    }
    let queries = lines("queries.jsonl")?
        .iter()
        .map(|query| (text(query, "_id"), text(query, "text")))
        .filter(|(id, _)| gains.contains_key(id))
        .collect();
    Ok(Set { name: name.to_owned(), documents, queries, gains })
}

fn first_definition(code: &str) -> String {
    let name = code.lines().find_map(|line| line.trim().strip_prefix("def ")).unwrap_or_default();
    name.split('(').next().unwrap_or_default().to_owned()
}

fn index(client: &Client, set: &Set) -> Result<(), Error> {
    let mut jobs = Vec::new();
    for documents in set.documents.chunks(DOCUMENTS_PER_REQUEST) {
        let answer = client.post("/api/index", &json!({ "documents": documents }))?.success()?;
        let items = answer["items"].as_array().into_iter().flatten();
        print_refused(&set.name, &items.filter(|item| item["status"] == "rejected").collect::<Vec<_>>());
        jobs.extend(answer["job_id"].as_str().map(str::to_owned));
    }
    for job in jobs {
        let view = client.follow(&job, DEADLINE, |_| {})?;
        // Of a large request the answer holds nothing of this: it is read later.
        if view["upload"]["rejected"].as_u64().is_some_and(|count| count > 0) {
            print_refused(&set.name, &client.items(&job, Some("rejected"))?.iter().collect::<Vec<_>>());
        }
        if !is_indexed(&view) {
            return Err(format!("{}: {view}", set.name).into());
        }
    }
    Ok(())
}

/// True if all of a job's documents are indexed but those that were refused.
fn is_indexed(view: &Value) -> bool {
    let is_whole = view["upload"]["broken"].is_null() && view["items"]["failed"] == 0;
    view["status"] == "succeeded" || view["status"] == "partial" && is_whole
}

fn print_refused(set: &str, refused: &[&Value]) {
    if !refused.is_empty() {
        eprintln!("{set}: {} documents refused: {}", refused.len(), json!(refused));
    }
}

/// Mean nDCG and recall over all judged queries.
fn measure(client: &Client, set: &Set, mode: &str) -> Result<(f64, f64), Error> {
    let next = AtomicUsize::new(0);
    let ask = || -> Result<(f64, f64), Error> {
        let (mut ndcg, mut recall) = (0.0, 0.0);
        while let Some((id, query)) = set.queries.get(next.fetch_add(1, Ordering::Relaxed)) {
            let answer =
                client.search(&json!({"query": query, "mode": mode, "top_k": DEPTH, "group_by": "document"}))?;
            if answer["mode"] != mode {
                return Err(format!("{mode} search was answered by {}", answer["mode"]).into());
            }
            let ranking: Vec<&str> =
                answer["hits"].as_array().into_iter().flatten().filter_map(|hit| hit["external_id"].as_str()).collect();
            ndcg += ndcg_at(&ranking, &set.gains[id]);
            recall += recall_at(&ranking, &set.gains[id]);
        }
        Ok((ndcg, recall))
    };
    let sums = std::thread::scope(|scope| {
        let askers: Vec<_> = (0..ASKERS).map(|_| scope.spawn(ask)).collect();
        askers
            .into_iter()
            .map(|asker| asker.join().map_err(|_| "an asker panicked")?)
            .collect::<Result<Vec<_>, Error>>()
    })?;
    #[expect(clippy::cast_precision_loss, reason = "a few hundred queries")]
    let count = set.queries.len().max(1) as f64;
    Ok((
        sums.iter().map(|(ndcg, _)| ndcg).sum::<f64>() / count,
        sums.iter().map(|(_, recall)| recall).sum::<f64>() / count,
    ))
}

/// Normalised discounted cumulative gain with linear gains. Source: Järvelin and Kekäläinen, TOIS 2002.
fn ndcg_at(ranking: &[&str], gains: &HashMap<String, f64>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "ranks up to ten")]
    let discount = |rank: usize| (rank as f64 + 2.0).log2();
    let found: f64 =
        ranking.iter().take(DEPTH).enumerate().map(|(rank, id)| gains.get(*id).unwrap_or(&0.0) / discount(rank)).sum();
    let mut best: Vec<f64> = gains.values().copied().collect();
    best.sort_by(|one, other| other.total_cmp(one));
    let ideal: f64 = best.iter().take(DEPTH).enumerate().map(|(rank, gain)| gain / discount(rank)).sum();
    if ideal > 0.0 { found / ideal } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "a few documents")]
fn recall_at(ranking: &[&str], gains: &HashMap<String, f64>) -> f64 {
    let relevant: HashSet<&str> = gains.iter().filter(|(_, gain)| **gain > 0.0).map(|(id, _)| id.as_str()).collect();
    let found = ranking.iter().take(DEPTH).filter(|id| relevant.contains(*id)).count();
    found as f64 / relevant.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_no_failure_and_what_was_lost_is_one() {
        let view = |status: &str, failed: u64, broken: Value| {
            let upload = json!({"rejected": 2, "broken": broken});
            json!({"status": status, "items": {"failed": failed}, "upload": upload})
        };
        assert!(is_indexed(&json!({"status": "succeeded", "items": {"failed": 0}})));
        assert!(is_indexed(&view("partial", 0, Value::Null)));
        assert!(!is_indexed(&view("partial", 1, Value::Null)));
        assert!(!is_indexed(&view("partial", 0, json!({"byte": 7}))));
        assert!(!is_indexed(&view("failed", 0, Value::Null)));
    }

    #[test]
    fn gains_are_discounted_and_normalised() {
        let gains = HashMap::from([("a".to_owned(), 1.0), ("b".to_owned(), 1.0)]);
        assert!((ndcg_at(&["a", "b"], &gains) - 1.0).abs() < 1e-12);
        let expected = (1.0 / 3f64.log2()) / (1.0 + 1.0 / 3f64.log2());
        assert!((ndcg_at(&["x", "a"], &gains) - expected).abs() < 1e-12);
        assert!((recall_at(&["x", "a"], &gains) - 0.5).abs() < 1e-12);
    }
}
