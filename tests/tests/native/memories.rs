//! Recall over as many memories as a user may have: what it reads of them, whoever wrote them.
#![expect(clippy::unwrap_used, reason = "tests")]

use data_encoding::BASE64;
use pipeline::{
    constants::{MEMORIES, MEMORY_BYTES},
    model::EMBEDDING,
    platform::ports::{Embedder as _, Meter as _},
};
use serde_json::{Value, json};
use test_platform::ready;
use tests::rig::Rig;

/// All that a recall reads beside the embeddings: key, day, words, the memories it shows.
const OTHER_ROWS: u64 = 250;

fn remember(rig: &Rig, text: &str) -> Value {
    let answer = rig.request("POST", "/api/memory", &json!({ "text": text }));
    assert!(answer.status < 300, "{}", answer.body);
    answer.body
}

fn recalled(rig: &Rig, query: &str) -> Vec<String> {
    let answer = rig.request("GET", &format!("/api/memory?query={query}"), &Value::Null).body;
    let memories = answer["items"].as_array().unwrap().iter();
    memories.map(|memory| memory["text"].as_str().unwrap().to_owned()).collect()
}

/// As many others as there may be beside those that are there, each as long as it may be, of an embedding.
fn fill(rig: &Rig, embedding: &str) {
    rig.memory.run_script(&format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n
                                  WHERE n < {MEMORIES} - (SELECT count(*) FROM memories))
         INSERT INTO memories (id, user_id, kind, text, hash, confidence, state, pinned, embedding, created_at)
         SELECT 'mem_' || printf('%026d', n), (SELECT id FROM users), 'fact',
                substr(n || replace(hex(zeroblob({MEMORY_BYTES})), '00', ' other'), 1, {MEMORY_BYTES}), 'hash ' || n, 1,
                'active', 0, '{embedding}', 1 FROM n"
    ));
}

fn vector(rig: &Rig, text: &str) -> Vec<f32> {
    ready(rig.memory.embed(&EMBEDDING, &[text.to_owned()], 1)).unwrap().remove(0)
}

/// As versions wrote an embedding that knew nothing else.
fn base64(vector: &[f32]) -> String {
    BASE64.encode(&vector.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
}

#[test]
fn a_recall_reads_a_thousand_embeddings_once_and_the_texts_it_shows() {
    let rig = Rig::new(1);
    remember(&rig, "Ada drinks tea");
    fill(&rig, &retrieval::embedding_text::encode(&vector(&rig, "other")));
    assert_eq!(recalled(&rig, "tea"), ["Ada drinks tea"]);
    let read = rig.memory.usage().d1_rows_read;
    assert!(read < MEMORIES.unsigned_abs() + OTHER_ROWS, "{read} rows");
    assert_eq!(recalled(&rig, "other").len(), 20);
}

#[test]
fn memories_that_an_earlier_version_wrote_are_recalled_and_known_though_there_are_a_thousand() {
    let rig = Rig::new(1);
    remember(&rig, "Ada drinks tea");
    rig.memory.run_script(&format!("UPDATE memories SET embedding = '{}'", base64(&vector(&rig, "Ada drinks tea"))));
    fill(&rig, &base64(&vector(&rig, "other")));
    assert_eq!(recalled(&rig, "tea"), ["Ada drinks tea"]);
    rig.memory.change("DELETE FROM memories WHERE number = 1000");
    let other = remember(&rig, "Tea, Ada drinks!");
    assert_eq!((&other["outcome"], &other["similar_to"][0]["text"]), (&json!("created"), &json!("Ada drinks tea")));
}

#[test]
fn memories_that_an_earlier_version_wrote_are_recalled_though_all_of_a_thousand_have_even_numbers() {
    let rig = Rig::new(1);
    fill(&rig, &base64(&vector(&rig, "other")));
    rig.memory.run_script("UPDATE memories SET number = number + 1000000; UPDATE memories SET number = 2 * number");
    let recalled = recalled(&rig, "other");
    assert_eq!(recalled.len(), 20);
}

#[test]
fn an_embedding_is_kept_as_a_character_for_each_dimension() {
    let rig = Rig::new(1);
    remember(&rig, "Ada drinks tea");
    let length = &rig.memory.look("SELECT length(embedding) AS length FROM memories")[0]["length"];
    assert_eq!(length, &json!(EMBEDDING.dimensions));
}

#[test]
fn a_question_reads_no_more_memories_than_a_prompt_has_room_for() {
    let rig = Rig::new(1);
    remember(&rig, "Ada drinks tea");
    fill(&rig, &retrieval::embedding_text::encode(&vector(&rig, "tea")));
    rig.memory.change("UPDATE memories SET pinned = 1 WHERE text = 'Ada drinks tea'");
    let answer = rig.chat(&json!({ "message": "Who drinks tea?" }));
    assert!(rig.memory.generations().pop().unwrap().messages.last().unwrap().content.contains("Ada drinks tea"));
    assert!(answer["memories"].as_array().unwrap().len() <= 50, "{answer}");
    let stage = rig.memory.look("SELECT max(d1_rows_read) AS read FROM usage_log WHERE source = 'chat'");
    let read = stage[0]["read"].as_u64().unwrap();
    // Once for the embeddings, and once to note which memories were of use.
    assert!(read < 2 * MEMORIES.unsigned_abs() + OTHER_ROWS, "{read} rows");
}
