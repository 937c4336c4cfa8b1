//! The tools of `/mcp`: each does what the API does, in answers that fit a model's context.

use pipeline::time::MINUTE;
use serde_json::{Value, json};
use test_platform::{Fate, Script};
use tests::{
    agent::{Agent, Speaks},
    rig::{Rig, prose},
};

fn source() -> String {
    let function = |number: usize| {
        let head = format!("/// Adds {number} to what it is given.\npub fn add_{number}(value: u32) -> u32 {{\n");
        format!("{head}    value + {number}\n}}\n\n")
    };
    (0..300).map(function).collect()
}

fn indexed(rig: &Rig) {
    rig.upload(&json!([
        { "external_id": "src/sums.rs", "content": source(), "tags": ["sums"] },
        { "external_id": "notes/rivers.md", "content": prose("rivers", 40) },
        { "external_id": "notes/fox.md", "content": "# The fox\n\nThe quick brown fox jumps over the lazy dog.\n" },
    ]));
    rig.drain();
    rig.memory.advance(3 * MINUTE);
}

#[test]
fn a_hit_names_file_and_lines_and_why_and_its_link_leads_there() {
    let rig = Rig::new(1);
    indexed(&rig);
    let agent = Agent::new(&rig, Speaks::Modern);
    let told = agent.call("friend_search", json!({ "query": "add_217" }));
    let hit = &told.data["hits"][0];
    assert_eq!(hit["file"], "src/sums.rs", "{}", told.text);
    assert!(hit["why"].as_str().unwrap().contains("words: "), "{hit}");
    let [first, last] = ["start_line", "end_line"].map(|name| usize::try_from(hit[name].as_u64().unwrap()).unwrap());
    let lines: Vec<&str> = source().leak().lines().collect();
    assert_eq!(hit["text"].as_str().unwrap(), lines[first - 1..last].join("\n"), "{hit}");
    assert!(hit["text"].as_str().unwrap().contains("fn add_217("), "{hit}");
    let link = hit["link"].as_str().unwrap();
    assert!(link.ends_with(&format!("#L{first}-L{last}")), "{link}");
    assert!(told.text.contains(&format!("src/sums.rs:{first}-{last}")) && told.text.contains(link));
    let read = agent.done("friend_get", json!({ "document": link }));
    assert_eq!(read["text"].as_str().unwrap().trim_end(), hit["text"].as_str().unwrap());
    let resource = agent.result("resources/read", json!({ "uri": link }));
    assert_eq!(resource["contents"][0]["text"], read["text"]);
}

#[test]
fn answers_are_as_long_as_a_model_wants_them_and_pages_leave_nothing_out() {
    let rig = Rig::new(1);
    indexed(&rig);
    let agent = Agent::new(&rig, Speaks::Legacy);
    for (tokens, most) in [(None, 8_192), (Some(100), 1_000), (Some(25_000), 100_000)] {
        let told = agent.call("friend_search", json!({ "query": "add rivers", "limit": 50, "max_tokens": tokens }));
        assert!(told.data["hits"].to_string().len() <= most, "{tokens:?}: {}", told.data.to_string().len());
        assert!(told.text.len() <= most + 1_000, "{tokens:?}: {}", told.text.len());
    }
    let all = agent.done("friend_search", json!({ "query": "add", "limit": 50, "max_tokens": 25_000 }));
    let links = |page: &Value| -> Vec<String> {
        let hits = page["hits"].as_array().unwrap().iter();
        hits.map(|hit| hit["link"].as_str().unwrap().split('#').next().unwrap().to_owned()).collect()
    };
    let mut paged = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let page = agent.done("friend_search", json!({ "query": "add", "limit": 3, "cursor": cursor }));
        paged.extend(links(&page));
        cursor = page["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(paged, links(&all));
}

#[test]
fn a_document_is_read_by_name_by_lines_and_piece_by_piece() {
    let rig = Rig::new(1);
    indexed(&rig);
    let agent = Agent::new(&rig, Speaks::Modern);
    let content = source();
    let lines = agent.done("friend_get", json!({ "document": "src/sums.rs", "start_line": 700, "end_line": 704 }));
    let expected: String = content.split_inclusive('\n').skip(699).take(5).collect();
    assert_eq!(lines["text"], expected);
    assert_eq!((&lines["start_line"], &lines["end_line"]), (&json!(700), &json!(704)));
    assert!(lines["next_cursor"].is_null());
    let mut joined = String::new();
    let mut request = json!({ "document": "src/sums.rs", "max_tokens": 400 });
    loop {
        let page = agent.done("friend_get", request.clone());
        assert_eq!(page["start_line"].as_u64(), Some(joined.matches('\n').count() as u64 + 1));
        assert!(page["text"].as_str().unwrap().len() <= 1_600);
        joined.push_str(page["text"].as_str().unwrap());
        request["cursor"] = page["next_cursor"].clone();
        if request["cursor"].is_null() {
            break;
        }
    }
    assert_eq!(joined, content);
    for (arguments, says) in [
        (json!({ "document": "src/none.rs" }), "no such document"),
        (json!({ "document": "src/sums.rs", "start_line": 9_000 }), "no such lines"),
        (json!({ "document": "src/sums.rs", "start_line": 9, "end_line": 3 }), "before the first"),
        (json!({ "document": "friend://profile" }), "no link to a document"),
        (json!({ "document": "src/sums.rs", "cursor": "700" }), "no cursor"),
    ] {
        assert!(agent.refused("friend_get", arguments.clone()).contains(says), "{arguments}");
    }
}

#[test]
fn what_was_indexed_before_lines_were_counted_is_found_and_read_without() {
    let rig = Rig::new(1);
    indexed(&rig);
    rig.memory.change("UPDATE chunks SET start_line = NULL, end_line = NULL");
    let agent = Agent::new(&rig, Speaks::Legacy);
    let found = agent.done("friend_search", json!({ "query": "lazy dog" }));
    assert_eq!((&found["hits"][0]["file"], &found["hits"][0]["start_line"]), (&json!("notes/fox.md"), &Value::Null));
    let link = found["hits"][0]["link"].as_str().unwrap();
    assert!(!link.contains('#'), "{link}");
    assert!(agent.done("friend_get", json!({ "document": link }))["text"].as_str().unwrap().contains("lazy dog"));
    let refused = agent.refused("friend_get", json!({ "document": link, "start_line": 1 }));
    assert!(refused.contains("before lines were counted"), "{refused}");
}

#[test]
fn what_is_indexed_by_a_tool_is_found_by_another() {
    let rig = Rig::new(1);
    let agent = Agent::new(&rig, Speaks::Modern);
    let documents = json!([
        { "external_id": "a.md", "content": "Whales sing in the deep." },
        { "external_id": ".env", "content": "SECRET=1" },
        { "external_id": "b.md", "content": " " },
    ]);
    let answer = agent.done("friend_index", json!({ "documents": documents }));
    let statuses: Vec<&str> =
        answer["documents"].as_array().unwrap().iter().map(|item| item["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["queued", "rejected", "rejected"]);
    let job = answer["job_id"].as_str().unwrap();
    assert_eq!(agent.done("friend_status", json!({}))["jobs"][0]["status"], "queued");
    rig.drain();
    let status = agent.done("friend_status", json!({ "job_id": job }));
    assert_eq!(status["jobs"][0]["status"], "partial");
    assert!(status["jobs"][0]["stages"][0].as_str().unwrap().starts_with("chunk: 1 of 1"), "{status}");
    let found = agent.done("friend_search", json!({ "query": "whales", "after": answer["consistency_token"] }));
    assert_eq!(found["hits"][0]["file"], "a.md");
    let again = agent.done("friend_index", json!({ "documents": [documents[0]] }));
    assert_eq!((&again["job_id"], &again["documents"][0]["status"]), (&Value::Null, &json!("duplicate")));
    let refused = agent.refused("friend_index", json!({ "documents": [] }));
    assert!(refused.contains("no documents"), "{refused}");
    let refused = agent.refused("friend_index", json!({ "documents": [{ "content": 3 }] }));
    assert!(refused.contains("\ndocuments.0.content: "), "{refused}");
    let refused = agent.refused("friend_index", json!({ "documents": [documents[1]] }));
    assert!(refused.contains("leave it out") && !refused.contains("allow_secrets"), "{refused}");
    let withheld = answer["documents"][1]["error"].as_str().unwrap();
    assert!(withheld.contains("leave it out") && !withheld.contains("allow_secrets"), "{withheld}");
}

#[test]
fn what_became_of_many_documents_fits_an_answer_which_names_first_what_was_rejected() {
    let rig = Rig::new(1);
    let agent = Agent::new(&rig, Speaks::Modern);
    let mut documents: Vec<Value> = (0..600)
        .map(|number| json!({ "external_id": format!("notes/{number}.md"), "content": format!("Text {number}") }))
        .collect();
    documents.push(json!({ "external_id": ".env", "content": "SECRET=1" }));
    let told = agent.call("friend_index", json!({ "documents": documents }));
    assert!(told.data.to_string().len() < 10_000 && told.text.len() < 10_000, "{}", told.data);
    let named = told.data["documents"].as_array().unwrap();
    assert_eq!((&named[0]["file"], &named[0]["status"]), (&json!(".env"), &json!("rejected")));
    assert_eq!((&told.data["sent"], &told.data["others"]["rejected"]), (&json!(601), &Value::Null));
    let others = told.data["others"]["queued"].as_u64().unwrap();
    assert_eq!(others + named.len() as u64, 601);
    assert!(told.text.contains("601 documents") && told.text.contains(&format!("{others} others: queued")));
}

#[test]
fn a_question_is_answered_with_its_sources_or_says_where_the_answer_will_be() {
    let rig = Rig::new(1);
    indexed(&rig);
    let agent = Agent::new(&rig, Speaks::Modern);
    rig.memory.script([Script::Says("The fox jumps over the lazy dog [1].")]);
    let asked =
        agent.call("friend_ask", json!({ "question": "What does the quick fox jump over?", "wait_seconds": 0 }));
    assert_eq!(asked.data["status"], "running");
    let job = asked.data["job_id"].as_str().unwrap();
    assert!(asked.text.contains(job) && asked.text.contains("friend_status"), "{}", asked.text);
    rig.drain();
    let status = agent.done("friend_status", json!({ "job_id": job }));
    assert!(status["jobs"][0]["answer"].as_str().unwrap().contains("lazy dog"), "{status}");
    // The same question in the same state of things is answered at once.
    let answer = agent.call("friend_ask", json!({ "question": "What does the quick fox jump over?" }));
    let cited = &answer.data["citations"][0];
    assert_eq!(
        (&cited["file"], &cited["start_line"], &cited["end_line"]),
        (&json!("notes/fox.md"), &json!(1), &json!(3))
    );
    assert!(answer.text.contains("[1] notes/fox.md:1-3 (friend://doc/"), "{}", answer.text);
    let refused = agent.refused("friend_ask", json!({ "question": " ", "tags": [""] }));
    assert!(refused.contains("\nquestion: "), "{refused}");
    let refused = agent.refused("friend_ask", json!({ "question": "And?", "conversation_id": "con_0" }));
    assert!(refused.contains("no such conversation"), "{refused}");
}

#[test]
fn what_is_remembered_is_recalled_corrected_and_forgotten() {
    let rig = Rig::new(1);
    let agent = Agent::new(&rig, Speaks::Legacy);
    let first = agent.done("friend_remember", json!({ "text": "We deploy on Thursdays", "kind": "decision" }));
    let id = first["memory"]["memory_id"].as_str().unwrap();
    let again = agent.done("friend_remember", json!({ "text": "we deploy on  thursdays" }));
    assert_eq!((&again["outcome"], &again["memory"]["memory_id"]), (&json!("duplicate"), &json!(id)));
    let recalled = agent.call("friend_recall", json!({ "query": "when do we deploy?" }));
    assert_eq!(recalled.data["memories"][0]["memory_id"], id, "{}", recalled.text);
    assert!(recalled.text.contains("We deploy on Thursdays"));
    rig.memory.advance(MINUTE);
    let new = agent.done("friend_remember", json!({ "text": "We deploy on Mondays", "supersedes": id }));
    let listed = agent.done("friend_recall", json!({ "state": "superseded" }));
    assert_eq!(listed["memories"][0]["memory_id"], id);
    let page = agent.done("friend_recall", json!({ "limit": 1 }));
    let rest = agent.done("friend_recall", json!({ "limit": 1, "cursor": page["next_cursor"] }));
    assert_eq!((&rest["memories"][0]["memory_id"], &rest["next_cursor"]), (&json!(id), &Value::Null));
    let forgotten = json!({ "memory_id": new["memory"]["memory_id"] });
    assert_eq!(agent.done("friend_forget", forgotten.clone())["memory_id"], forgotten["memory_id"]);
    assert!(agent.refused("friend_forget", forgotten).contains("no such memory"));
    assert!(agent.refused("friend_recall", json!({ "query": "x", "state": "active" })).contains("one page"));
}

#[test]
fn memories_that_there_is_no_room_for_are_said_to_be_there() {
    let rig = Rig::new(1);
    let agent = Agent::new(&rig, Speaks::Modern);
    for deep in ["Atlantic", "Pacific", "Arctic"] {
        let text = format!("In the {deep} the whales are counted {}", "by their songs, ".repeat(30));
        agent.done("friend_remember", json!({ "text": text }));
    }
    let recall = |tokens: u32| agent.call("friend_recall", json!({ "query": "whales", "max_tokens": tokens }));
    let short = recall(100);
    assert_eq!((short.data["memories"].as_array().unwrap().len(), &short.data["left_out"]), (1, &json!(2)));
    assert!(short.text.ends_with("2 more: ask for more max_tokens."), "{}", short.text);
    let whole = recall(25_000);
    assert_eq!((whole.data["memories"].as_array().unwrap().len(), &whole.data["left_out"]), (3, &Value::Null));
}

#[test]
fn sessions_are_listed_read_and_spoken_in() {
    let rig = Rig::new(1);
    let agent = Agent::new(&rig, Speaks::Modern);
    let opened = rig.request("POST", "/api/session", &json!({ "title": "Review" })).body;
    let id = opened["id"].as_str().unwrap();
    assert_eq!(agent.done("friend_sessions", json!({}))["sessions"][0]["session_id"], id);
    let say = |text: &str| agent.done("friend_sessions", json!({ "action": "say", "session_id": id, "text": text }));
    assert_eq!([say("one"), say("two")].map(|said| said["last_event"].clone()), [1, 2].map(Value::from));
    let read = agent.call("friend_sessions", json!({ "action": "read", "session_id": id, "since": 1 }));
    let events = read.data["events"].as_array().unwrap();
    assert_eq!((events.len(), &events[0]["text"], &read.data["last_event"]), (1, &json!("two"), &json!(2)));
    assert!(read.text.contains("agent: two"), "{}", read.text);
    assert!(agent.refused("friend_sessions", json!({ "action": "read" })).contains("list"));
    assert!(agent.refused("friend_sessions", json!({ "action": "say", "session_id": id })).contains("empty"));
    rig.request("DELETE", &format!("/api/session/{id}"), &Value::Null);
    let refused = agent.refused("friend_sessions", json!({ "action": "say", "session_id": id, "text": "three" }));
    assert!(refused.contains("closed"), "{refused}");
}

#[test]
fn without_neurons_a_search_goes_on_by_keyword_and_says_so() {
    let rig = Rig::new(1);
    indexed(&rig);
    rig.memory.set_limits(r#"{"neurons": 0.001}"#);
    let agent = Agent::new(&rig, Speaks::Modern);
    let told = agent.call("friend_search", json!({ "query": "lazy dog" }));
    assert_eq!((&told.data["hits"][0]["file"], &told.data["mode"]), (&json!("notes/fox.md"), &json!("keyword")));
    assert!(told.text.starts_with("Note: today's neurons are spent"), "{}", told.text);
    let usage = agent.call("friend_usage", json!({}));
    assert_eq!(usage.data["resources"][0]["level"], "spent");
    assert!(usage.text.contains("neurons: "), "{}", usage.text);
}

#[test]
fn what_a_tool_cannot_do_is_told_to_the_model_with_what_to_do_next() {
    let rig = Rig::new(1);
    let agent = Agent::new(&rig, Speaks::Legacy);
    for (tool, arguments, says) in [
        ("friend_search", json!({}), "query: it is missing; expected a text"),
        ("friend_search", json!({ "query": " " }), "empty"),
        ("friend_search", json!({ "query": "a", "limit": 51 }), "from 1 to 50"),
        ("friend_search", json!({ "query": "a", "limit": "ten" }), "limit: "),
        ("friend_search", json!({ "query": "a", "topk": 1 }), "there is no field \"topk\""),
        ("friend_search", json!({ "query": "a", "type": "poem" }), "none of"),
        ("friend_search", json!({ "query": "a", "max_tokens": 99_999 }), "100 to 25000"),
        ("friend_search", json!({ "query": "x".repeat(9_000) }), "the limit is"),
        ("friend_status", json!({ "job_id": "job_0" }), "no such job"),
        ("friend_remember", json!({ "text": "a", "kind": "poem" }), "none of"),
        ("friend_usage", json!({ "month": "2026-11" }), "there is no field \"month\""),
        (
            "friend_ask",
            json!({ "question": "What?", "wait_seconds": 51 }),
            "wait_seconds: expected a whole number from 0",
        ),
        ("friend_index", json!({ "documents": [{ "content": "a" }], "wait_seconds": 500 }), "from 0 to 50, not 500"),
    ] {
        let why = agent.refused(tool, arguments.clone());
        assert!(why.contains(says), "{tool} {arguments}: {why}");
    }
    // What fails on our side is no fault of the protocol either, and is told.
    let mut calls = 0;
    rig.memory.set_fates(move || {
        calls += 1;
        if calls > 2 { Fate::Fails } else { Fate::Works }
    });
    let told = agent.refused("friend_recall", json!({}));
    rig.memory.heal();
    assert!(told.contains("not answering") && told.contains("Try again"), "{told}");
}

#[test]
fn resources_are_what_there_is_to_read_page_by_page() {
    let rig = Rig::new(1);
    let documents: Vec<Value> = (0..120)
        .map(|number| json!({ "external_id": format!("{number}.md"), "content": format!("Text {number}") }))
        .collect();
    rig.upload(&Value::from(documents));
    rig.drain();
    let agent = Agent::new(&rig, Speaks::Legacy);
    let first = agent.result("resources/list", json!({}));
    let resources = first["resources"].as_array().unwrap();
    assert_eq!((resources.len(), resources[0]["uri"].as_str()), (101, Some("friend://profile")));
    let second = agent.result("resources/list", json!({ "cursor": first["nextCursor"] }));
    assert_eq!(second["resources"].as_array().unwrap().len(), 20);
    assert!(second.get("nextCursor").is_none());
    let read = agent.result("resources/read", json!({ "uri": resources[1]["uri"] }));
    assert_eq!(
        read["contents"][0]["text"],
        format!("Text {}", resources[1]["name"].as_str().unwrap().trim_end_matches(".md"))
    );
    let profile = agent.result("resources/read", json!({ "uri": "friend://profile" }));
    assert!(profile["contents"][0]["text"].as_str().unwrap().contains("usr_"));
    let turn = rig.chat(&json!({ "message": "Hello there" }));
    let uri = format!("friend://conversation/{}", turn["conversation_id"].as_str().unwrap());
    let conversation = agent.result("resources/read", json!({ "uri": uri }));
    assert!(conversation["contents"][0]["text"].as_str().unwrap().contains("## user\n\nHello there"));
    rig.memory.change("UPDATE turns SET content = hex(zeroblob(60000))");
    let cut = agent.result("resources/read", json!({ "uri": uri }));
    let rest = format!("GET /api/conversations/{} has all of it", turn["conversation_id"].as_str().unwrap());
    assert!(cut["contents"][0]["text"].as_str().unwrap().contains(&rest));
    let templates = agent.result("resources/templates/list", json!({}));
    assert_eq!(templates["resourceTemplates"].as_array().unwrap().len(), 2);
}

#[test]
fn prompts_bring_what_is_known_and_ask_before_anything_is_remembered() {
    let rig = Rig::new(1);
    indexed(&rig);
    let agent = Agent::new(&rig, Speaks::Modern);
    agent.done("friend_remember", json!({ "text": "The fox is never to be renamed", "pinned": true }));
    let owl = |name: &str| json!({ "external_id": name, "content": "# The zoo\n\nThe owl is fed at night.\n" });
    rig.upload(&json!([owl("shop/zoo.md"), owl("yard/zoo.md")]));
    rig.drain();
    rig.memory.advance(3 * MINUTE);
    let context =
        json!({ "name": "context", "arguments": { "task": "rename the fox", "repository": "github.com/a/b" } });
    let context = agent.result("prompts/get", context);
    let text = context["messages"][0]["content"]["text"].as_str().unwrap();
    assert!(text.contains("never to be renamed") && text.contains("notes/fox.md:"), "{text}");
    for (repository, first) in [("shop", "shop/"), ("yard", "yard/")] {
        let context = json!({ "name": "context", "arguments": { "task": "feed the owl", "repository": repository } });
        let text = agent.result("prompts/get", context)["messages"][0]["content"]["text"].take();
        let text = text.as_str().unwrap().to_owned();
        let other = if first == "shop/" { "yard/" } else { "shop/" };
        let place = |project: &str| text.find(&format!("\n{project}zoo.md")).unwrap();
        assert!(place(first) < place(other), "{text}");
    }
    for task in ["fox ".repeat(5_000), "🦊".repeat(5_000)] {
        let arguments = json!({ "task": task, "repository": "github.com/a/b" });
        let context = agent.result("prompts/get", json!({ "name": "context", "arguments": arguments }));
        assert!(context["messages"][0]["content"]["text"].as_str().unwrap().contains("friend_get"));
    }
    let checkpoint = agent.result("prompts/get", json!({ "name": "checkpoint" }));
    let text = checkpoint["messages"][0]["content"]["text"].as_str().unwrap();
    assert!(text.contains("friend_remember") && text.contains("Wait for my answer"), "{text}");
}

#[test]
fn nobody_reads_what_another_has() {
    let rig = Rig::new(1);
    indexed(&rig);
    let agent = Agent::new(&rig, Speaks::Legacy);
    let link = agent.done("friend_search", json!({ "query": "fox" }))["hits"][0]["link"].as_str().unwrap().to_owned();
    let other = rig.new_user();
    let other = Rig::over(rig.memory.worker("other"), &other);
    let stranger = Agent::new(&other, Speaks::Legacy);
    assert!(stranger.done("friend_search", json!({ "query": "fox" }))["hits"].as_array().unwrap().is_empty());
    assert!(stranger.refused("friend_get", json!({ "document": link })).contains("no such document"));
    assert_eq!(stranger.error("resources/read", json!({ "uri": link })), (200, -32002));
    assert_eq!(stranger.result("resources/list", json!({}))["resources"].as_array().unwrap().len(), 1);
}
