//! The two hundred labelled turns of `tests/capture/`: how much of what is proposed is right, how much of what is worth
//! keeping is proposed, and that no secret is kept anywhere.
//!
//! The rules were developed on the sessions with an even number. Those with an odd one are held out: of them nothing is
//! printed but figures, so that nobody tunes a rule by what it misses there.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests; figures are printed")]

use std::{collections::HashSet, fs};

use data_encoding::{BASE64, BASE64URL_NOPAD};
use local_dev::product::root;
use pipeline::{platform::ports::ObjectStore as _, time::MINUTE};
use serde::Deserialize;
use serde_json::{Value, json};
use test_platform::ready;
use tests::rig::Rig;

use crate::capture::hook_of;

/// Least recall, in percent: somewhat less than was measured.
const RECALL_OF_ALL: usize = 62;
const RECALL_HELD_OUT: usize = 40;

#[derive(Deserialize)]
struct Turn {
    session: String,
    prompt: String,
    assistant: String,
    keep: Vec<Keep>,
    secret: Option<String>,
}

/// Something that is worth keeping.
#[derive(Deserialize)]
struct Keep {
    kind: String,
    words: Vec<String>,
}

fn turns() -> Vec<Turn> {
    let text = fs::read_to_string(root().join("tests/capture/turns.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Letters of a secret that nobody has, as many as are asked for: made up here, so that no file holds one.
fn drawn(of: &str, length: usize) -> String {
    let mut state = of
        .bytes()
        .fold(0x9E37_79B9_7F4A_7C15_u64, |state, byte| (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3));
    let letters: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz23456789";
    let letter = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(letters[usize::try_from(state >> 33).unwrap() % letters.len()])
    };
    (0..length).map(letter).collect()
}

/// Digits that do not count on: what does is a sample to the rules, and no secret.
fn digits(of: &str, length: usize) -> String {
    drawn(of, length).bytes().map(|byte| char::from(b'0' + byte % 10)).collect()
}

/// What stands for a placeholder, and the part of it that must not be found anywhere afterwards.
fn secret(name: &str) -> (String, String) {
    let all = |text: String| (text.clone(), text);
    match name {
        "github_token" => all(format!("ghp_{}", drawn(name, 36))),
        "aws_key_id" => all(format!("AKIA{}", drawn(name, 16).to_uppercase().replace(['8', '9'], "7"))),
        "aws_secret" => all(drawn(name, 40)),
        "private_key" => {
            let lines: Vec<String> =
                (0..6).map(|line| BASE64.encode(drawn(&format!("{name}{line}"), 48).as_bytes())).collect();
            let key = lines.join("\n");
            let (begin, end) = ("-----BEGIN OPENSSH PRIVATE ", "-----END OPENSSH PRIVATE ");
            (format!("{begin}KEY-----\n{key}\n{end}KEY-----"), lines[3].clone())
        }
        "postgres_url" => {
            let password = drawn(name, 18);
            (format!("postgres://reporting:{password}@replica.db.example.com:5432/shop"), password)
        }
        "anthropic_key" => all(format!("sk-ant-api03-{}AA", drawn(name, 93))),
        "jwt" => {
            let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
            let (header, claims) = (part(r#"{"alg":"HS256","typ":"JWT"}"#), part(r#"{"sub":"42","aud":"mobile"}"#));
            all(format!("{header}.{claims}.{}", drawn(name, 43)))
        }
        "slack_token" => all(format!("xoxb-{}-{}-{}", digits("one", 12), digits("two", 13), drawn(name, 24))),
        "generic_password" => all(drawn(name, 16)),
        "stripe_key" => all(format!("sk_live_{}", drawn(name, 24))),
        other => panic!("no secret is called {other}"),
    }
}

impl Turn {
    fn is_held_out(&self) -> bool {
        self.session[1..].parse::<u32>().unwrap() % 2 == 1
    }

    /// The turn with its secret, and what must not be found of that.
    fn filled(&self) -> (String, String, Option<String>) {
        let Some(name) = &self.secret else { return (self.prompt.clone(), self.assistant.clone(), None) };
        let (value, part) = secret(name);
        let placeholder = format!("{{{{{name}}}}}");
        assert!(self.prompt.contains(&placeholder) || self.assistant.contains(&placeholder), "{name}");
        let filled = |text: &str| text.replace(&placeholder, &value);
        (filled(&self.prompt), filled(&self.assistant), Some(part))
    }
}

/// Everything that is stored: rows of every table, and objects.
fn stored(rig: &Rig) -> String {
    let tables = rig.memory.look("SELECT name FROM sqlite_master WHERE type = 'table'");
    let mut all = String::new();
    for table in &tables {
        // A test's own SQL is static; this is done once.
        let sql: &'static str = Box::leak(format!("SELECT * FROM {}", table["name"]).into_boxed_str());
        for row in rig.memory.look(sql) {
            all.push_str(&row.to_string());
            all.push('\n');
        }
    }
    for key in rig.memory.object_keys() {
        all.push_str(&String::from_utf8_lossy(&ready(rig.memory.get(&key, None)).unwrap().unwrap().bytes));
    }
    all
}

/// What is proposed that was not before.
fn newly_proposed(rig: &Rig, seen: &mut HashSet<String>) -> Vec<Value> {
    let listed = rig.request("GET", "/api/memory?state=proposed&limit=100", &Value::Null).body;
    let all = listed["items"].as_array().unwrap().clone();
    all.into_iter().filter(|memory| seen.insert(memory["id"].as_str().unwrap().to_owned())).collect()
}

#[derive(Debug, Default)]
struct Figures {
    right: usize,
    wrong: usize,
    of_kind: usize,
    kept: usize,
    missed: usize,
}

impl Figures {
    fn and(&self, other: &Self) -> Self {
        Self {
            right: self.right + other.right,
            wrong: self.wrong + other.wrong,
            of_kind: self.of_kind + other.of_kind,
            kept: self.kept + other.kept,
            missed: self.missed + other.missed,
        }
    }

    fn is_precise(&self) -> bool {
        self.right * 10 >= (self.right + self.wrong) * 9
    }

    fn recalls(&self, percent: usize) -> bool {
        self.right * 100 >= self.kept * percent
    }

    fn judge(&mut self, turn: &Turn, proposed: &[Value]) {
        let is_shown = !turn.is_held_out();
        let mut open: Vec<&Keep> = turn.keep.iter().collect();
        for memory in proposed {
            let text = memory["text"].as_str().unwrap().to_lowercase();
            let is_of = |keep: &&Keep| keep.words.iter().all(|word| text.contains(word.as_str()));
            if let Some(place) = open.iter().position(is_of) {
                self.right += 1;
                self.of_kind += usize::from(memory["kind"] == open.remove(place).kind.as_str());
                continue;
            }
            self.wrong += 1;
            if is_shown {
                println!("{} wrong: {} of {:?}", turn.session, memory["text"], turn.prompt);
            }
        }
        self.kept += turn.keep.len();
        self.missed += open.len();
        for keep in open.into_iter().filter(|_| is_shown) {
            println!("{} missed: {:?} of {:?}", turn.session, keep.words, turn.prompt);
        }
    }
}

#[test]
fn what_is_proposed_of_labelled_turns_is_worth_keeping_and_no_secret_is() {
    let rig = Rig::new(1);
    let turns = turns();
    let (mut developed, mut held_out) = (Figures::default(), Figures::default());
    let (mut seen, mut secrets) = (HashSet::new(), Vec::new());
    for turn in &turns {
        let (prompt, assistant, part) = turn.filled();
        secrets.extend(turn.secret.as_deref().zip(part));
        hook_of(&rig, &turn.session, "UserPromptSubmit", &json!({ "prompt": prompt }));
        hook_of(&rig, &turn.session, "Stop", &json!({ "last_assistant_message": assistant }));
        rig.memory.advance(MINUTE + MINUTE);
        rig.drain();
        let proposed = newly_proposed(&rig, &mut seen);
        let figures = if turn.is_held_out() { &mut held_out } else { &mut developed };
        figures.judge(turn, &proposed);
        for memory in &proposed {
            // Nobody's list of proposals grows: what is here is judged.
            let path = format!("/api/memory/{}/confirm", memory["id"].as_str().unwrap());
            assert_eq!(rig.request("POST", &path, &Value::Null).status, 200);
        }
    }
    for session in turns.iter().map(|turn| &turn.session).collect::<HashSet<_>>() {
        hook_of(&rig, session, "SessionEnd", &json!({}));
    }
    rig.drain();
    assert_eq!(newly_proposed(&rig, &mut seen), [Value::Null; 0], "all was handed over before");
    let all = developed.and(&held_out);
    println!("developed on: {developed:?}\nheld out: {held_out:?}\nall: {all:?}");
    assert_eq!(secrets.len(), 10);
    let stored = stored(&rig);
    for (name, part) in &secrets {
        assert!(!stored.contains(part.as_str()), "{name} is kept");
    }
    assert!(all.is_precise() && all.recalls(RECALL_OF_ALL), "{all:?}");
    assert!(held_out.recalls(RECALL_HELD_OUT), "{held_out:?}");
}
