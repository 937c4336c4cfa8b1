//! `make eval`: retrieval measured on real sets, through the HTTP API, with the real model.
//!
//! Each set ([`set`]) is a user of its own; hits are grouped by document. Beside the three modes of a search stand
//! [`grep`], and what it would cost to give a model everything. [`measures`] says how sure the figures are, and
//! [`history`] what has become worse since they were measured last. [`memories`] measures what is remembered.

pub mod answers;
mod facts;
mod grep;
mod history;
mod measures;
pub mod memories;
mod recall;
pub mod set;
mod talks;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use pipeline::chat::catalogue::{Catalogue, RouteName};
use serde_json::{Map, Value, json};

use self::{
    grep::Grep,
    measures::{DEPTH, Quality, interval, mean},
    set::{Query, Set},
};
use crate::{
    Error,
    client::Client,
    product::{Options, Product, root},
};

const DEADLINE: Duration = Duration::from_hours(1);
const DOCUMENTS_PER_REQUEST: usize = 500;
/// Queries asked at once.
const ASKERS: usize = 2;
/// In the order in which they are measured: hybrid is the first that embeds the queries, so that its costs are those of
/// a first search. Vector finds their embeddings cached.
const MODES: [&str; 3] = ["keyword", "hybrid", "vector"];
/// Bytes of a token of English, about.
const BYTES_PER_TOKEN: usize = 4;

/// What the formula of the first version reached: nDCG@10 and R@10 of the hybrid mode. Conversations as measured on a
/// deployment, by whole sessions.
const REFERENCE: [(&str, f64, f64); 5] = [
    ("cranfield", 0.413, 0.456),
    ("scifact", 0.747, 0.855),
    ("cosqa", 0.595, 0.834),
    ("chunking_eval", 0.775, 0.931),
    ("locomo_dev", 0.772, 0.915),
];

/// What is measured, and how it is told.
#[derive(Debug)]
pub struct Evaluation {
    /// The folder with the sets.
    pub data: PathBuf,
    /// Only these; all if there are none.
    pub sets: Vec<String>,
    /// For programs.
    pub json: bool,
    /// What was measured before; this run is appended.
    pub history: PathBuf,
}

/// Of one way of searching over one set: what every query's ranking is worth, in the order of the queries.
struct Searched {
    way: &'static str,
    qualities: Vec<Quality>,
    cost: Option<Cost>,
}

/// What a query costs.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    neurons: f64,
    rows_read: f64,
    /// Until it is answered, in milliseconds; the mean.
    milliseconds: f64,
}

/// Runs the evaluation.
///
/// # Errors
/// A set cannot be read, or the product does not answer.
pub fn run(evaluation: &Evaluation) -> Result<(), Error> {
    let data = &evaluation.data;
    if !data.is_dir() {
        return Err(format!("{} is not there; name a folder with sets by EVAL_DATA=…", data.display()).into());
    }
    let state = std::env::temp_dir().join(format!("friend-eval-{}", std::process::id()));
    let product = Product::start(Options::for_evaluations(state.clone()))?;
    let mut figures = Map::new();
    let mut sets = Map::new();
    if !evaluation.json {
        println!(
            "{:<22} {:>7} {:<8} {:>8} {:>16} {:>6}   cost of a query",
            "set", "queries", "way", "nDCG@10", "95 %", "R@10"
        );
    }
    for (name, ndcg, recall) in REFERENCE {
        let folder = data.join(name);
        if !folder.is_dir() || !(evaluation.sets.is_empty() || evaluation.sets.iter().any(|set| set == name)) {
            continue;
        }
        let set = set::read(&folder, name)?;
        let searched = search(&product, &set)?;
        for (group, members) in groups(&set) {
            let rows: Vec<Value> = searched.iter().map(|searched| row(searched, &members)).collect();
            for row in &rows {
                figures.insert(format!("{group} {}", text(&row["way"])), row["ndcg"].clone());
                if !evaluation.json {
                    print(&group, members.len(), row);
                }
            }
            let gain = gain(&searched, &members);
            if !evaluation.json {
                print_gain(&group, members.len(), &gain);
            }
            sets.insert(group, json!({ "queries": members.len(), "ways": rows, "hybrid_less_better": gain }));
        }
        if !evaluation.json {
            println!("{name:<22} the first version's hybrid had {ndcg:.3} / {recall:.3}; {}", full_context(&set));
        }
    }
    let run = json!({ "commit": commit(), "figures": figures });
    let runs = history::read(&evaluation.history)?;
    let worse = history::regressions(&runs, &run);
    history::append(&evaluation.history, &run)?;
    if evaluation.json {
        let worse: Vec<&str> = worse.iter().map(|figure| figure.name.as_str()).collect();
        println!("{}", json!({ "commit": run["commit"], "sets": sets, "worse": worse }));
    }
    for figure in worse.iter().filter(|_| !evaluation.json) {
        println!("WORSE: {} was {:.3} and is {:.3}", figure.name, figure.before, figure.now);
    }
    drop(product);
    std::fs::remove_dir_all(state)?;
    Ok(())
}

/// Indexes a set and searches it in every way.
fn search(product: &Product, set: &Set) -> Result<Vec<Searched>, Error> {
    let client = product.new_user(&set.name)?;
    let started = Instant::now();
    index(&client, set)?;
    eprintln!("{}: indexed in {:.0} s", set.name, started.elapsed().as_secs_f64());
    let grep = Grep::over(set);
    let grepped = |query: &Query| Quality::of(&grep.search(&query.text), &set.gains[&query.id]);
    let mut searched = vec![Searched { way: "grep", qualities: set.queries.iter().map(grepped).collect(), cost: None }];
    for mode in MODES {
        let before = taken(product, "/api/search")?;
        let started = Instant::now();
        let qualities = ask(&client, set, mode)?;
        let seconds = started.elapsed().as_secs_f64();
        // The last invocations write what they took after they have answered.
        std::thread::sleep(Duration::from_secs(1));
        let after = taken(product, "/api/search")?;
        #[expect(clippy::cast_precision_loss, reason = "counts of queries")]
        let (count, askers) = (qualities.len().max(1) as f64, ASKERS as f64);
        let cost = Cost {
            neurons: (after.0 - before.0) / count,
            rows_read: (after.1 - before.1) / count,
            milliseconds: 1_000.0 * seconds * askers / count,
        };
        searched.push(Searched { way: mode, qualities, cost: Some(cost) });
    }
    Ok(searched)
}

/// The neurons and rows read of all requests of a route so far.
fn taken(product: &Product, route: &str) -> Result<(f64, f64), Error> {
    let rows = product
        .query(&format!("SELECT total(neurons), total(d1_rows_read) FROM usage_log WHERE source = '{route}'"))?;
    let value = |place: usize| rows.first().and_then(|row| row.get(place)?.parse().ok()).unwrap_or(0.0);
    Ok((value(0), value(1)))
}

/// The whole set, and each category of it, with the places of its queries.
fn groups(set: &Set) -> Vec<(String, Vec<usize>)> {
    let mut groups = vec![(set.name.clone(), (0..set.queries.len()).collect())];
    let mut categories: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, query) in set.queries.iter().enumerate() {
        if let Some(category) = &query.category {
            categories.entry(category).or_default().push(place);
        }
    }
    groups.extend(categories.into_iter().map(|(category, places)| (format!("{} {category}", set.name), places)));
    groups
}

fn row(searched: &Searched, members: &[usize]) -> Value {
    let of = |figure: fn(&Quality) -> f64| -> Vec<f64> {
        members.iter().map(|place| figure(&searched.qualities[*place])).collect()
    };
    let ndcg = of(|quality| quality.ndcg);
    let (low, high) = interval(&ndcg);
    let cost = searched.cost.map(
        |cost| json!({"neurons": cost.neurons, "d1_rows_read": cost.rows_read, "milliseconds": cost.milliseconds}),
    );
    json!({
        "way": searched.way, "ndcg": mean(ndcg.iter().copied()), "low": low, "high": high,
        "recall": mean(of(|quality| quality.recall).into_iter()), "cost": cost,
    })
}

/// How much higher hybrid is than the better of what it fuses, query by query. What it must not do is lose.
fn gain(searched: &[Searched], members: &[usize]) -> Value {
    let ndcg = |way: &str| -> Vec<f64> {
        let searched = searched.iter().filter(|searched| searched.way == way);
        searched.flat_map(|searched| members.iter().map(|place| searched.qualities[*place].ndcg)).collect()
    };
    let [keyword, vector] = ["keyword", "vector"].map(ndcg);
    let is_vector = mean(vector.iter().copied()) > mean(keyword.iter().copied());
    let better = if is_vector { vector } else { keyword };
    let gains: Vec<f64> = ndcg("hybrid").iter().zip(&better).map(|(hybrid, better)| hybrid - better).collect();
    let (low, high) = interval(&gains);
    let than = if is_vector { "vector" } else { "keyword" };
    json!({ "than": than, "ndcg": mean(gains.iter().copied()), "low": low, "high": high })
}

fn print_gain(group: &str, queries: usize, gain: &Value) {
    let number = |field: &str| gain[field].as_f64().unwrap_or(0.0);
    let sure = format!("[{:+.3}, {:+.3}]", number("low"), number("high"));
    println!(
        "{group:<22} {queries:>7} {:<8} {:>+8.3} {sure:>16}          hybrid less {}, the better of both",
        "gain",
        number("ndcg"),
        text(&gain["than"])
    );
}

fn print(group: &str, queries: usize, row: &Value) {
    let number = |field: &str| row[field].as_f64().unwrap_or(0.0);
    let cost = &row["cost"];
    let of = |field: &str| cost[field].as_f64().unwrap_or(0.0);
    let told = if cost.is_null() {
        String::new()
    } else {
        format!("{:.2} neurons, {:.0} rows read, {:.0} ms", of("neurons"), of("d1_rows_read"), of("milliseconds"))
    };
    let sure = format!("[{:.3}, {:.3}]", number("low"), number("high"));
    println!(
        "{group:<22} {queries:>7} {:<8} {:>8.3} {sure:>16} {:>6.3}   {told}",
        text(&row["way"]),
        number("ndcg"),
        number("recall")
    );
}

/// What a question costs whose model reads all documents, where it could.
#[expect(clippy::cast_precision_loss, reason = "counts of tokens")]
fn full_context(set: &Set) -> String {
    let bytes: usize = set.documents.iter().map(|document| text(&document["content"]).len()).sum();
    let tokens = bytes / BYTES_PER_TOKEN;
    let catalogue = Catalogue::default();
    let route = catalogue.route(RouteName::General);
    let price = route.models.first().map_or(0.0, |model| catalogue.price(model).input);
    format!(
        "full context: {tokens} tokens a question, {:.0} neurons, in a window of {}: {}",
        tokens as f64 * price / 1e6,
        route.window,
        if tokens as u64 <= route.window { "it fits" } else { "it does not fit" }
    )
}

/// What is measured, by git; `None` where it is no checkout.
fn commit() -> Option<String> {
    let said = Command::new("git").args(["rev-parse", "--short", "HEAD"]).current_dir(root()).output().ok()?;
    said.status.success().then(|| String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
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

/// What the ranking of every query is worth.
fn ask(client: &Client, set: &Set, mode: &str) -> Result<Vec<Quality>, Error> {
    let next = AtomicUsize::new(0);
    let asker = || -> Result<Vec<(usize, Quality)>, Error> {
        let mut found = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(query) = set.queries.get(place) else { return Ok(found) };
            let answer =
                client.search(&json!({"query": query.text, "mode": mode, "top_k": DEPTH, "group_by": "document"}))?;
            if answer["mode"] != mode {
                return Err(format!("{mode} search was answered by {}", answer["mode"]).into());
            }
            let hits = answer["hits"].as_array().into_iter().flatten();
            let ranking: Vec<&str> = hits.filter_map(|hit| hit["external_id"].as_str()).collect();
            found.push((place, Quality::of(&ranking, &set.gains[&query.id])));
        }
    };
    let mut found = std::thread::scope(|scope| {
        let askers: Vec<_> = (0..ASKERS).map(|_| scope.spawn(asker)).collect();
        askers.into_iter().try_fold(Vec::new(), |mut all, asker| {
            all.extend(asker.join().map_err(|_| "an asker panicked")??);
            Ok::<_, Error>(all)
        })
    })?;
    found.sort_unstable_by_key(|(place, _)| *place);
    Ok(found.into_iter().map(|(_, quality)| quality).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

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
    fn hybrid_is_held_against_the_better_of_what_it_fuses() {
        let of = |way, ndcg: [f64; 3]| {
            let qualities = ndcg.map(|ndcg| Quality { ndcg, recall: 0.0 }).to_vec();
            Searched { way, qualities, cost: None }
        };
        let searched = [of("keyword", [0.2, 0.4, 1.0]), of("hybrid", [0.5, 0.4, 0.0]), of("vector", [0.4, 0.4, 0.0])];
        let all = gain(&searched, &[0, 1, 2]);
        assert_eq!(all["than"], "keyword");
        assert!((all["ndcg"].as_f64().unwrap() + 0.7 / 3.0).abs() < 1e-9, "{all}");
        let some = gain(&searched, &[0, 1]);
        assert!(some["than"] == "vector" && (some["ndcg"].as_f64().unwrap() - 0.05).abs() < 1e-9, "{some}");
    }

    #[test]
    fn a_set_is_measured_whole_and_by_category() {
        let query = |category: Option<&str>| Query {
            id: String::new(),
            text: String::new(),
            category: category.map(str::to_owned),
            answer: None,
        };
        let set = Set {
            name: "talks".to_owned(),
            documents: vec![json!({"content": "x".repeat(4_000)})],
            queries: vec![query(Some("2")), query(None), query(Some("1")), query(Some("2"))],
            gains: HashMap::new(),
        };
        let expected = [("talks", vec![0, 1, 2, 3]), ("talks 1", vec![2]), ("talks 2", vec![0, 3])];
        assert_eq!(groups(&set), expected.map(|(name, places)| (name.to_owned(), places)));
        assert!(full_context(&set).contains("1000 tokens") && full_context(&set).ends_with("it fits"));
    }
}
