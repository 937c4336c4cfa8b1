//! What the real embedding model says of memories: a hint, and nothing that decides what is kept.
#![expect(clippy::unwrap_used, reason = "tests")]

use local_dev::{client::Client, configuration::Profile, language_model::LanguageModel};
use serde_json::{Value, json};
use tests::{
    memories::{different, paraphrased},
    report,
};

use crate::started::start;

/// Remembers what is new; the answer.
fn create(client: &Client, text: &str) -> Value {
    let answer = client.post("/api/memory", &json!({ "text": text })).unwrap().success().unwrap();
    assert_eq!(answer["outcome"], "created", "{text}: {answer}");
    answer
}

fn names(answer: &Value, id: &Value) -> bool {
    answer["similar_to"].as_array().unwrap().iter().any(|similar| similar["id"] == *id)
}

/// Remembers the first of all pairs, then the second; how many of these name their first.
fn named(client: &Client, pairs: &[(&str, &str)]) -> usize {
    let firsts: Vec<Value> = pairs.iter().map(|(first, _)| create(client, first)["id"].clone()).collect();
    let seconds = pairs.iter().zip(&firsts);
    seconds.filter(|((_, second), first)| names(&create(client, second), first)).count()
}

#[test]
#[ignore = "several minutes of embedding: make soak runs it"]
fn a_hundred_paraphrases_are_kept_and_name_what_they_are_like_and_two_hundred_others_are_kept_as_well() {
    let product = start("memories", Profile::default(), LanguageModel::None);
    let pairs = paraphrased();
    let found = named(&product.new_user("paraphrases").unwrap(), &pairs);
    report(&format!("paraphrases kept and answered with what they are like: {found} of {}", pairs.len()));
    let others = different();
    let like = named(&product.new_user("others").unwrap(), &others);
    report(&format!("pairs that differ in what matters, kept: {0} of {0}; named as alike: {like}", others.len()));
    assert_eq!((found, pairs.len(), others.len()), (100, 100, 200));
}
