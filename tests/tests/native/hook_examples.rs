//! Prompts over this repository's own documents, and what each should be told: a file that must be among the places, a
//! memory, or nothing.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests; what went wrong is told")]

use std::fs;

use serde_json::{Value, json};
use tests::rig::Rig;

const PROJECT: &str = "github.com/example/friend";

/// Files of the repository, as a push would call them.
const FOLDERS: [&str; 5] =
    ["docs", "docs/decisions", "pipeline/src/job", "producers/src/schedule", "consumers/src/chat"];

const MEMORIES: [(&str, &str); 8] = [
    ("decision", "We deploy on Thursdays, never on Fridays"),
    ("decision", "Vectors of pushed files are kept for thirty days"),
    ("instruction", "Never use unwrap outside of tests"),
    ("preference", "I prefer British spelling in documentation"),
    ("fact", "The staging deployment lives at friend-staging.example.dev"),
    ("decision", "We use pnpm for the website, not npm"),
    ("instruction", "Always add a line to CHANGELOG.md when users notice a change"),
    ("fact", "Grace reviews everything about billing"),
];

/// A prompt and what its answer must hold.
const TOLD: [(&str, &str); 20] = [
    ("How does the sweep find lost messages?", "sweep.rs"),
    ("why are memories not merged by their embedding?", "033-memories-are-not-merged.md"),
    ("where is retention enforced for documents and conversations?", "retention.rs"),
    ("explain how a claim's lease and token keep two workers apart", "protocol"),
    ("what does enforce_retention remove?", "retention.rs"),
    ("the fate function gives up too early after a bug, show me why", "outcome.rs"),
    ("which queue does the unpack stage read from and how are versions of messages decided?", "message.rs"),
    ("How are citations checked after the model wrote an answer?", "citations.rs"),
    ("What happens to vectors when the index is nearly full, how does eviction choose?", "eviction.rs"),
    ("summarise why late users share a namespace of the vector index", "030-shared-namespaces.md"),
    ("change wake_waiting so that batches wait for their packs", "protocol"),
    ("what headers does mcp need, which protocol versions are spoken?", "mcp.md"),
    ("is ItemAnnouncement sent for parked items?", "message.rs"),
    ("how are orphans of a crash collected from R2?", "orphans.rs"),
    ("how is an idle conversation archived?", "archive_conversations.rs"),
    ("can we deploy this on Friday?", "We deploy on Thursdays"),
    ("install the dependency with npm in the website folder", "pnpm"),
    ("who should review the billing change?", "Grace"),
    ("what is the address of the staging deployment?", "friend-staging"),
    ("is unwrap allowed here?", "Never use unwrap"),
];

const NOTHING: [&str; 30] = [
    "thanks!",
    "yes please",
    "continue",
    "run the tests",
    "commit and push",
    "that's not what I meant",
    "fix the failing test",
    "make it shorter",
    "what time is it in Tokyo?",
    "write a limerick about a cat",
    "convert this CSV to JSON",
    "add a dark mode toggle to the settings page",
    "explain monads to a beginner",
    "why is the sky blue?",
    "center the div on the page",
    "write a Dockerfile for a Django application",
    "translate this sentence into French",
    "undo the last change",
    "rename foo to bar",
    "explain recursion",
    "how do I exit vim?",
    "create a React component with a carousel",
    "what's the capital of Peru?",
    "add a newline at the end of the file",
    "can you try again with more detail?",
    "looks good, ship it",
    "set up a Kubernetes cluster with Helm",
    "bump the version to 2.0",
    "sort the imports alphabetically",
    "write a regular expression for email addresses",
];

fn furnished() -> Rig {
    let rig = Rig::new(1);
    let root = local_dev::product::root();
    let mut documents = Vec::new();
    for folder in FOLDERS {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let Ok(content) = fs::read_to_string(&path) else { continue };
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            // What these tests are about says the words of all prompts.
            if !name.ends_with("hooks.md") {
                documents.push(json!({"external_id": format!("{PROJECT}/{name}"), "content": content}));
            }
        }
    }
    documents.sort_by_key(|document| document["external_id"].as_str().unwrap().to_owned());
    for some in documents.chunks(12) {
        rig.upload(&json!(some));
        rig.drain();
    }
    for (kind, text) in MEMORIES {
        assert_eq!(rig.request("POST", "/api/memory", &json!({"text": text, "kind": kind})).status, 201);
    }
    rig
}

fn told(rig: &Rig, number: usize, prompt: &str) -> String {
    let session = format!("session-{number}");
    let body = json!({"hook_event_name": "UserPromptSubmit", "session_id": session, "prompt": prompt});
    let answer = rig.request("POST", "/hooks/claude-code", &body);
    assert_eq!(answer.status, 200);
    answer
        .body
        .get("hookSpecificOutput")
        .map_or_else(String::new, |output: &Value| output["additionalContext"].as_str().unwrap().to_owned())
}

#[test]
fn what_is_told_is_about_the_prompt_and_most_is_told_nothing() {
    let rig = furnished();
    let mut helpful = 0;
    let mut wrong = 0;
    for (number, (prompt, wanted)) in TOLD.into_iter().enumerate() {
        let text = told(&rig, number, prompt);
        let is_told = text.contains(wanted);
        helpful += usize::from(is_told);
        wrong += usize::from(!text.is_empty() && !is_told);
        if !is_told {
            println!("{prompt}\n  wanted {wanted}\n  {}", text.replace('\n', "\n  "));
        }
    }
    let mut silent = 0;
    for (number, prompt) in NOTHING.into_iter().enumerate() {
        let text = told(&rig, 100 + number, prompt);
        silent += usize::from(text.is_empty());
        if !text.is_empty() {
            println!("{prompt}\n  wanted nothing\n  {}", text.replace('\n', "\n  "));
        }
    }
    let spoke = helpful + wrong + NOTHING.len() - silent;
    println!("helpful {helpful} of {}, spoke {spoke}, silent {silent} of {}", TOLD.len(), NOTHING.len());
    assert!(helpful * 10 >= spoke * 9, "{helpful} of {spoke}");
    assert!(silent * 10 >= NOTHING.len() * 9, "{silent}");
    assert!(helpful * 2 >= TOLD.len(), "{helpful}");
}
