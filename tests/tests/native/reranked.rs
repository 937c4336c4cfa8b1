//! Searches whose first hits the reranking model puts in order, and what becomes of them when it does not.
#![expect(clippy::unwrap_used, reason = "tests")]

use pipeline::{constants, failure::Failure, model::RERANKING};
use serde_json::{Value, json};
use test_platform::Judgement;
use tests::rig::{Answer, Rig};

/// Hits that the model looks at.
const FIRST: usize = 20;

/// Two dozen documents that all hold the word, some more often than others.
fn library() -> Rig {
    let rig = Rig::new(1);
    let document = |number: usize| {
        let text = format!("{}and {}", "tides ".repeat(number + 1), "other words ".repeat(30 - number));
        json!({"external_id": format!("{number}.md"), "title": format!("Part {number}"), "content": text})
    };
    rig.upload(&json!((0..24).map(document).collect::<Vec<_>>()));
    rig.drain();
    rig.memory.advance(constants::VECTORS_VISIBLE_AFTER);
    rig
}

fn search(rig: &Rig, with: &[(&str, Value)]) -> Answer {
    let mut request = json!({"query": "tides", "top_k": 24});
    for (name, value) in with {
        request[*name] = value.clone();
    }
    let answer = rig.request("POST", "/api/search", &request);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer
}

fn reranked(rig: &Rig, with: &[(&str, Value)]) -> Answer {
    search(rig, &[with, &[("rerank", json!(true))]].concat())
}

fn names(answer: &Answer) -> Vec<String> {
    let hits = answer.body["hits"].as_array().unwrap();
    hits.iter().map(|hit| hit["external_id"].as_str().unwrap().to_owned()).collect()
}

fn hit<'a>(answer: &'a Answer, name: &str) -> &'a Value {
    answer.body["hits"].as_array().unwrap().iter().find(|hit| hit["external_id"] == name).unwrap()
}

/// Why less was done than was asked for.
fn degraded(answer: &Answer) -> Option<&str> {
    answer.headers.get("x-degraded").map(|why| why.to_str().unwrap())
}

fn neurons(rig: &Rig) -> (f64, f64, f64) {
    let number = |sql| rig.memory.look(sql)[0]["neurons"].as_f64().unwrap();
    (
        number("SELECT total(neurons) AS neurons FROM budget"),
        number("SELECT total(neurons) AS neurons FROM usage_log"),
        number("SELECT total(neurons) AS neurons FROM reservations"),
    )
}

/// The last of the first comes first.
fn upside_down() -> Judgement {
    Judgement::Scores((0u8..).take(FIRST).map(|place| f64::from(place) / 100.0 - 0.1).collect())
}

#[test]
fn the_first_hits_are_in_the_order_of_the_model_in_every_mode() {
    let rig = library();
    for mode in ["keyword", "vector", "hybrid"] {
        for group in [Value::Null, json!("document")] {
            let with = [("mode", json!(mode)), ("group_by", group)];
            let fused = search(&rig, &with);
            rig.memory.judge([upside_down()]);
            let reranked = reranked(&rig, &with);
            let (mut expected, found) = (names(&fused), names(&reranked));
            assert_eq!(expected.len(), 24, "{mode}");
            expected[..FIRST].reverse();
            assert_eq!(found, expected, "{mode}");
            assert_eq!((&reranked.body["reranked"], degraded(&reranked)), (&json!(true), None), "{mode}");
            assert_eq!(rig.memory.judged().last().unwrap().1.len(), FIRST, "{mode}");
            assert_eq!((&fused.body["reranked"], degraded(&fused)), (&json!(false), None), "{mode}");
            assert!(found.iter().all(|name| hit(&fused, name) == hit(&reranked, name)), "scores stay: {mode}");
        }
    }
}

#[test]
fn what_is_far_down_comes_into_a_short_list_and_what_scores_alike_stays_as_it_was() {
    let rig = library();
    let fused = names(&search(&rig, &[]));
    let mut scores = vec![0.5; FIRST];
    scores[17] = 0.9;
    rig.memory.judge([Judgement::Scores(scores)]);
    assert_eq!(names(&reranked(&rig, &[("top_k", json!(3))])), [&fused[17], &fused[0], &fused[1]].map(String::as_str));
    assert_eq!(names(&reranked(&rig, &[])), fused, "all alike");
}

#[test]
fn the_model_reads_the_query_and_of_each_text_what_fits_into_its_window() {
    let rig = Rig::new(1);
    rig.upload(&json!([
        {"external_id": "a.md", "title": "Long", "content": "tides and the moon ".repeat(150)},
        {"external_id": "b.md", "title": "Short", "content": "about tides"},
    ]));
    rig.drain();
    reranked(&rig, &[]);
    let (query, mut texts) = rig.memory.judged().remove(0);
    texts.sort();
    let window = 4 * RERANKING.window;
    assert_eq!((query.as_str(), texts.last().unwrap().as_str()), ("tides", "Short\nabout tides"));
    assert!(texts[0].starts_with("Long\ntides and the moon tides"), "{texts:?}");
    assert!(texts.iter().all(|text| text.len() <= window) && texts.iter().any(|text| text.len() == window));
    let long = "tides ".repeat(1_000);
    reranked(&rig, &[("query", json!(long))]);
    assert_eq!(rig.memory.judged()[1].0.len(), window / 2);
}

#[test]
fn what_it_costs_is_set_aside_and_counted() {
    let rig = library();
    search(&rig, &[]);
    let (before, _, none) = neurons(&rig);
    let reserved = rig.memory.billed_after_reserving();
    reranked(&rig, &[]);
    let (day, rows, left) = neurons(&rig);
    let (query, texts) = rig.memory.judged().remove(0);
    let cost = RERANKING.neurons(&query, &texts);
    assert!(cost > 1.0 && cost <= 3.0, "{cost}");
    assert!((day - before - cost).abs() < 1e-9 && (day - rows).abs() < 1e-9, "{before} {day} {rows}");
    assert!((rig.memory.billed_after_reserving() - reserved - cost).abs() < 1e-9, "it was set aside before");
    assert!(none.abs() < 1e-9 && left.abs() < 1e-9, "{none} {left}");
}

#[test]
fn a_model_that_fails_leaves_the_order_of_the_search_and_costs_nothing() {
    let rig = library();
    let fused = names(&search(&rig, &[]));
    for failure in [
        Failure::transient("AI: 3040: Capacity temporarily exceeded, please try again."),
        Failure::bug("AI: 5007: No such model @cf/baai/bge-reranker-base or task"),
        Failure::input("AI: what it does not read"),
    ] {
        let before = neurons(&rig);
        rig.memory.judge([Judgement::Fails(failure)]);
        let answer = reranked(&rig, &[]);
        assert_eq!((names(&answer), &answer.body["reranked"]), (fused.clone(), &json!(false)));
        assert_eq!(degraded(&answer), Some("the reranking model is not available; not reranked"));
        assert_eq!((answer.body["mode"].as_str(), neurons(&rig)), (Some("hybrid"), before));
    }
    rig.memory.judge([Judgement::Fails(Failure::exhausted("AI: 3036: You have used up your neurons"))]);
    assert_eq!(degraded(&reranked(&rig, &[])), Some("too few of today's neurons are left; not reranked"));
}

#[test]
fn an_answer_that_does_not_fit_the_texts_leaves_the_order_of_the_search() {
    let rig = library();
    let fused = names(&search(&rig, &[("top_k", json!(2))]));
    for nonsense in [
        "no JSON",
        r#"{"response": []}"#,
        r#"{"response": [{"id": 1, "score": 0.9}, {"id": 1, "score": 0.8}]}"#,
        r#"{"response": [{"id": 20, "score": 0.9}]}"#,
        r#"{"response": [{"id": 0, "score": null}]}"#,
    ] {
        rig.memory.judge([Judgement::Answers(nonsense)]);
        let answer = reranked(&rig, &[("top_k", json!(2))]);
        assert_eq!((names(&answer), &answer.body["reranked"]), (fused.clone(), &json!(false)), "{nonsense}");
        assert_eq!(degraded(&answer), Some("the reranking model is not available; not reranked"), "{nonsense}");
    }
    let (day, rows, left) = neurons(&rig);
    assert!((day - rig.memory.billed()).abs() < 1e-9 && (day - rows).abs() < 1e-9, "it worked for its answers: {day}");
    assert!(left.abs() < 1e-9, "{left}");
}

#[test]
fn without_neurons_the_model_is_not_asked() {
    let rig = library();
    let fused = names(&search(&rig, &[]));
    let (spent, ..) = neurons(&rig);
    rig.memory.set_limits(&json!({"neurons": spent + 1.0}).to_string());
    let answer = reranked(&rig, &[]);
    assert_eq!((names(&answer), answer.body["mode"].as_str()), (fused, Some("hybrid")));
    assert_eq!(degraded(&answer), Some("too few of today's neurons are left; not reranked"));
    rig.memory.set_limits(&json!({ "neurons": spent }).to_string());
    let answer = reranked(&rig, &[("query", json!("tides part"))]);
    assert_eq!(answer.body["mode"], "keyword");
    assert_eq!(degraded(&answer), Some("today's neurons are spent; found by keyword, not reranked"));
    assert!(rig.memory.judged().is_empty());
    assert!((neurons(&rig).0 - spent).abs() < 1e-9);
}

#[test]
fn a_ranking_is_cached_as_it_was_before_it_was_reranked() {
    let rig = library();
    let cached = |answer: &Answer| answer.body["cached"].as_bool().unwrap();
    let plain = [search(&rig, &[]), search(&rig, &[])];
    assert_eq!(plain.each_ref().map(cached), [false, true]);
    rig.memory.judge([upside_down(), upside_down()]);
    let first = reranked(&rig, &[]);
    assert_ne!(names(&first), names(&plain[0]));
    let second = reranked(&rig, &[]);
    assert_eq!((names(&second), cached(&second), rig.memory.judged().len()), (names(&first), true, 2));
    let after = search(&rig, &[]);
    assert_eq!((names(&after), cached(&after)), (names(&plain[0]), true));
}

#[test]
fn where_there_is_nothing_to_put_in_order_no_model_is_asked() {
    let rig = Rig::new(1);
    rig.upload(&json!([{"external_id": "tides.md", "content": "about tides"}]));
    rig.drain();
    for (query, hits) in [("tides", 1), ("zebra", 0)] {
        let answer = reranked(&rig, &[("query", json!(query)), ("mode", json!("keyword"))]);
        assert_eq!((names(&answer).len(), &answer.body["reranked"]), (hits, &json!(false)));
        assert_eq!(degraded(&answer), None);
    }
    assert!(rig.memory.judged().is_empty());
}
