//! A hundred facts of our own, said in earlier conversations, half of them superseded since: all of one user.
//!
//! `tests/answers/memories.jsonl` has of each what was said, with what else was said in that conversation, what
//! superseded it later, and a question. First all is said that was said first; then what supersedes it.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{recall::Question, text};
use crate::{Error, client::Client};

/// How long what was said may take until it is proposed.
const DEADLINE: Duration = Duration::from_mins(10);
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A fact that was said, and a question about it.
#[derive(Debug, Deserialize)]
pub struct Case {
    id: String,
    /// What was said in an earlier conversation.
    said: Vec<String>,
    /// What of it was superseded later, and by what.
    superseded: Vec<(String, String)>,
    question: String,
    /// What holds, and answers the question.
    wanted: String,
    /// What would answer it if it still held.
    stale: Vec<String>,
    language: String,
    /// Whether the question has the fact's words: `same` or `other`.
    wording: String,
}

/// How what was said becomes memories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Each sentence is remembered, and what supersedes another says so.
    Corrected,
    /// Each sentence is remembered, and nobody says what it supersedes.
    Beside,
    /// The sentences are prompts in sessions of Claude Code, of which the hooks tell; whatever is proposed is
    /// confirmed before the next conversations.
    Captured,
}

/// What is remembered.
#[derive(Debug)]
pub struct Kept {
    /// The questions, in the order of the cases.
    pub questions: Vec<Question>,
    /// How many of the sentences that supersede another were brought together with it by the product itself.
    pub matched: Option<usize>,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Corrected, Self::Beside, Self::Captured];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Corrected => "corrected",
            Self::Beside => "beside",
            Self::Captured => "captured",
        }
    }

    /// Has everything remembered, in this way.
    ///
    /// # Errors
    /// Something is refused that should not be.
    pub fn keep(self, client: &Client, cases: &[Case]) -> Result<Kept, Error> {
        match self {
            Self::Corrected | Self::Beside => remember(client, cases, self == Self::Corrected),
            Self::Captured => capture(client, cases),
        }
    }
}

/// All sentences, those that hold no more too.
pub fn sentences(cases: &[Case]) -> HashSet<&str> {
    let said = cases.iter().flat_map(|case| &case.said);
    let later = cases.iter().flat_map(|case| &case.superseded).map(|(_, new)| new);
    said.chain(later).map(String::as_str).collect()
}

/// The questions, where this says which memories say a sentence.
pub fn questions(cases: &[Case], saying: impl Fn(&str) -> HashSet<String>) -> Vec<Question> {
    let question = |case: &Case| {
        let is_superseded = !case.superseded.is_empty();
        let mut groups =
            vec![format!("{} words", case.wording), if is_superseded { "superseded" } else { "holding" }.to_owned()];
        groups.extend((case.language != "en").then(|| "not English".to_owned()));
        let stale = || case.stale.iter().flat_map(|sentence| saying(sentence)).collect();
        Question {
            id: case.id.clone(),
            text: case.question.clone(),
            groups,
            wanted: saying(&case.wanted),
            stale: is_superseded.then(stale),
        }
    };
    cases.iter().map(question).collect()
}

fn remember(client: &Client, cases: &[Case], says_so: bool) -> Result<Kept, Error> {
    let mut ids: HashMap<&str, String> = HashMap::new();
    for sentence in cases.iter().flat_map(|case| &case.said) {
        let answer = client.post("/api/memory", &json!({ "text": sentence }))?.success()?;
        ids.insert(sentence, text(&answer["id"]).to_owned());
    }
    let mut named = 0;
    for (old, new) in cases.iter().flat_map(|case| &case.superseded) {
        let old = ids.get(old.as_str()).ok_or_else(|| format!("{old:?} was superseded and never said"))?;
        let body = if says_so { json!({ "text": new, "supersedes": old }) } else { json!({ "text": new }) };
        let answer = client.post("/api/memory", &body)?.success()?;
        named += usize::from(names(&answer, old));
        ids.insert(new, text(&answer["id"]).to_owned());
    }
    let questions = questions(cases, |sentence| ids.get(sentence).cloned().into_iter().collect());
    Ok(Kept { questions, matched: (!says_so).then_some(named) })
}

/// True if what was just remembered is answered with this memory as one that may be about the same.
fn names(answer: &Value, id: &str) -> bool {
    answer["similar_to"].as_array().into_iter().flatten().any(|similar| similar["id"] == id)
}

fn capture(client: &Client, cases: &[Case]) -> Result<Kept, Error> {
    for case in cases {
        converse(client, &format!("{}-before", case.id), case.said.iter())?;
    }
    confirm_all(client)?;
    for case in cases.iter().filter(|case| !case.superseded.is_empty()) {
        converse(client, &format!("{}-later", case.id), case.superseded.iter().map(|(_, new)| new))?;
    }
    confirm_all(client)?;
    let memories = client.list("/api/memory?limit=100")?;
    let saying = |sentence: &str| -> HashSet<String> {
        let saying = memories.iter().filter(|memory| says(text(&memory["text"]), sentence));
        saying.map(|memory| text(&memory["id"]).to_owned()).collect()
    };
    let supersedes = |(old, new): &&(String, String)| {
        let (old, new) = (saying(old), saying(new));
        memories.iter().any(|memory| new.contains(text(&memory["id"])) && old.contains(text(&memory["supersedes"])))
    };
    let matched = cases.iter().flat_map(|case| &case.superseded).filter(supersedes).count();
    Ok(Kept { questions: questions(cases, saying), matched: Some(matched) })
}

/// A session of Claude Code, from its first prompt to its end.
fn converse<'a>(client: &Client, session: &str, prompts: impl Iterator<Item = &'a String>) -> Result<(), Error> {
    let hook = |event: &str, prompt: &str| {
        let body = json!({ "hook_event_name": event, "session_id": session, "prompt": prompt });
        client.post("/hooks/claude-code", &body)?.success().map(drop)
    };
    hook("SessionStart", "")?;
    for prompt in prompts {
        hook("UserPromptSubmit", prompt)?;
    }
    hook("SessionEnd", "")
}

/// Confirms whatever is proposed, the oldest first, once nothing more is looked through.
fn confirm_all(client: &Client) -> Result<(), Error> {
    let end = Instant::now() + DEADLINE;
    while is_capturing(client)? {
        if Instant::now() > end {
            return Err(format!("not all that was said is captured after {DEADLINE:?}").into());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    for memory in client.list("/api/memory?limit=100&state=proposed")?.iter().rev() {
        client.send("POST", &format!("/api/memory/{}/confirm", text(&memory["id"])), &[], b"")?.success()?;
    }
    Ok(())
}

fn is_capturing(client: &Client) -> Result<bool, Error> {
    for status in ["queued", "running", "parked"] {
        let jobs = client.get(&format!("/api/jobs?kind=capture&limit=1&status={status}"))?.success()?;
        if jobs["items"].as_array().is_some_and(|jobs| !jobs.is_empty()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// True if a memory that was captured says a sentence, or a part of it: openings and last marks are left out of it.
fn says(memory: &str, sentence: &str) -> bool {
    let words = |text: &str| {
        let words = text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
        format!(" {} ", words.map(str::to_lowercase).collect::<Vec<_>>().join(" "))
    };
    let said = words(memory);
    !said.trim().is_empty() && words(sentence).contains(&said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{evaluation::answers::lines, product::root};

    #[test]
    fn a_part_of_a_sentence_is_said_by_whole_words() {
        assert!(says("two spaces, no tabs", "I have changed my mind: two spaces, no tabs."));
        assert!(says("we deploy on Fridays", "We deploy on Fridays."));
        assert!(!says("deploy on Friday", "We deploy on Fridays."));
        assert!(!says("We deploy on Fridays, at noon", "We deploy on Fridays."));
        assert!(!says("", "We deploy."));
    }

    #[test]
    fn what_is_near_another_is_named() {
        let answer = json!({"similar_to": [{"id": "mem_a"}, {"id": "mem_b"}]});
        assert!(names(&answer, "mem_b") && !names(&answer, "mem_c") && !names(&json!({}), "mem_a"));
    }

    #[test]
    fn what_a_case_asks_for_was_said_and_holds_in_all_of_them() {
        let cases: Vec<Case> = lines(&root().join("tests/answers/memories.jsonl")).unwrap();
        assert_eq!(cases.len(), 100);
        let all = sentences(&cases);
        let itself = |sentence: &str| HashSet::from([sentence.to_owned()]);
        let stale: HashSet<String> = cases.iter().flat_map(|case| case.stale.clone()).collect();
        for (case, question) in cases.iter().zip(questions(&cases, itself)) {
            assert!(all.contains(case.wanted.as_str()) && !stale.contains(&case.wanted), "{}", case.id);
            assert_eq!(question.stale.is_some(), question.groups[1] == "superseded", "{}", case.id);
            assert!(case.stale.iter().all(|old| case.superseded.iter().any(|(one, _)| one == old)), "{}", case.id);
        }
    }
}
