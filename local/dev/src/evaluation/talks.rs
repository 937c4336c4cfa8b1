//! Conversations of others whose turns are remembered one by one, and questions about them, each judged by session.
//!
//! Nobody remembers every turn; it shows what recall finds among many memories that are all about the same people.
//! Each conversation is a user of its own, so that its turns are within what a user may have remembered.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use pipeline::constants::MEMORIES;
use serde_json::json;

use super::{
    recall::Question,
    set::{self, Query, Set},
    text,
};
use crate::{Error, client::Client};

/// A conversation over many sessions.
#[derive(Debug)]
pub struct Talk {
    /// Its name.
    pub name: String,
    /// Each with the session it was said in.
    turns: Vec<(String, String)>,
    /// Each with the sessions that answer it.
    queries: Vec<(Query, HashSet<String>)>,
}

/// The conversations of a set whose documents are sessions, called `conversation:session`.
///
/// # Errors
/// A file is missing or cannot be read.
pub fn read(folder: &Path, name: &str) -> Result<Vec<Talk>, Error> {
    Ok(talks(set::read(folder, name)?))
}

fn talks(mut set: Set) -> Vec<Talk> {
    let mut talks: Vec<Talk> = Vec::new();
    for document in &set.documents {
        let session = text(&document["external_id"]);
        let name = conversation(session);
        let said = turns(text(&document["content"])).into_iter().map(|turn| (session.to_owned(), turn));
        match talks.iter_mut().find(|talk| talk.name == name) {
            Some(talk) => talk.turns.extend(said),
            None => talks.push(Talk { name: name.to_owned(), turns: said.collect(), queries: Vec::new() }),
        }
    }
    for query in set.queries {
        let gains = set.gains.remove(&query.id).unwrap_or_default();
        let sessions: HashSet<String> =
            gains.into_iter().filter(|(_, gain)| *gain > 0.0).map(|(session, _)| session).collect();
        let name = sessions.iter().next().map(|session| conversation(session));
        if let Some(talk) = talks.iter_mut().find(|talk| Some(talk.name.as_str()) == name) {
            talk.queries.push((query, sessions));
        }
    }
    talks
}

fn conversation(session: &str) -> &str {
    session.split(':').next().unwrap_or_default()
}

/// The turns of a session, each `name: text`. A line without a name goes on with the turn before it.
fn turns(session: &str) -> Vec<String> {
    let mut turns: Vec<String> = Vec::new();
    for line in session.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match turns.last_mut().filter(|_| !begins_turn(line)) {
            Some(turn) => *turn = format!("{turn} {line}"),
            None => turns.push(line.to_owned()),
        }
    }
    turns
}

fn begins_turn(line: &str) -> bool {
    line.split_once(':').is_some_and(|(name, _)| !name.is_empty() && name.chars().all(char::is_alphabetic))
}

impl Talk {
    /// True if a user may have all its turns remembered.
    pub fn fits(&self) -> bool {
        i64::try_from(self.turns.len()).is_ok_and(|turns| turns <= MEMORIES)
    }

    /// All that was said.
    pub fn turns(&self) -> impl Iterator<Item = &str> {
        self.turns.iter().map(|(_, turn)| turn.as_str())
    }

    /// The questions, where this says which memory is a turn.
    pub fn questions<'a>(&'a self, memory: impl Fn(&'a str) -> Option<String>) -> Vec<Question> {
        let mut of_session: HashMap<&str, HashSet<String>> = HashMap::new();
        for (session, turn) in &self.turns {
            of_session.entry(session).or_default().extend(memory(turn));
        }
        let question = |(query, sessions): &(Query, HashSet<String>)| {
            let wanted = sessions.iter().filter_map(|session| of_session.get(session.as_str()));
            Question {
                id: query.id.clone(),
                text: query.text.clone(),
                groups: query.category.clone().into_iter().collect(),
                wanted: wanted.flatten().cloned().collect(),
                stale: None,
            }
        };
        self.queries.iter().map(question).collect()
    }

    /// Has every turn remembered; the questions. What is refused is told, and not remembered.
    ///
    /// # Errors
    /// The product does not answer.
    pub fn keep(&self, client: &Client) -> Result<Vec<Question>, Error> {
        let mut ids: HashMap<&str, String> = HashMap::new();
        for (session, turn) in &self.turns {
            let answer = client.post("/api/memory", &json!({ "text": turn, "source": session }))?;
            match answer.success() {
                Ok(memory) => drop(ids.insert(turn, text(&memory["id"]).to_owned())),
                Err(why) => eprintln!("{session}: {turn:?} is refused: {why}"),
            }
        }
        Ok(self.questions(|turn| ids.get(turn).cloned()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_without_a_name_goes_on_with_the_turn_before_it() {
        let said = "Ada: Hello!\n\n [shares a photo]\nBob: At 9: it rains.\nEd:";
        assert_eq!(turns(said), ["Ada: Hello! [shares a photo]", "Bob: At 9: it rains.", "Ed:"]);
    }

    #[test]
    fn a_turn_of_any_session_that_answers_is_wanted_and_no_other() {
        let document = |id: &str, content: &str| json!({ "external_id": id, "content": content });
        let query =
            |id: &str| Query { id: id.to_owned(), text: String::new(), category: Some("2".to_owned()), answer: None };
        let gains = |gains: &[(&str, f64)]| gains.iter().map(|(id, gain)| ((*id).to_owned(), *gain)).collect();
        let set = Set {
            name: "talks".to_owned(),
            documents: vec![
                document("one:S1", "Ada: a\nBob: b"),
                document("one:S2", "Ada: c\nBob: b"),
                document("two:S1", "Ed: e"),
            ],
            queries: vec![query("q1"), query("q2")],
            gains: HashMap::from([
                ("q1".to_owned(), gains(&[("one:S1", 1.0), ("one:S2", 0.0)])),
                ("q2".to_owned(), gains(&[("two:S1", 1.0)])),
            ]),
        };
        let talks = talks(set);
        let asked: Vec<Vec<Question>> = talks.iter().map(|talk| talk.questions(|turn| Some(turn.to_owned()))).collect();
        assert_eq!(asked.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
        assert_eq!(asked[0][0].wanted, HashSet::from(["Ada: a".to_owned(), "Bob: b".to_owned()]));
        assert_eq!((asked[1][0].wanted.len(), &asked[1][0].stale), (1, &None));
        assert!(talks[0].fits() && talks[0].turns().count() == 4);
    }
}
