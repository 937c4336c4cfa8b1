//! Answers whose Workers die, whose model fails, whose readers come back: each is written once, and told once.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use local_dev::product::Product;
use serde_json::{Value, json};

use crate::{
    chat::{QUESTION, answered, ask, cites_freedonia, events, read, upload},
    started::{DEADLINE, start_scripted},
};

/// Workers killed while an answer is being written: it is written once more, and whoever listens is
/// told `restarted` and reads the answer once.
#[test]
fn an_answer_survives_its_worker() {
    let (mut product, model) = start_scripted("chat_under_fire");
    let client = product.client().unwrap();
    upload(&client);
    let asked = ask(&client, &json!({"message": "Write a long story about Freedonia and its whale."}));
    let job = asked["job_id"].as_str().unwrap().to_owned();
    let begun = events(&client, &job, 0, 3);
    assert!(begun.iter().any(|(_, event)| event["type"] == "delta"), "{begun:?}");
    product.kill_workers();
    model.go_on();
    model.go_on();
    product.restart_workers().unwrap();
    let rest = events(&client, &job, begun.last().unwrap().0, usize::MAX);
    let all: Vec<Value> = begun.into_iter().chain(rest).map(|(_, event)| event).collect();
    let result = answered(&client, &job);
    assert_eq!(all.iter().filter(|event| event["type"] == "restarted").count(), 1, "{all:?}");
    assert_eq!(all.last().unwrap()["result"]["answer"], result["answer"]);
    let told = read(all);
    let stored = result["answer"].as_str().unwrap();
    let plain = |text: &str| text.chars().filter(|character| character.is_alphabetic()).collect::<String>();
    assert!(plain(stored).ends_with(&plain(&told)), "{told:?} was told, {stored:?} is stored");

    // Where somebody asks what is so, a story is no answer: what the documents say is, and the story a draft.
    let asked = ask(&client, &json!({"message": "Tell me all about Freedonia, its capital and its whale."}));
    let result = answered(&client, asked["job_id"].as_str().unwrap());
    assert_eq!((&result["verdict"], &result["draft"]), (&json!("unknown"), &json!(told)), "{result}");
    let shown = result["answer"].as_str().unwrap();
    assert!(shown.contains("Glorp") && !shown.contains("ship") && cites_freedonia(&result), "{result}");

    // A model that fails in every way there is.
    for (number, (faults, why)) in [
        (json!({"out_of_capacity": true}), "not answering"),
        (json!({"llm_silent": true}), "not answering"),
        (json!({"llm_garbage": true}), "not answering"),
        (json!({"ai_rate_limited": true}), "not answering"),
        // The first time it is said by 3036, the second time by 4006.
        (json!({"neurons_left": 0.0}), "allowance"),
        (json!({"neurons_left": 0.0}), "allowance"),
    ]
    .into_iter()
    .enumerate()
    {
        product.set_faults(&faults).unwrap();
        let asked = ask(&client, &json!({"message": format!("{QUESTION}{}", "!".repeat(number + 1))}));
        let result = answered(&client, asked["job_id"].as_str().unwrap());
        assert!(result["degraded"].as_str().unwrap().contains(why), "{faults}: {result}");
        assert!(result["answer"].as_str().unwrap().contains("Glorp"), "{faults}: {result}");
    }
    // Thoughts beside the answer are not shown.
    product.set_faults(&json!({"llm_thinks": true})).unwrap();
    let asked = ask(&client, &json!({"message": format!("{QUESTION} Think first.")}));
    let result = answered(&client, asked["job_id"].as_str().unwrap());
    let answer = result["answer"].as_str().unwrap();
    assert!(answer.contains("Glorp") && !answer.contains("Let me think"), "{result}");
    // One that breaks off once is followed by the next.
    product.set_faults(&json!({"llm_breaks_after": 2, "llm_breaks": 1})).unwrap();
    let asked = ask(&client, &json!({"message": "Where is Glorp, the capital of Freedonia?"}));
    let job = asked["job_id"].as_str().unwrap();
    let heard: Vec<Value> = events(&client, job, 0, usize::MAX).into_iter().map(|(_, event)| event).collect();
    assert_eq!(heard.iter().filter(|event| event["type"] == "restarted").count(), 1, "{heard:?}");
    assert!(answered(&client, job)["route"]["model"].is_string());

    // Stopped in the middle of an answer.
    product.set_faults(&json!({"llm_token_ms": 2_000})).unwrap();
    let asked = ask(&client, &json!({"message": "Tell me a very long story about tomatoes in the garden."}));
    let job = asked["job_id"].as_str().unwrap().to_owned();
    events(&client, &job, 0, 2);
    assert_eq!(client.post(&format!("/api/jobs/{job}/cancel"), &Value::Null).unwrap().json()["status"], "cancelled");
    let heard = events(&client, &job, 0, usize::MAX);
    assert_eq!(heard.last().unwrap().1["type"], "cancelled");
    product.set_faults(&json!({})).unwrap();
    let next = ask(&client, &json!({"message": "Are you there?", "conversation_id": asked["conversation_id"]}));
    answered(&client, next["job_id"].as_str().unwrap());
}

const CONVERSATIONS: usize = 50;
const TURNS: usize = 4;

/// Turns that are answered; read from the file of D1: asking for each would take longer than answering it.
fn answers(product: &Product) -> usize {
    let rows = product.query("SELECT count(*) FROM job_items WHERE stage = 'chat' AND state = 'done'").unwrap();
    rows[0][0].parse().unwrap()
}

fn wait_for_answers(product: &Product, number: usize) {
    let until = Instant::now() + DEADLINE;
    while answers(product) < number {
        assert!(Instant::now() < until, "{} of {number} turns are answered", answers(product));
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Fifty conversations of four questions posted at once, a fifth of all model calls failing, the
/// Workers killed in the middle: every turn ends once, each conversation in its order, every log of
/// events without a gap.
#[test]
fn many_conversations_under_fire() {
    let (mut product, _model) = start_scripted("conversations");
    let client = product.client().unwrap();
    // Half of them before anything is done, half after: a word in, the answer breaks off.
    // Slow enough for some to be in the middle of an answer when the Workers are killed.
    product.set_faults(&json!({"ai_fails": 0.1, "ai_answers_lost": 0.1, "llm_token_ms": 100})).unwrap();
    let mut jobs = Vec::new();
    let mut conversations = vec![Value::Null; CONVERSATIONS];
    for turn in 0..TURNS {
        for (number, conversation) in conversations.iter_mut().enumerate() {
            let message = format!("Conversation {number}, remark {turn}.");
            let asked = ask(
                &client,
                &json!({
                    "message": message, "conversation_id": conversation, "max_tokens": 6, "route": "simple",
                    "use_memory": false,
                }),
            );
            *conversation = asked["conversation_id"].clone();
            jobs.push(asked["job_id"].as_str().unwrap().to_owned());
        }
    }
    wait_for_answers(&product, jobs.len() / 3);
    assert!(answers(&product) < jobs.len(), "the kill comes too late");
    product.kill_workers();
    product.restart_workers().unwrap();
    wait_for_answers(&product, jobs.len());
    for (number, conversation) in conversations.iter().enumerate() {
        let path = format!("/api/conversations/{}", conversation.as_str().unwrap());
        let view = client.get(&path).unwrap().json();
        let messages = view["messages"].as_array().unwrap();
        let numbers: Vec<u64> = messages.iter().map(|said| said["number"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (1..=TURNS as u64 * 2).collect::<Vec<_>>(), "{view}");
        for (turn, question) in messages.iter().step_by(2).enumerate() {
            assert_eq!(question["content"], format!("Conversation {number}, remark {turn}."));
        }
    }
    let mut restarted = 0;
    for job in &jobs {
        let events = events(&client, job, 0, usize::MAX);
        let mut numbers: Vec<u64> = events.iter().map(|(id, _)| *id).collect();
        // An end that only D1 knows has the number of the event before it; it is counted once below.
        let before_last = numbers.len().checked_sub(2).map_or(0, |at| numbers[at]);
        numbers.pop_if(|last| *last == before_last);
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "{events:?}");
        let of_kind = |kind: &str| events.iter().filter(|(_, event)| event["type"] == kind).count();
        assert_eq!((of_kind("done"), events.last().unwrap().1["type"].as_str()), (1, Some("done")), "{events:?}");
        restarted += of_kind("restarted");
    }
    println!("{} turns, {restarted} of them begun anew", jobs.len());
}
