//! Own words: what earlier versions indexed in tables that all users shared goes into its owner's own.
//!
//! 1. Reads the first rows of a shared table, and the memories or chunks they are of.
//! 2. Makes their rows anew, as the stages do ([`pipeline::indexed`]): the shared tables hold no text.
//! 3. Puts them into their owners' tables, those that are not there, and takes them out of the shared one, in one
//!    transaction. What was purged meanwhile is not there to be put anywhere, and what is indexed meanwhile goes into
//!    its owner's table at once.
//!
//! Until a row is moved its chunk is found by meaning alone. One run moves what an invocation has CPU for; memories
//! first, which are few and have no other index.

use pipeline::{
    failure::Failure,
    ids::UserId,
    indexed::{Description, IndexedDocument, IndexedRow},
    platform::{
        ports::{Database, Meter},
        transaction::{Transaction, Write},
    },
    store::{
        chunks, memories,
        shared_words::{self, SharedRow},
        users::{self, words::Words},
    },
};

/// Chunks that one run moves: as much text as a few packs have.
const CHUNKS: i64 = 30;
/// Memories that one run moves.
const MEMORIES: i64 = 100;
/// D1 queries that the rows of one user take: two that make their table, their rows, and their version.
const QUERIES_OF_USER: u64 = 4;
/// D1 queries of a run for one user: a look at each table, and one table's rows forgotten.
pub(super) const QUERIES: u64 = 2 + QUERIES_OF_USER + 1;

/// In what the move of chunks differs from that of memories.
struct Table {
    words: fn(i64, bool) -> Words,
    index: fn(&UserId, Words, &[IndexedRow]) -> Result<Write, Failure>,
    forget: fn(&[i64]) -> Result<Write, Failure>,
}

const OF_MEMORIES: Table =
    Table { words: Words::of_memories, index: memories::index_anew, forget: shared_words::forget_memories };
const OF_CHUNKS: Table =
    Table { words: Words::of_chunks, index: chunks::write::index_anew, forget: shared_words::forget_chunks };

/// Rows of one user.
struct Owned {
    user: UserId,
    words: Words,
    rows: Vec<IndexedRow>,
}

/// Moves some rows; how many. True if more may be left: another run goes on.
pub async fn move_shared<P: Database + Meter>(ports: &P) -> Result<(usize, bool), Failure> {
    let mut look = Transaction::default();
    let memories = look.query(shared_words::memories(MEMORIES));
    let chunks = look.query(shared_words::chunks(CHUNKS));
    let found = look.commit(ports).await?;
    let memories = found.all(memories)?;
    let (table, rows) = if memories.is_empty() { (OF_CHUNKS, found.all(chunks)?) } else { (OF_MEMORIES, memories) };
    if rows.is_empty() {
        return Ok((0, false));
    }
    // One to forget them, one for the note of the step.
    let room = ports.asked().queries_left().saturating_sub(2) / QUERIES_OF_USER;
    let (work, moved) = moving(&table, rows, room)?;
    work.commit(ports).await?;
    Ok((moved, true))
}

/// What moves these rows, those of so many users at most; how many it moves.
fn moving(table: &Table, rows: Vec<SharedRow>, users_at_once: u64) -> Result<(Transaction, usize), Failure> {
    let mut owners: Vec<Owned> = Vec::new();
    let mut gone = Vec::new();
    for mut row in rows {
        let id = row.id;
        if let Some(user) = row.user.take() {
            let owner = match owners.iter().position(|owned| owned.user == user) {
                Some(place) => place,
                None if owners.len() as u64 >= users_at_once => continue,
                None => {
                    let words = (table.words)(row.number, row.is_there);
                    owners.push(Owned { user, words, rows: Vec::new() });
                    owners.len() - 1
                }
            };
            owners[owner].rows.push(indexed(&row));
        }
        gone.push(id);
    }
    let mut work = Transaction::default();
    for Owned { user, words, rows } in &owners {
        work.write((table.index)(user, *words, rows)?);
        // Rankings from before are out of reach.
        work.write(users::bump_version(user));
    }
    work.write((table.forget)(&gone)?);
    Ok((work, gone.len()))
}

fn indexed(row: &SharedRow) -> IndexedRow {
    let text = row.text.as_deref().unwrap_or_default();
    let document = IndexedDocument::of(Description {
        title: row.title.as_deref(),
        kind: row.kind.as_deref().unwrap_or_default(),
        language: row.language.as_deref(),
        media_type: row.media_type.as_deref().unwrap_or_default(),
        tags: row.tags.as_deref().unwrap_or_default(),
    });
    IndexedRow {
        id: row.id,
        scope: document.scope().to_owned(),
        title: document.title(text),
        parts: document.parts(text),
    }
}
