//! What is found by words: inside sentences without spaces, and names in code of which only the beginning is known.

use pipeline::platform::ports::Meter as _;
use serde_json::{Value, json};
use tests::{
    report,
    rig::Rig,
    unspaced::{Labelled, labelled},
};

/// Places that count.
const DEPTH: usize = 10;

/// A product that knows each text by its name.
fn indexed(texts: &[(&str, &str)]) -> Rig {
    let rig = Rig::new(1);
    let documents: Vec<Value> =
        texts.iter().map(|(name, text)| json!({ "external_id": name, "title": "", "content": text })).collect();
    rig.upload(&json!(documents));
    rig.drain();
    rig
}

fn by_words(rig: &Rig, query: &str) -> Vec<String> {
    rig.search(&json!({ "query": query, "mode": "keyword", "top_k": DEPTH }))
}

/// Recall and mean reciprocal rank among the first ten hits.
#[expect(clippy::cast_precision_loss, reason = "a few queries")]
fn measure(rig: &Rig, script: &Labelled) -> (f64, f64) {
    let (mut recall, mut reciprocal) = (0.0, 0.0);
    for (query, wanted) in &script.queries {
        let hits = by_words(rig, query);
        let wanted: Vec<String> = wanted.iter().map(|number| format!("{}-{number}", script.name)).collect();
        let found: Vec<usize> = (0..hits.len()).filter(|place| wanted.contains(&hits[*place])).collect();
        recall += found.len() as f64 / wanted.len() as f64;
        reciprocal += found.first().map_or(0.0, |place| 1.0 / (place + 1) as f64);
    }
    let queries = script.queries.len() as f64;
    (recall / queries, reciprocal / queries)
}

#[test]
fn words_inside_sentences_without_spaces_are_found() {
    let scripts = labelled();
    let names: Vec<(String, &str)> = scripts
        .iter()
        .flat_map(|script| (1..).zip(&script.sentences).map(|(n, text)| (format!("{}-{n}", script.name), *text)))
        .collect();
    assert_eq!(names.len(), 90);
    let rig = indexed(&names.iter().map(|(name, text)| (name.as_str(), *text)).collect::<Vec<_>>());
    for script in &scripts {
        assert_eq!(script.queries.len(), 20);
        let (recall, reciprocal) = measure(&rig, script);
        report(&format!("{} by keyword: recall@10 {recall:.3}, MRR {reciprocal:.3}", script.name));
        assert!(recall >= 0.99 && reciprocal >= 0.95, "{}: {recall} {reciprocal}", script.name);
    }
}

#[test]
fn words_of_two_scripts_in_one_are_found_by_either() {
    let rig = indexed(&[("ja", "検索エンジンをRust言語で書き直した。"), ("en", "The engine is written in Rust.")]);
    assert_eq!(by_words(&rig, "言語"), ["ja"]);
    assert_eq!(by_words(&rig, "エンジン"), ["ja"]);
    let mut both = by_words(&rig, "rust");
    both.sort();
    assert_eq!(both, ["en", "ja"]);
    assert_eq!(by_words(&rig, "Rust言語")[0], "ja");
}

#[test]
fn a_letter_that_is_a_word_is_found_wherever_it_stands() {
    let texts = [("first", "犬が吠える"), ("inside", "隣の犬は白い"), ("last", "あれは犬"), ("other", "猫が寝る")];
    let mut found = by_words(&indexed(&texts), "犬");
    found.sort();
    assert_eq!(found, ["first", "inside", "last"]);
}

#[test]
fn titles_without_spaces_are_found_by_their_words() {
    let rig = Rig::new(1);
    rig.upload(&json!([{"external_id": "a", "title": "京都旅行の計画", "content": "It rains."}]));
    rig.drain();
    assert_eq!(by_words(&rig, "旅行"), ["a"]);
}

#[test]
fn memories_without_spaces_are_recalled_by_their_words() {
    let rig = Rig::new(1);
    rig.request("POST", "/api/memory", &json!({"text": "我对花生过敏"}));
    let found = rig.request("GET", "/api/memory?query=%E8%8A%B1%E7%94%9F", &Value::Null).body;
    assert_eq!(found["items"][0]["found_by"], json!(["keyword"]), "{found}");
}

#[test]
fn what_an_earlier_version_indexed_is_found_as_it_was() {
    let rig = indexed(&[("ja", "図書館"), ("en", "A library.")]);
    rig.memory.run_script(
        "DELETE FROM chunks_fts_1;
         INSERT INTO chunks_fts_1 (rowid, scope, title, body, ident) SELECT id, '', '', text, '' FROM chunks",
    );
    assert_eq!(by_words(&rig, "図書館"), ["ja"]);
    assert_eq!(by_words(&rig, "library"), ["en"]);
}

/// Code with names of several parts.
fn code() -> Rig {
    let rig = Rig::new(1);
    let file = |name: &str, text: &str| json!({"external_id": name, "title": name, "type": "code", "content": text});
    rig.upload(&json!([
        file("a.rs", "fn parseConfiguration(text: &str) -> Configuration { todo() }"),
        file("b.rs", "fn parseHeader(text: &str) -> Header { todo() }"),
        file("c.rs", "fn parseBody(text: &str) -> Body { todo() }"),
        file("d.py", "def configuration_loader(path): return open(path)"),
        file("e.py", "def load(path): return read(path)"),
        {"external_id": "notes.md", "title": "notes", "content": "The planetarium opens at nine."},
    ]));
    rig.drain();
    rig
}

#[test]
fn a_name_in_code_is_found_by_the_beginnings_of_its_parts() {
    let rig = code();
    assert_eq!(by_words(&rig, "parseConf")[0], "a.rs");
    assert_eq!(by_words(&rig, "conf_load")[0], "d.py");
    assert_eq!(by_words(&rig, "configuration.load")[0], "d.py");
    let mut beginning = by_words(&rig, "config");
    beginning.sort();
    assert_eq!(beginning, ["a.rs", "d.py"]);
    // Inner parts have always been words.
    assert_eq!(by_words(&rig, "loader"), ["d.py"]);
}

#[test]
fn a_name_that_is_spelt_whole_and_a_word_of_prose_are_found_as_ever() {
    let rig = code();
    let whole = by_words(&rig, "parseHeader");
    assert_eq!((whole[0].as_str(), whole.len()), ("b.rs", 3), "parts of the name are found after it");
    assert_eq!(by_words(&rig, "planet"), [""; 0], "a word of prose is no part of a longer one");
    assert_eq!(by_words(&rig, "load"), ["e.py"]);
    let mut open = by_words(&rig, "opens");
    open.sort();
    assert_eq!(open, ["d.py", "notes.md"]);
    let prose = json!({"query": "parseConf", "mode": "keyword", "filters": {"type": "doc"}});
    assert_eq!(rig.search(&prose), [""; 0]);
}

#[test]
fn looking_for_beginnings_costs_a_statement_and_what_it_finds() {
    let rig = code();
    let cost = |query: &str| {
        let answer = rig.request("POST", "/api/search", &json!({"query": query, "mode": "keyword", "top_k": 1}));
        assert_eq!(answer.status, 200, "{}", answer.body);
        (rig.memory.asked().d1_queries, rig.memory.usage().d1_rows_read)
    };
    // What was found is noted once a day: not by what is measured.
    let _ = (cost("header parse"), cost("configuration parse"));
    let (words, whole, beginning) = (cost("parse header"), cost("parseHeader"), cost("parseConf"));
    report(&format!("queries and rows read: by words {words:?}, a whole name {whole:?}, its beginning {beginning:?}"));
    assert_eq!((whole.0 - words.0, beginning.0 - words.0), (1, 1));
    assert!(beginning.1 <= words.1 + 12, "{words:?} {whole:?} {beginning:?}");
}
