//! Full-text tables, two a user at most: `chunks_fts_{number}` and `memories_fts_{number}`, after the user's number.
//!
//! What is indexed for others is in none of them, so that neither the order of a user's hits nor their scores depend on
//! it (docs/decisions/046-words-of-ones-own.md). The transaction that first writes to a table makes it, and notes that
//! in the user's row; where it is not there, nothing is indexed, and nobody is asked.
//!
//! Statements say `@user` where the number stands.

use crate::platform::statement::Statement;

/// One of a user's two full-text tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    pub(crate) number: i64,
    of: Indexed,
    is_there: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Indexed {
    Chunks,
    Memories,
}

impl Words {
    /// Of the chunks of the user of this number.
    pub const fn of_chunks(number: i64, is_there: bool) -> Self {
        Self { number, of: Indexed::Chunks, is_there }
    }

    /// Of their memories.
    pub const fn of_memories(number: i64, is_there: bool) -> Self {
        Self { number, of: Indexed::Memories, is_there }
    }

    /// The table, if it was there when its user was read: no other can be asked.
    pub fn existing(self) -> Option<Self> {
        Some(self).filter(|words| words.is_there)
    }

    /// What comes before the first write to the table, unless it is there. Again it changes nothing.
    pub(crate) fn create(self) -> Option<[Statement; 2]> {
        if self.is_there {
            return None;
        }
        // Contentless: texts are stored once, in `chunks` and `memories`.
        let (create, note) = match self.of {
            Indexed::Chunks => (
                "CREATE VIRTUAL TABLE IF NOT EXISTS chunks_fts_@user USING fts5 (
                     scope, title, body, ident, tokenize = 'porter unicode61', content = '', contentless_delete = 1)",
                "UPDATE users SET chunk_words = 1 WHERE number = ?1",
            ),
            Indexed::Memories => (
                "CREATE VIRTUAL TABLE IF NOT EXISTS memories_fts_@user USING fts5 (
                     body, tokenize = 'porter unicode61', content = '', contentless_delete = 1)",
                "UPDATE users SET memory_words = 1 WHERE number = ?1",
            ),
        };
        Some([Statement { user: Some(self.number), ..Statement::new(create) }, Statement::new(note).bind(self.number)])
    }
}
