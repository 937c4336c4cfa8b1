//! `make eval-memories`: recall of what was said before, and superseded since, through the HTTP API.
//!
//! Of a hundred cases of our own ([`facts`]) and of conversations of others ([`talks`], where they are at hand), each
//! question recalls as many memories as a recall brings. A question is answered if a memory that says what holds is
//! among the first five; an answer is stale if one comes that was superseded. Beside what the product recalls stands
//! what [`Grep`] finds among all that was said, of which it shows ten.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use serde_json::{Map, Value, json};

use super::{
    commit,
    facts::{self, Case, Way},
    grep::Grep,
    recall::{Question, Recall, figures},
    taken,
    talks::{self, Talk},
    text,
};
use crate::{
    Error,
    client::Client,
    evaluation::answers::lines,
    product::{Options, Product, root},
};

/// As many memories as one recall brings at most.
const MOST: usize = 20;
const ROUTE: &str = "/api/memory";
const OWN: &str = "own";
const TALKS: &str = "locomo_dev";

/// What is measured, and how it is told.
#[derive(Debug)]
pub struct Memories {
    /// The folder with the sets that are not our own.
    pub data: PathBuf,
    /// Only these; all if there are none.
    pub sets: Vec<String>,
    /// For programs.
    pub json: bool,
}

/// What came of all questions of a set, in one way.
#[derive(Debug)]
struct Measured {
    way: &'static str,
    recalls: Vec<Recall>,
    spent: Option<Spent>,
    /// How many corrections the product itself brought together with what they correct.
    matched: Option<usize>,
}

/// What all recalls took.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    neurons: f64,
    rows_read: f64,
    /// Until they were answered, one after another.
    milliseconds: f64,
}

impl Memories {
    fn wants(&self, set: &str) -> bool {
        self.sets.is_empty() || self.sets.iter().any(|wanted| wanted == set)
    }
}

/// Runs the evaluation.
///
/// # Errors
/// A set cannot be read, or the product does not answer.
pub fn run(memories: &Memories) -> Result<(), Error> {
    let state = std::env::temp_dir().join(format!("friend-eval-memories-{}", std::process::id()));
    let product = Product::start(Options::for_evaluations(state.clone()))?;
    let mut sets = Map::new();
    let mut tell = |set: &str, measured: &[Measured]| {
        let rows = rows(set, measured);
        if !memories.json {
            print(&rows);
        }
        sets.insert(set.to_owned(), Value::Array(rows));
    };
    if memories.wants(OWN) {
        let cases: Vec<Case> = lines(&root().join("tests/answers/memories.jsonl"))?;
        tell(OWN, &own(&product, &cases)?);
    }
    let folder = memories.data.join(TALKS);
    if memories.wants(TALKS) && folder.is_dir() {
        tell(TALKS, &conversations(&product, &talks::read(&folder, TALKS)?)?);
    }
    if memories.json {
        println!("{}", json!({ "commit": commit(), "sets": sets }));
    }
    drop(product);
    std::fs::remove_dir_all(state)?;
    Ok(())
}

/// Our own cases in every way, each that of a user of its own.
fn own(product: &Product, cases: &[Case]) -> Result<Vec<Measured>, Error> {
    let grep = Grep::over_texts(facts::sentences(cases));
    let questions = facts::questions(cases, |sentence| [sentence.to_owned()].into());
    let mut all = vec![Measured { way: "grep", recalls: grepped(&grep, &questions), spent: None, matched: None }];
    for way in Way::ALL {
        let client = product.new_user(way.name())?;
        let kept = way.keep(&client, cases)?;
        let (recalls, spent) = ask(product, &client, way.name(), &kept.questions)?;
        all.push(Measured { way: way.name(), recalls, spent: Some(spent), matched: kept.matched });
    }
    Ok(all)
}

/// Conversations of others, each that of a user of its own.
fn conversations(product: &Product, talks: &[Talk]) -> Result<Vec<Measured>, Error> {
    let (mut by_grep, mut recalls, mut spent) = (Vec::new(), Vec::new(), Spent::default());
    for talk in talks {
        if !talk.fits() {
            eprintln!("{}: more turns than a user may have remembered, left out", talk.name);
            continue;
        }
        let questions = talk.questions(|turn| Some(turn.to_owned()));
        by_grep.extend(grepped(&Grep::over_texts(talk.turns()), &questions));
        let client = product.new_user(&talk.name)?;
        let started = Instant::now();
        let questions = talk.keep(&client)?;
        eprintln!("{}: remembered in {:.0} s", talk.name, started.elapsed().as_secs_f64());
        let (more, took) = ask(product, &client, "each turn", &questions)?;
        recalls.extend(more);
        spent = spent.and(took);
    }
    Ok(vec![
        Measured { way: "grep", recalls: by_grep, spent: None, matched: None },
        Measured { way: "each turn", recalls, spent: Some(spent), matched: None },
    ])
}

fn grepped(grep: &Grep, questions: &[Question]) -> Vec<Recall> {
    questions.iter().map(|question| Recall::of(&grep.search(&question.text), question)).collect()
}

/// Recalls what each question asks for.
fn ask(product: &Product, client: &Client, way: &str, questions: &[Question]) -> Result<(Vec<Recall>, Spent), Error> {
    let before = settled(product)?;
    let (mut recalls, mut milliseconds) = (Vec::new(), 0.0);
    for question in questions {
        let started = Instant::now();
        let memories = client.recall(&question.text, MOST)?;
        milliseconds += 1_000.0 * started.elapsed().as_secs_f64();
        let ranking: Vec<&str> = memories.iter().map(|memory| text(&memory["id"])).collect();
        recalls.push(Recall::of(&ranking, question));
        show(way, question, &memories);
    }
    let after = settled(product)?;
    Ok((recalls, Spent { neurons: after.0 - before.0, rows_read: after.1 - before.1, milliseconds }))
}

/// What was taken so far, once the last invocations have written it: they do after they have answered.
fn settled(product: &Product) -> Result<(f64, f64), Error> {
    std::thread::sleep(Duration::from_secs(1));
    taken(product, ROUTE)
}

/// With `SHOW` in the environment: what came.
fn show(way: &str, question: &Question, memories: &[Value]) {
    if std::env::var_os("SHOW").is_none() {
        return;
    }
    let told = |memory: &Value| {
        let id = text(&memory["id"]);
        let is_stale = question.stale.as_ref().is_some_and(|stale| stale.contains(id));
        let mark = if question.wanted.contains(id) {
            "wanted"
        } else if is_stale {
            "stale"
        } else {
            ""
        };
        json!([mark, memory["text"], memory["score"], memory["similarity"], memory["found_by"]])
    };
    let came: Vec<Value> = memories.iter().map(told).collect();
    let is_kept = !question.wanted.is_empty();
    println!("{}", json!({"way": way, "id": question.id, "question": question.text, "kept": is_kept, "came": came}));
}

/// The figures of a set, a row for each way and group; what a way took and matched stands with the whole set.
fn rows(set: &str, all: &[Measured]) -> Vec<Value> {
    let of = |measured: &Measured| -> Vec<Value> {
        let cost = measured.spent.map(|spent| spent.each(measured.recalls.len()));
        let mut rows: Vec<Value> = figures(set, &measured.recalls)
            .into_iter()
            .map(|(group, figures)| json!({"group": group, "way": measured.way, "figures": figures}))
            .collect();
        if let Some(whole) = rows.first_mut() {
            (whole["cost"], whole["matched"]) = (json!(cost), json!(measured.matched));
        }
        rows
    };
    all.iter().flat_map(of).collect()
}

/// The columns: a figure's name, and what stands above it.
const COLUMNS: [(&str, &str); 6] = [
    ("kept", "kept"),
    ("first", "R@1"),
    ("among_first", "R@5"),
    ("stale", "stale"),
    ("stale_among_first", "stale@5"),
    ("stale_before", "misled"),
];

fn print(rows: &[Value]) {
    let above = COLUMNS.map(|(_, above)| format!("{above:>15}")).concat();
    println!("{:<20} {:<9} {:>5}{above}   per cent [95 %]", "set", "way", "asked");
    for row in rows {
        let figures = &row["figures"];
        let shares = COLUMNS.map(|(name, _)| format!("{:>15}", told(&figures[name]))).concat();
        let (group, way) = (text(&row["group"]), text(&row["way"]));
        println!("{group:<20} {way:<9} {:>5}{shares}   {}", figures["kept"]["of"], beside(row));
    }
}

/// A share in per cent, and between what it lies.
fn told(share: &Value) -> String {
    if share.is_null() {
        return "-".to_owned();
    }
    let percent = |field: &str| 100.0 * share[field].as_f64().unwrap_or(0.0);
    format!("{:.0} [{:.0}, {:.0}]", percent("share"), percent("low"), percent("high"))
}

/// What a recall took, and how many corrections were brought together with what they correct, where that is known.
fn beside(row: &Value) -> String {
    let cost = &row["cost"];
    let of = |field: &str| cost[field].as_f64().unwrap_or(0.0);
    let took = cost.is_object().then(|| {
        format!("{:.3} neurons, {:.0} rows read, {:.0} ms", of("neurons"), of("d1_rows_read"), of("milliseconds"))
    });
    let matched = row["matched"].as_u64().map(|matched| format!("{matched} corrections matched"));
    [took, matched].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

impl Spent {
    fn and(self, more: Self) -> Self {
        Self {
            neurons: self.neurons + more.neurons,
            rows_read: self.rows_read + more.rows_read,
            milliseconds: self.milliseconds + more.milliseconds,
        }
    }

    /// What one of so many recalls took.
    #[expect(clippy::cast_precision_loss, reason = "counts of questions")]
    fn each(self, recalls: usize) -> Value {
        let each = |all: f64| all / recalls.max(1) as f64;
        json!({
            "neurons": each(self.neurons), "d1_rows_read": each(self.rows_read),
            "milliseconds": each(self.milliseconds),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_way_took_stands_with_the_whole_set() {
        let question = |groups: &[&str]| Question {
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            wanted: ["a".to_owned()].into(),
            ..Question::default()
        };
        let recalls = vec![Recall::of(&["b", "a"], &question(&["one"])), Recall::of(&["b"], &question(&["other"]))];
        let spent = Spent { neurons: 1.0, rows_read: 8.0, milliseconds: 30.0 };
        let spent = Some(spent.and(spent));
        let rows = rows("own", &[Measured { way: "beside", recalls, spent, matched: Some(7) }]);
        let groups: Vec<&str> = rows.iter().map(|row| text(&row["group"])).collect();
        assert_eq!(groups, ["own", "own one", "own other"]);
        assert_eq!(beside(&rows[0]), "1.000 neurons, 8 rows read, 30 ms, 7 corrections matched");
        assert_eq!(beside(&rows[1]), "");
        assert_eq!(told(&rows[1]["figures"]["among_first"]), "100 [100, 100]");
        assert_eq!(told(&rows[1]["figures"]["stale"]), "-");
    }
}
