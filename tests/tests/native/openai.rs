//! `/v1` over ports in memory: what a client of `OpenAI`'s API asks for is done, or refused by its name.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use pipeline::{
    chat::{
        client::{AnswerFormat, Sampling},
        generation::Role,
    },
    constants,
    failure::Failure,
    ids::JobId,
};
use producers::api::openai::join::{self, JOINED_WITHIN};
use serde_json::{Value, json};
use test_platform::{Script, ready};
use tests::rig::{Answer, Rig};

const FREEDONIA: &str = "# Freedonia\n\nThe capital of Freedonia is Glorp. It lies on the river Blem.";
const QUESTION: &str = "What is the capital of Freedonia?";

fn with_documents() -> Rig {
    let rig = Rig::new(1);
    rig.upload(&json!([{"external_id": "freedonia.md", "content": FREEDONIA}]));
    rig.drain();
    rig
}

fn body(question: &str, fields: &Value) -> Value {
    let mut body = json!({"model": "friend", "messages": [{"role": "user", "content": question}]});
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn post(rig: &Rig, body: &Value) -> Answer {
    rig.request("POST", "/v1/chat/completions", body)
}

/// Asks twice: in memory nobody works while a request waits. The second request is the first one's.
fn complete(rig: &Rig, question: &str, fields: &Value) -> Answer {
    let body = body(question, fields);
    let asked = post(rig, &body);
    assert_eq!(asked.status, 424, "{}", asked.body);
    rig.drain();
    post(rig, &body)
}

fn content(answer: &Answer) -> &str {
    answer.body["choices"][0]["message"]["content"].as_str().unwrap_or_else(|| panic!("{}", answer.body))
}

/// Turns that were begun: what is answered from the cache is none.
fn jobs(rig: &Rig) -> i64 {
    rig.memory.look("SELECT count(*) AS n FROM job_items WHERE stage = 'chat'")[0]["n"].as_i64().unwrap()
}

#[test]
fn a_model_is_asked_as_the_client_wishes() {
    let rig = with_documents();
    rig.memory.script([Script::Says("The capital of Freedonia is Glorp. And so on.")]);
    let fields = json!({"temperature": 0.3, "top_p": 0.9, "seed": 41, "stop": ["And", "never"], "max_tokens": 99});
    let answer = complete(&rig, QUESTION, &fields);
    assert_eq!(
        (content(&answer), &answer.body["choices"][0]["finish_reason"]),
        ("The capital of Freedonia is Glorp. [1]", &json!("stop"))
    );
    assert_eq!(answer.body["citations"][0]["external_id"], "freedonia.md");
    let asked = rig.memory.generations().pop().unwrap();
    assert_eq!(asked.sampling, Sampling { temperature: Some(0.3), top_p: Some(0.9), seed: Some(42) });
    assert_eq!(asked.max_tokens, 99);
    assert!(answer.body["usage"]["completion_tokens"].as_u64().unwrap() < 9, "it was stopped: {}", answer.body);
}

#[test]
fn what_a_client_wishes_is_part_of_what_its_answer_is_cached_under() {
    let rig = with_documents();
    rig.memory.advance(constants::VECTORS_VISIBLE_AFTER);
    rig.memory.script([Script::Says("Glorp."), Script::Says("Glorp!"), Script::Says("Glorp?")]);
    let first = complete(&rig, QUESTION, &json!({"temperature": 0}));
    assert_eq!(content(&first), "Glorp. [1]", "what a model forgot to cite is cited behind it");
    rig.memory.advance(JOINED_WITHIN);
    assert_eq!(content(&post(&rig, &body(QUESTION, &json!({"temperature": 0})))), content(&first), "as before");
    assert_eq!(content(&complete(&rig, QUESTION, &json!({"temperature": 1}))), "Glorp! [1]");
    assert_eq!(content(&complete(&rig, QUESTION, &json!({"temperature": 0, "seed": 1}))), "Glorp? [1]");
}

#[test]
fn without_retrieval_the_messages_are_all_that_a_model_reads() {
    let rig = with_documents();
    let messages = json!([{"role": "system", "content": "Answer in JSON."},
                          {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "{\"a\": [1]}"},
                          {"role": "user", "content": QUESTION}]);
    for fields in [json!({"retrieval": false}), json!({"model": "friend-plain"})] {
        let before = rig.memory.embedded();
        rig.memory.script([Script::Says("{\"capital\": [9]}")]);
        let mut fields = fields;
        fields["messages"] = messages.clone();
        let answer = complete(&rig, QUESTION, &fields);
        assert_eq!((content(&answer), &answer.body["citations"]), ("{\"capital\": [9]}", &json!([])), "as it came");
        let asked = rig.memory.generations().pop().unwrap().messages;
        let read: Vec<(Role, &str)> = asked.iter().map(|message| (message.role, message.content.as_str())).collect();
        let sent = [
            (Role::System, "Answer in JSON."),
            (Role::User, "Hi"),
            (Role::Assistant, "{\"a\": [1]}"),
            (Role::User, QUESTION),
        ];
        assert_eq!(read, sent);
        assert_eq!(rig.memory.embedded(), before, "nothing was embedded");
    }
}

#[test]
fn nothing_stands_before_the_content() {
    let rig = with_documents();
    rig.memory.script([Script::Says("It may be Paris.")]);
    let answer = complete(&rig, "Zeppelin inventor?", &json!({}));
    assert_eq!(content(&answer), "It may be Paris.");
}

#[test]
fn json_is_asked_of_models_that_answer_in_it_and_not_changed() {
    let rig = with_documents();
    rig.memory.script([Script::Says("{\"capital\": \"The capital of Freedonia is Glorp.\"}")]);
    let schema = json!({"type": "object", "properties": {"capital": {"type": "string"}}});
    let format = json!({"type": "json_schema", "json_schema": {"name": "capital", "schema": schema}});
    let answer = complete(&rig, QUESTION, &json!({"model": "friend-complex", "response_format": format}));
    assert_eq!(content(&answer), "{\"capital\": \"The capital of Freedonia is Glorp.\"}");
    let asked = rig.memory.generations().pop().unwrap();
    assert_eq!(asked.format, Some(AnswerFormat::JsonSchema { json_schema: schema }));
    assert_eq!(asked.model, "@cf/qwen/qwen3-30b-a3b-fp8", "the first of the route takes no response_format");
    rig.memory.set_value(pipeline::platform::object_keys::CONFIGURED_MODELS, &without_json());
    let refused = post(&rig, &body(QUESTION, &json!({"response_format": {"type": "json_object"}})));
    assert_eq!((refused.status, &refused.body["error"]["code"]), (400, &json!("unsupported_parameter")));
    assert_eq!(refused.body["error"]["param"], "response_format");
}

fn without_json() -> Vec<u8> {
    let mut table = serde_json::to_value(pipeline::chat::catalogue::Catalogue::default()).unwrap();
    for model in table["models"].as_object_mut().unwrap().values_mut() {
        model["json"] = json!(false);
    }
    table.to_string().into_bytes()
}

#[test]
fn a_whole_window_is_read_and_more_is_refused_by_name() {
    let rig = Rig::new(2);
    let messages = |words: usize| {
        json!([{"role": "system", "content": format!("Begin. {} End.", "word ".repeat(words))},
               {"role": "user", "content": format!("First. {} Last?", "word ".repeat(words))}])
    };
    rig.memory.script([Script::Says("Yes.")]);
    let answer = complete(&rig, "", &json!({"messages": messages(14_000)}));
    assert_eq!(content(&answer), "Yes.");
    let read = rig.memory.generations().pop().unwrap().messages;
    assert!(
        read[0].content.ends_with("End.") && read[1].content.contains("First.") && read[1].content.ends_with("Last?")
    );
    let refused = post(&rig, &body("", &json!({"messages": messages(16_000)})));
    assert_eq!((refused.status, &refused.body["error"]["code"]), (400, &json!("context_length_exceeded")));
    assert_eq!(refused.body["error"]["param"], "messages");
}

/// So many words of several tokens each, which only the vocabulary tells.
fn dense(words: usize) -> String {
    "zqxjv ".repeat(words)
}

#[test]
fn what_only_the_vocabulary_shows_to_be_too_long_is_refused_before_a_model_is_asked() {
    let rig = Rig::new(2);
    let fields = json!({"messages": [{"role": "user", "content": dense(20_000)}]});
    let refused = complete(&rig, "", &fields);
    let error = &refused.body["error"];
    assert_eq!(
        (refused.status, &error["code"], &error["type"]),
        (400, &json!("context_length_exceeded"), &json!("invalid_request_error"))
    );
    assert!(error["message"].as_str().unwrap().contains("maximum context length leaves"), "{error}");
    assert_eq!(error["usage"]["completion_tokens"], 0);
    assert!(rig.memory.generations().is_empty());
}

#[test]
fn the_oldest_messages_are_left_out_where_a_client_asks_for_that() {
    let rig = Rig::new(2);
    let history: Vec<Value> = ["One.", "Two.", "Three."]
        .into_iter()
        .flat_map(|name| {
            let said = json!({"role": "user", "content": format!("{name} {}", dense(5_000))});
            [said, json!({"role": "assistant", "content": "Noted."})]
        })
        .chain([json!({"role": "user", "content": "Which was the last?"})])
        .collect();
    let fields = |truncation: &str| json!({"model": "friend-plain", "input": history, "truncation": truncation});
    let refused = rig.request("POST", "/v1/responses", &fields("disabled"));
    assert_eq!(refused.status, 424, "{}", refused.body);
    rig.drain();
    let refused = rig.request("POST", "/v1/responses", &fields("disabled"));
    assert_eq!((refused.status, &refused.body["error"]["code"]), (400, &json!("context_length_exceeded")));
    let job = rig.memory.look("SELECT id FROM jobs WHERE kind = 'chat'")[0]["id"].as_str().unwrap().to_owned();
    let after = json!({"model": "friend", "input": "And?", "previous_response_id": job.replace("job_", "resp_")});
    let answer = rig.request("POST", "/v1/responses", &after);
    assert_eq!((answer.status, &answer.body["error"]["param"]), (400, &json!("previous_response_id")));
    rig.memory.script([Script::Says("Three.")]);
    let response = respond(&rig, &fields("auto"));
    assert_eq!(response["output"][0]["content"][0]["text"], "Three.");
    let read = rig.memory.generations().pop().unwrap().messages;
    assert!(read[0].content.starts_with("Three.") && read.len() == 3, "{} messages", read.len());
}

#[test]
fn an_answer_without_words_is_an_error_with_what_it_cost() {
    let rig = with_documents();
    rig.memory.script((0..9).map(|_| Script::Says("")));
    let answer = complete(&rig, QUESTION, &json!({}));
    let error = &answer.body["error"];
    assert_eq!(
        (answer.status, &error["code"], &error["type"]),
        (502, &json!("empty_completion"), &json!("server_error"))
    );
    assert!(error["usage"]["neurons"].as_f64().unwrap() > 0.0, "{error}");
    assert_eq!(answer.headers["x-should-retry"], "false");
    assert_eq!(rig.memory.generations().len(), 3, "each model once: what is paid for is not tried again");
    rig.memory.script([Script::Fails(Failure::exhausted("3036"))]);
    let answer = complete(&rig, "And the river?", &json!({}));
    let error = &answer.body["error"];
    assert_eq!((answer.status, &error["code"]), (429, &json!("insufficient_quota")), "{error}");
    assert_eq!(answer.headers["x-should-retry"], "false");
}

#[test]
fn braces_are_an_answer_to_a_client() {
    let rig = Rig::new(3);
    rig.memory.script([Script::Says("{}")]);
    assert_eq!(content(&complete(&rig, "Nothing, as JSON", &json!({"retrieval": false}))), "{}");
}

#[test]
fn the_same_request_joins_the_turn_that_goes_on() {
    let rig = Rig::new(4);
    let body = body("Tell me a story", &json!({}));
    let first = post(&rig, &body);
    assert_eq!((first.status, &first.body["error"]["code"]), (424, &json!("answer_not_ready")), "{}", first.body);
    assert_eq!(first.headers["x-should-retry"], "false");
    let told = first.body["error"]["message"].as_str().unwrap();
    assert!(told.contains("same request again") && told.contains("/api/jobs/job_"), "{told}");
    let second = post(&rig, &body);
    assert_eq!((second.status, jobs(&rig)), (424, 1), "{}", second.body);
    assert_eq!(first.headers["x-job-id"], second.headers["x-job-id"]);
    rig.memory.script([Script::Says("Once.")]);
    rig.drain();
    let third = post(&rig, &body);
    assert_eq!((content(&third), jobs(&rig)), ("Once.", 1));
    // Another body, another key, and the same when all is over are turns of their own.
    let mut other = body.clone();
    other["seed"] = json!(1);
    assert_eq!(post(&rig, &other).status, 424);
    let key = rig.new_user();
    let theirs = rig.request_as(&key, "POST", "/v1/chat/completions", &[], body.to_string().as_bytes());
    assert_eq!((theirs.status, jobs(&rig)), (424, 3));
    rig.memory.advance(JOINED_WITHIN);
    post(&rig, &other);
    assert_eq!(jobs(&rig), 4, "what has gone on for longer is joined no more");
}

#[test]
fn closing_a_stream_stops_its_turn_unless_somebody_joined_it() {
    let rig = Rig::new(5);
    let user = rig.user();
    let key = |job: &str| {
        let rows = rig.memory.look("SELECT key, job_id FROM idempotency_keys");
        rows.iter().find(|row| row["job_id"] == job).unwrap()["key"].as_str().unwrap().to_owned()
    };
    let close = |job: &str| {
        rig.memory.begin("closing");
        ready(join::close(&rig.memory, &user, &JobId::parse(job).unwrap(), &key(job))).unwrap();
        rig.job(job)["status"].as_str().unwrap().to_owned()
    };
    let begin = |question: &str| {
        let answer = post(&rig, &body(question, &json!({"stream": true})));
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["job"].as_str().unwrap().to_owned()
    };
    let alone = begin("Alone?");
    assert_eq!(close(&alone), "cancelled");
    assert_ne!(begin("Alone?"), alone, "what was stopped is not joined");
    let shared = begin("Shared?");
    assert_eq!(begin("Shared?"), shared);
    assert_ne!(close(&shared), "cancelled");
    rig.drain();
    assert_eq!(rig.job(&shared)["status"], "succeeded");
}

#[test]
fn models_are_listed_and_found_and_completions_say_where_to_go() {
    let rig = Rig::new(6);
    let list = rig.request("GET", "/v1/models", &Value::Null).body;
    assert_eq!(list["data"].as_array().unwrap().len(), 11);
    for model in list["data"].as_array().unwrap() {
        let path = format!("/v1/models/{}", model["id"].as_str().unwrap());
        assert_eq!(rig.request("GET", &path, &Value::Null).body, *model);
    }
    let missing = rig.request("GET", "/v1/models/gpt-9", &Value::Null);
    assert_eq!((missing.status, &missing.body["error"]["code"]), (404, &json!("model_not_found")));
    let elsewhere = rig.request("POST", "/v1/completions", &json!({"model": "friend", "prompt": "Hi"}));
    let told = elsewhere.body["error"]["message"].as_str().unwrap();
    assert!(elsewhere.status == 404 && told.contains("/v1/chat/completions"), "{told}");
}

#[test]
fn texts_are_embedded_as_documents_are_and_counted() {
    let rig = with_documents();
    let embed = |input: Value, format: &str| {
        rig.request(
            "POST",
            "/v1/embeddings",
            &json!({"model": "friend-embedding", "input": input, "encoding_format": format, "dimensions": 384}),
        )
    };
    let before = spent(&rig);
    let floats = embed(json!(["ships sail at noon", "whales"]), "float");
    assert_eq!((floats.status, &floats.body["object"]), (200, &json!("list")), "{}", floats.body);
    let data = floats.body["data"].as_array().unwrap();
    assert_eq!(data.iter().map(|entry| entry["index"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(data[0]["embedding"].as_array().unwrap().len(), 384);
    assert!(floats.body["usage"]["prompt_tokens"].as_u64() > Some(4), "{}", floats.body["usage"]);
    let after = spent(&rig);
    assert!(after > before, "{after}");
    let packed = embed(json!("ships sail at noon"), "base64");
    let bytes = data_encoding::BASE64.decode(packed.body["data"][0]["embedding"].as_str().unwrap().as_bytes()).unwrap();
    let numbers: Vec<f64> =
        bytes.chunks_exact(4).map(|bytes| f64::from(f32::from_le_bytes(bytes.try_into().unwrap()))).collect();
    let close = data[0]["embedding"].as_array().unwrap().iter().zip(&numbers);
    assert!(
        close.clone().count() == 384
            && close.into_iter().all(|(one, other)| (one.as_f64().unwrap() - other).abs() < 1e-6)
    );
    let long = embed(json!("word ".repeat(1_200)), "float");
    let length: f64 =
        long.body["data"][0]["embedding"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap().powi(2)).sum();
    assert!((length - 1.0).abs() < 1e-3, "of three windows: {length}");
}

/// Neurons that were recorded.
fn spent(rig: &Rig) -> f64 {
    rig.memory.look("SELECT sum(neurons) AS n FROM usage_log WHERE source = '/v1/embeddings'")[0]["n"]
        .as_f64()
        .unwrap_or(0.0)
}

#[test]
fn what_is_not_embedded_is_refused_by_name() {
    let rig = Rig::new(7);
    for (fields, status, param) in [
        (json!({"input": "x", "dimensions": 512}), 400, "dimensions"),
        (json!({"input": [[1, 2]]}), 400, "input"),
        (json!({"input": []}), 400, "input"),
        (json!({"input": ["a", ""]}), 400, "input"),
        (json!({"input": vec!["a"; 51]}), 400, "input"),
        (json!({"input": "word ".repeat(27_000)}), 413, "Content-Length"),
        (json!({"input": "a.".repeat(13_000)}), 400, "input"),
        (json!({"input": "x", "encoding_format": "hex"}), 400, "encoding_format"),
        (json!({}), 400, "input"),
        (json!({"input": "x", "model": "gpt-9"}), 404, "model"),
    ] {
        let mut body = json!({"model": "@cf/baai/bge-small-en-v1.5"});
        for (name, value) in fields.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = rig.request("POST", "/v1/embeddings", &body);
        let error = &answer.body["error"];
        assert_eq!((answer.status, error["param"].as_str().unwrap()), (status, param), "{error}");
    }
    assert_eq!(rig.memory.embedded(), 0);
    rig.memory.set_value(pipeline::platform::object_keys::CONFIGURED_LIMITS, br#"{"neurons": 0.1}"#);
    let answer =
        rig.request("POST", "/v1/embeddings", &json!({"model": "friend-embedding", "input": "word ".repeat(900)}));
    assert_eq!((answer.status, &answer.body["error"]["code"]), (429, &json!("insufficient_quota")), "{}", answer.body);
}

/// Asks twice, as [`complete`].
fn respond(rig: &Rig, body: &Value) -> Value {
    let begun = rig.request("POST", "/v1/responses", body);
    assert_eq!(begun.status, 424, "{}", begun.body);
    rig.drain();
    let answer = rig.request("POST", "/v1/responses", body);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

#[test]
fn a_response_goes_on_after_another_and_branches_off_it() {
    let rig = Rig::new(8);
    let ask = |input: &str, previous: &Value, says| {
        rig.memory.script([Script::Says(says)]);
        let fields = json!({"model": "friend-plain", "input": input, "previous_response_id": previous,
                            "instructions": format!("For {input}"), "metadata": {"a": "b"}});
        let response = respond(&rig, &fields);
        assert_eq!(
            (&response["output"][0]["content"][0]["text"], &response["status"]),
            (&json!(says), &json!("completed"))
        );
        assert_eq!((&response["metadata"]["a"], &response["previous_response_id"]), (&json!("b"), previous));
        response["id"].clone()
    };
    let heard = || {
        let messages = rig.memory.generations().pop().unwrap().messages;
        messages.into_iter().map(|message| message.content).collect::<Vec<_>>()
    };
    let first = ask("My name is Ada.", &Value::Null, "Hello Ada.");
    let second = ask("What is my name?", &first, "Ada.");
    assert_eq!(heard(), ["For What is my name?", "My name is Ada.", "Hello Ada.", "What is my name?"]);
    ask("And backwards?", &second, "Ada.");
    assert_eq!(heard().len(), 6);
    ask("How many letters?", &first, "Three.");
    assert_eq!(heard()[1..], ["My name is Ada.", "Hello Ada.", "How many letters?"], "another branch");
    let lost = json!({"model": "friend", "input": "x", "previous_response_id": "resp_00000000000000000000000000"});
    let answer = rig.request("POST", "/v1/responses", &lost);
    assert_eq!((answer.status, &answer.body["error"]["code"]), (404, &json!("previous_response_not_found")));
    let key = rig.new_user();
    let stolen = json!({"model": "friend", "input": "x", "previous_response_id": first}).to_string();
    assert_eq!(rig.request_as(&key, "POST", "/v1/responses", &[], stolen.as_bytes()).status, 404, "not theirs");
}

#[test]
fn a_response_is_told_in_its_events_whole_or_not() {
    let rig = Rig::new(9);
    let body = json!({"model": "friend-plain", "input": "Hi"});
    rig.memory.script([Script::Says("Hello you.")]);
    respond(&rig, &body);
    let streamed =
        rig.request("POST", "/v1/responses", &json!({"model": "friend-plain", "input": "Hi", "stream": true}));
    let events = streamed.body.as_str().unwrap_or_else(|| panic!("{}", streamed.body));
    let kinds: Vec<&str> = events.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    let expected = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ];
    assert_eq!(kinds, expected, "from the cache");
    let begun = rig.request("POST", "/v1/responses", &json!({"model": "friend", "input": "New", "stream": true}));
    assert!(begun.body["job"].as_str().is_some(), "{}", begun.body);
}
