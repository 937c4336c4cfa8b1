//! What a search asks for.

pub use pipeline::filters::Filters;
use pipeline::ids::JobId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How hits are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// By meaning and by words.
    #[default]
    Hybrid,
    /// By meaning.
    Vector,
    /// By words.
    Keyword,
}

/// What hits are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GroupBy {
    /// Each document once, by its best chunk.
    Document,
}

/// What a search looks for. Written as JSON it is what a ranking is cached by. A client may ask for more, such as
/// reranking, which is not this crate's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SearchRequest {
    /// What is sought.
    pub query: String,
    /// At most so many hits.
    pub top_k: i64,
    /// How they are looked for.
    pub mode: Mode,
    /// The least score of a hit, on the scale that all modes share; nothing: 0.
    pub min_score: Option<f64>,
    /// What they are grouped by, if anything.
    pub group_by: Option<GroupBy>,
    /// The project whose own documents are preferred.
    pub project: Option<String>,
    /// A consistency token: what its job has written is found.
    pub after: Option<String>,
    /// What hits must be.
    pub filters: Filters,
}

/// What consistency tokens begin with; the rest is a job's.
pub const CONSISTENCY_TOKEN: &str = "ct_";

/// A search within its limits.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// What was asked, the query trimmed.
    pub request: SearchRequest,
    /// `top_k` as a count.
    pub top_k: usize,
    /// The job behind `after`.
    pub after: Option<JobId>,
}
