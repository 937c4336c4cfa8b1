//! What memories are recalled by: all of a user's embeddings, and the words that a full-text expression names.

use std::{borrow::Cow, collections::HashMap};

use const_format::formatcp;
use serde::Deserialize;

use super::{MEMORY, MemoryRow};
use crate::{
    failure::Failure,
    ids::UserId,
    platform::{statement::json, transaction::Query},
    store::users::words::Words,
};

/// The embeddings of a user's memories, in two texts: see [`memories`](Self::memories).
#[derive(Clone, Debug, Default, Deserialize)]
pub struct EmbeddingsRow {
    /// `number active pinned embedding|…`, of each embedding what fits. None of these characters is part of an
    /// embedding.
    memories: Option<String>,
    /// `number rest|…` of those that are longer.
    rests: Option<String>,
}

/// A memory as it is compared, before its text is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparedMemory<'a> {
    /// Its row number, also in the full-text index.
    pub number: i64,
    /// It is not only proposed.
    pub is_active: bool,
    /// In every prompt.
    pub is_pinned: bool,
    /// Its embedding as text; empty if the model was not answering.
    pub embedding: Cow<'a, str>,
}

/// Characters of an embedding that stand with its memory: all, but of one that an earlier version wrote.
const WHOLE: usize = 1_024;
/// A memory in an [`EmbeddingsRow`].
const ENTRY: &str = formatcp!(
    "number || ' ' || (state = 'active') || ' ' || pinned || ' ' || substr(coalesce(embedding, ''), 1, {WHOLE})"
);
/// What is left of its embedding.
const REST: &str = formatcp!("number || ' ' || substr(embedding, {WHOLE} + 1)");

/// Reads the embeddings of all memories that a user has and has not corrected: at most [`crate::constants::MEMORIES`].
/// A thousand rows would cost more CPU than all that is compared in them.
pub fn embeddings(user: &UserId) -> Query<EmbeddingsRow> {
    // Two texts: of a thousand embeddings as earlier versions wrote them, 2,048 characters each, one would be longer
    // than D1 allows. Each is cut, since no number of a memory says how many have which. Groups of rows would be
    // sorted, and be read four times.
    Query::new(formatcp!(
        "SELECT group_concat({ENTRY}, '|') AS memories,
                group_concat({REST}, '|') FILTER (WHERE length(embedding) > {WHOLE}) AS rests
         FROM memories WHERE user_id = ?1 AND state <> 'superseded'"
    ))
    .bind(user)
}

impl EmbeddingsRow {
    /// Returns the memories in it.
    pub fn memories(&self) -> impl Iterator<Item = ComparedMemory<'_>> {
        let rests: HashMap<i64, &str> = entries(self.rests.as_deref()).filter_map(rest).collect();
        entries(self.memories.as_deref()).filter_map(compared).map(move |memory| {
            let Some(rest) = rests.get(&memory.number) else { return memory };
            let embedding = Cow::Owned(format!("{}{rest}", memory.embedding));
            ComparedMemory { embedding, ..memory }
        })
    }
}

fn entries(text: Option<&str>) -> impl Iterator<Item = &str> {
    text.into_iter().flat_map(|text| text.split('|'))
}

fn rest(text: &str) -> Option<(i64, &str)> {
    let (number, rest) = text.split_once(' ')?;
    Some((number.parse().ok()?, rest))
}

fn compared(text: &str) -> Option<ComparedMemory<'_>> {
    let mut fields = text.splitn(4, ' ');
    Some(ComparedMemory {
        number: fields.next()?.parse().ok()?,
        is_active: fields.next()? == "1",
        is_pinned: fields.next()? == "1",
        embedding: Cow::Borrowed(fields.next()?),
    })
}

/// The memories of a project.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ProjectRow {
    /// Their row numbers with spaces between; nothing if it has none.
    numbers: Option<String>,
}

impl ProjectRow {
    /// Returns the row numbers.
    pub fn numbers(&self) -> impl Iterator<Item = i64> {
        self.numbers.iter().flat_map(|numbers| numbers.split(' ')).filter_map(|number| number.parse().ok())
    }
}

/// Reads which of a user's memories are about a project: one row, however many they are.
pub fn of_project(user: &UserId, project: &str) -> Query<ProjectRow> {
    Query::new("SELECT group_concat(number, ' ') AS numbers FROM memories WHERE user_id = ?1 AND project = ?2")
        .bind(user)
        .bind(project)
}

/// A memory with its row number.
#[derive(Clone, Debug, Deserialize)]
pub struct NumberedMemory {
    /// Its row number.
    pub number: i64,
    /// The memory.
    #[serde(flatten)]
    pub memory: MemoryRow,
}

/// Reads those of a user's memories that have these row numbers and are not corrected by now.
///
/// # Errors
/// A bug if the numbers cannot be written as JSON.
pub fn numbered(user: &UserId, numbers: &[i64]) -> Result<Query<NumberedMemory>, Failure> {
    // By row number: an index of the user's would lead to all that they have.
    Ok(Query::new(formatcp!(
        "SELECT number, {MEMORY} FROM memories NOT INDEXED
         WHERE number IN (SELECT value FROM json_each(?2)) AND user_id = ?1 AND state <> 'superseded'"
    ))
    .bind(user)
    .bind(json(&numbers)?))
}

/// A memory that holds words of a query.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct WordMatch {
    /// Its row in the full-text index.
    pub number: i64,
    /// How well it fits: the higher the better.
    pub score: f64,
}

/// Reads the memories that match a full-text expression, the best first.
pub fn by_words(words: Words, expression: &str, limit: i64) -> Query<WordMatch> {
    Query::new(
        "SELECT rowid AS number, -bm25(memories_fts_@user) AS score FROM memories_fts_@user
         WHERE memories_fts_@user MATCH ?1 ORDER BY 2 DESC LIMIT ?2",
    )
    .over(words)
    .bind(expression)
    .bind(limit)
}

/// Reads a user's active memories that match a full-text expression, the best first.
pub fn matching(user: &UserId, words: Words, expression: String, limit: i64) -> Query<MemoryRow> {
    Query::new(formatcp!(
        "SELECT {MEMORY} FROM (
             SELECT rowid AS row, rank AS place FROM memories_fts_@user
             WHERE memories_fts_@user MATCH ?2 ORDER BY rank LIMIT ?3) found
         CROSS JOIN memories ON number = found.row
         WHERE user_id = ?1 AND state = 'active' ORDER BY found.place"
    ))
    .over(words)
    .bind(user)
    .bind(expression)
    .bind(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_embeddings_names_each_memory() {
        let row = EmbeddingsRow {
            memories: Some("8 0 1 AACA|7 1 0 ?#[|9 1 1 ".to_owned()),
            rests: Some("8 Pw==".to_owned()),
        };
        let memory = |number, is_active, is_pinned, embedding: &'static str| ComparedMemory {
            number,
            is_active,
            is_pinned,
            embedding: embedding.into(),
        };
        let memories: Vec<_> = row.memories().collect();
        let expected = [memory(8, false, true, "AACAPw=="), memory(7, true, false, "?#["), memory(9, true, true, "")];
        assert_eq!(memories, expected);
        assert_eq!(EmbeddingsRow::default().memories().count(), 0);
    }
}
