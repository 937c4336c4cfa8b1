//! Scores: one scale for all modes, and nothing where nothing fits.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};
use tests::rig::Rig;

const MODES: [&str; 3] = ["keyword", "vector", "hybrid"];

fn library() -> Rig {
    let rig = Rig::new(1);
    let document = |name: &str, text: &str| json!({"external_id": name, "title": name, "content": text});
    rig.upload(&json!([
        document("tides", "The tides follow the moon and the sun."),
        document("ships", "Ships sail when the tides are high."),
        document("bread", "Bread is made of flour, water and salt."),
        document("trains", "Trains run late in winter."),
    ]));
    rig.drain();
    rig
}

fn hits(rig: &Rig, search: &Value) -> Vec<(String, f64)> {
    let answer = rig.request("POST", "/api/search", search);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let hit = |hit: &Value| (hit["external_id"].as_str().unwrap().to_owned(), hit["score"].as_f64().unwrap());
    answer.body["hits"].as_array().unwrap().iter().map(hit).collect()
}

fn scores(rig: &Rig, query: &str, mode: &str) -> Vec<f64> {
    hits(rig, &json!({"query": query, "mode": mode})).into_iter().map(|(_, score)| score).collect()
}

#[test]
fn scores_of_all_modes_fall_from_one_to_zero_in_the_order_of_the_hits() {
    let rig = library();
    for query in ["tides moon", "why do trains run late", "salt", "ships and bread", "flourWater", "zebra"] {
        for mode in MODES {
            let scores = scores(&rig, query, mode);
            assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)), "{query} {mode}: {scores:?}");
            assert!(scores.is_sorted_by(|one, other| one >= other), "{query} {mode}: {scores:?}");
        }
    }
}

#[test]
fn the_best_hit_of_both_ways_scores_as_the_better_way_says() {
    let rig = library();
    for query in ["tides moon", "why do trains run late", "salt", "ships and bread"] {
        let [words, meaning, both] = MODES.map(|mode| scores(&rig, query, mode).first().copied().unwrap_or_default());
        assert!((both - words.max(meaning)).abs() < 1e-9, "{query}: {words} {meaning} {both}");
    }
    // All words of the query, whatever else is indexed; then one of two.
    assert!((scores(&rig, "salt", "keyword")[0] - 1.0).abs() < 1e-9);
    assert!((scores(&rig, "salt zebra", "keyword")[0] - 0.5).abs() < 1e-9);
}

#[test]
fn no_hit_is_below_the_least_score_and_none_above_it_is_missing() {
    let rig = library();
    for mode in MODES {
        let all = hits(&rig, &json!({"query": "tides moon", "mode": mode}));
        for least in [0.0, all[0].1 / 2.0, all[0].1, 1.0] {
            let kept: Vec<(String, f64)> = all.iter().filter(|(_, score)| *score >= least).cloned().collect();
            let search = json!({"query": "tides moon", "mode": mode, "min_score": least});
            assert_eq!(hits(&rig, &search), kept, "{mode} {least}");
            // The second answer comes from the cache.
            assert_eq!(hits(&rig, &search), kept, "{mode} {least}");
        }
    }
    let grouped = json!({"query": "tides moon", "group_by": "document", "min_score": 0.99});
    assert!(hits(&rig, &grouped).len() <= 1);
}

#[test]
fn a_query_that_nothing_fits_has_no_hits() {
    let rig = library();
    rig.memory.set_embedding_model("all-MiniLM-L6-v2");
    for mode in MODES {
        assert_eq!(hits(&rig, &json!({"query": "quantum zebras", "mode": mode})), [], "{mode}");
        assert!(!hits(&rig, &json!({"query": "tides moon", "mode": mode})).is_empty(), "{mode}");
    }
    // A word that was found is a reason, however far the rest is.
    let found = hits(&rig, &json!({"query": "quantum zebras dance tango beyond salt"}));
    assert_eq!(found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["bread"]);
}

#[test]
fn the_threshold_of_one_model_is_no_other_models() {
    let rig = library();
    let nearest = hits(&rig, &json!({"query": "quantum zebras", "mode": "vector"}));
    assert_eq!(nearest.len(), 4, "production's model was not measured: nothing is left out");
    assert!(nearest.iter().all(|(_, score)| *score < 0.2), "{nearest:?}");
    assert_eq!(hits(&rig, &json!({"query": "quantum zebras", "mode": "vector", "min_score": 0.2})), []);
}

#[test]
fn what_is_recalled_is_scored_as_hits_are() {
    let rig = Rig::new(1);
    for text in ["Ada drinks black tea", "Ada drinks coffee", "The deploy key is rotated"] {
        rig.request("POST", "/api/memory", &json!({ "text": text }));
    }
    let found = rig.request("GET", "/api/memory?query=black+tea", &Value::Null).body;
    let scores: Vec<f64> =
        found["items"].as_array().unwrap().iter().map(|memory| memory["score"].as_f64().unwrap()).collect();
    assert!((scores[0] - 1.0).abs() < 1e-9, "{found}");
    assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)), "{scores:?}");
}
