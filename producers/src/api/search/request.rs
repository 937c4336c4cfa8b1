//! What a search may ask, within which limits.

use pipeline::{
    constants,
    filters::{DOCUMENT_IDS, DOCUMENT_TYPES},
    ids::{DocumentId, pattern},
    problem::{Code, Problem, excerpt},
    strict_json,
};
use retrieval::{Filters, GroupBy, Mode, Search, SearchRequest, request::CONSISTENCY_TOKEN};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{api::index::token::job_of_token, http::body};

/// A search as a client sends it.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Search")]
pub struct NewSearch {
    /// What is sought.
    #[schemars(length(min = 1, max = constants::QUERY_BYTES), extend("pattern" = "\\S"))]
    query: String,
    /// At most so many hits.
    #[serde(default = "default_top_k")]
    #[schemars(range(min = 1, max = constants::TOP_K))]
    top_k: i64,
    /// How they are looked for.
    #[serde(default)]
    mode: Mode,
    /// The least score of a hit, on the scale that all modes share; nothing: 0.
    #[schemars(range(min = 0, max = 1))]
    min_score: Option<f64>,
    /// What they are grouped by, if anything.
    group_by: Option<GroupBy>,
    /// The project whose own documents are preferred: `github.com/owner/name`, a git remote, or a name. Their hits have
    /// a quarter more of their score; others are found all the same.
    #[schemars(length(min = 1, max = pipeline::project::NAME_BYTES), regex(pattern = pipeline::schema::NAME))]
    project: Option<String>,
    /// A consistency token: what its job has written is found.
    #[schemars(extend("pattern" = pattern(CONSISTENCY_TOKEN)))]
    after: Option<String>,
    /// What hits must be.
    #[serde(default)]
    filters: Filters,
    /// Whether the first 20 are put in order by a model that reads the query and a text together, for about 3 neurons.
    #[serde(default)]
    rerank: bool,
}

fn default_top_k() -> i64 {
    10
}

/// A search within its limits, and what is done with what it finds.
#[derive(Debug)]
pub struct CheckedSearch {
    /// What is looked for.
    pub search: Search,
    /// Whether the first hits are reranked.
    pub rerank: bool,
}

/// Reads and checks a search.
pub fn parse(body: &[u8]) -> Result<CheckedSearch, Problem> {
    let NewSearch { query, top_k, mode, min_score, group_by, project, after, filters, rerank } =
        strict_json::read(body)?;
    let request = SearchRequest { query, top_k, mode, min_score, group_by, project, after, filters };
    Ok(CheckedSearch { search: check(request)?, rerank })
}

/// Checks what a search asks for.
pub fn check(mut request: SearchRequest) -> Result<Search, Problem> {
    let invalid = |pointer: &str, detail: String| Problem::field(Code::Invalid, pointer, detail);
    request.query = body::text("/query", &request.query, constants::QUERY_BYTES)?;
    let top_k = usize::try_from(request.top_k).ok().filter(|top_k| (1..=constants::TOP_K).contains(top_k));
    let top_k = top_k.ok_or_else(|| {
        invalid("/top_k", format!("expected a whole number from 1 to {}, not {}", constants::TOP_K, request.top_k))
    })?;
    if let Some(least) = request.min_score.filter(|least| !(0.0..=1.0).contains(least)) {
        return Err(invalid("/min_score", format!("expected a number from 0 to 1, not {least}")));
    }
    check_filters(&request.filters)?;
    request.project = request.project.map(|project| body::project("/project", &project)).transpose()?;
    let after = match request.after.as_deref() {
        None => None,
        Some(token) => Some(job_of_token(token).ok_or_else(|| {
            invalid(
                "/after",
                "this is no consistency token: send the one that POST /api/index answered, or none".to_owned(),
            )
        })?),
    };
    Ok(Search { request, top_k, after })
}

/// Checks what hits shall be, here as in a chat.
pub fn check_filters(filters: &Filters) -> Result<(), Problem> {
    let invalid = |pointer: &str, detail: String| Problem::field(Code::Invalid, pointer, detail);
    if let Some(kind) = filters.kind.as_deref().filter(|kind| !DOCUMENT_TYPES.contains(kind)) {
        return Err(invalid("/filters/type", format!("{:?} is none of {}", excerpt(kind), DOCUMENT_TYPES.join(", "))));
    }
    if filters.tags.len() > constants::TAGS {
        let detail = format!("{} tags; the limit is {}: name fewer", filters.tags.len(), constants::TAGS);
        return Err(Problem::field(Code::TooLarge, "/filters/tags", detail));
    }
    if filters.document_ids.len() > DOCUMENT_IDS {
        let ids = filters.document_ids.len();
        let detail = format!("{ids} ids; the limit is {DOCUMENT_IDS}: search in several requests, or by tags");
        return Err(Problem::field(Code::TooLarge, "/filters/document_ids", detail));
    }
    let is_none = |id: &DocumentId| DocumentId::parse(id.as_str()).is_none();
    if let Some(place) = filters.document_ids.iter().position(is_none) {
        let detail = "this is no id of a document: those begin with doc_, and GET /api/documents lists yours";
        return Err(invalid(&format!("/filters/document_ids/{place}"), detail.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults() {
        let CheckedSearch { search, rerank } = parse(br#"{"query":" what? "}"#).unwrap();
        assert_eq!((search.request.query.as_str(), search.top_k, search.request.mode), ("what?", 10, Mode::Hybrid));
        assert!(!rerank);
        assert!(parse(br#"{"query":"what?","rerank":true}"#).unwrap().rerank);
    }

    #[test]
    fn every_limit_names_its_field() {
        let long = format!(r#"{{"query":"{}"}}"#, "x".repeat(100_000));
        for (body, status, pointer) in [
            (r#"{"query":"  "}"#, 422, "/query"),
            (long.as_str(), 413, "/query"),
            (r#"{"query":"a","top_k":-1}"#, 422, "/top_k"),
            (r#"{"query":"a","top_k":101}"#, 422, "/top_k"),
            (r#"{"query":"a","top_k":"9"}"#, 422, "/top_k"),
            (r#"{"query":"a","mode":"magic"}"#, 422, "/mode"),
            (r#"{"query":"a","min_score":1.01}"#, 422, "/min_score"),
            (r#"{"query":"a","min_score":-0.1}"#, 422, "/min_score"),
            (r#"{"query":"a","min_score":"high"}"#, 422, "/min_score"),
            (r#"{"query":"a","filters":{"type":"poem"}}"#, 422, "/filters/type"),
            (r#"{"query":"a","filters":{"created_after":"soon"}}"#, 422, "/filters/created_after"),
            (r#"{"query":"a","filters":{"tags":[1]}}"#, 422, "/filters/tags/0"),
            (r#"{"query":"a","filters":{"document_ids":["notes/fox.md"]}}"#, 422, "/filters/document_ids/0"),
            (r#"{"query":"a","after":"x"}"#, 422, "/after"),
            (r#"{"query":"a","topk":3}"#, 422, "/topk"),
            (r#"{"query":"a","rerank":"true"}"#, 422, "/rerank"),
            (r#"{"query":"a","rerank":1}"#, 422, "/rerank"),
            (r#"{"query":"a","project":"/home/ada/x"}"#, 422, "/project"),
            (r#"{"query":"a","filters":{"tag":"x"}}"#, 422, "/filters/tag"),
        ] {
            let problem = parse(body.as_bytes()).unwrap_err();
            assert_eq!((problem.status, problem.errors[0].pointer.as_str()), (status, pointer), "{body:.80}");
        }
        assert_eq!(parse(b"{").unwrap_err().status, 400);
        assert_eq!(parse(br#"{"query":"fox"}{"query":"cat"}"#).unwrap_err().status, 400);
        assert_eq!(parse(b"").unwrap_err().status, 400);
    }
}
