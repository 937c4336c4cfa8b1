//! What neurons are spent for.

use serde::{Deserialize, Serialize};

/// What the work is for: each has its share of the neurons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Indexing: it can wait until tomorrow.
    Ingest,
    /// Somebody waits: search, chat, memory.
    Interactive,
}

impl Purpose {
    /// Its name in D1.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Interactive => "interactive",
        }
    }
}
