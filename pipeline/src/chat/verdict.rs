//! What speaks for an answer, sentence by sentence.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::MemoryId;

/// What speaks for an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every sentence that asserts something is supported.
    Supported,
    /// Most are. In an answer to a question about facts the others are marked; of a task, and of a client of `/v1`, the
    /// text stays as the model wrote it.
    Partly,
    /// What matters is not. A question about facts is answered by what the sources say, and `draft` is what the model
    /// wrote; of a task, and of a client of `/v1`, the text stays as the model wrote it.
    Unsupported,
    /// The sources do not say.
    Unknown,
    /// It asserts nothing, or was not to be checked.
    #[default]
    Nothing,
}

impl Verdict {
    /// The name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Supported => "supported",
            Self::Partly => "partly",
            Self::Unsupported => "unsupported",
            Self::Unknown => "unknown",
            Self::Nothing => "nothing",
        }
    }
}

/// Whether something speaks for a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Support {
    /// A source or a memory says it.
    Supported,
    /// None does.
    Unsupported,
    /// It asserts nothing that could be looked up.
    Nothing,
}

/// What speaks for a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Supporting {
    /// The source, by its `[n]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<usize>,
    /// The memory, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_id: Option<MemoryId>,
    /// The line of the document that says most of it, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<i64>,
}

/// A sentence of an answer, or a block of code, held against the sources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckedSentence {
    /// Its first byte in the answer.
    pub start: usize,
    /// One past its last.
    pub end: usize,
    /// Whether something speaks for it.
    pub support: Support,
    /// What does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<Supporting>,
    /// Names, numbers, commands and paths that stand in no source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}
