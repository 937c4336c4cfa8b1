//! What a search asks for.

pub use pipeline::filters::Filters;
use pipeline::{
    constants,
    ids::{JobId, pattern},
};
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

/// A search as a client sends it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Search")]
pub struct SearchRequest {
    /// What is sought.
    #[schemars(length(min = 1, max = constants::QUERY_BYTES), extend("pattern" = "\\S"))]
    pub query: String,
    /// At most so many hits.
    #[serde(default = "default_top_k")]
    #[schemars(range(min = 1, max = constants::TOP_K))]
    pub top_k: i64,
    /// How they are looked for.
    #[serde(default)]
    pub mode: Mode,
    /// The least score of a hit, on the scale that all modes share; nothing: 0.
    #[schemars(range(min = 0, max = 1))]
    pub min_score: Option<f64>,
    /// What they are grouped by, if anything.
    pub group_by: Option<GroupBy>,
    /// The project whose own documents are preferred: `github.com/owner/name`, a git remote, or a name. Their hits have
    /// a quarter more of their score; others are found all the same.
    #[schemars(length(min = 1, max = pipeline::project::NAME_BYTES), regex(pattern = pipeline::schema::NAME))]
    pub project: Option<String>,
    /// A consistency token: what its job has written is found.
    #[schemars(extend("pattern" = pattern(CONSISTENCY_TOKEN)))]
    pub after: Option<String>,
    /// What hits must be.
    #[serde(default)]
    pub filters: Filters,
}

/// What consistency tokens begin with; the rest is a job's.
pub const CONSISTENCY_TOKEN: &str = "ct_";

fn default_top_k() -> i64 {
    10
}

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
