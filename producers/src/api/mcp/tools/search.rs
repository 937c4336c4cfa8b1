//! `friend_search`: where something stands.

use pipeline::{filters::Filters, ids::DocumentId};
use retrieval::{Hit, Mode, Search, SearchRequest, keyword};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{
    excerpt::{self, Excerpt},
    links,
    tool::{Told, ToolAnswer, bytes, fitting, limit, place},
};
use crate::{
    api::search::{
        self, Searched,
        request::{self, CheckedSearch},
    },
    http::call::{Call, RequestPorts},
};

/// What is looked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FriendSearch")]
pub struct Arguments {
    /// What is sought: a question, words, or a name in code. The more particular, the better.
    query: String,
    /// Most hits, 1 to 50; 8 without it.
    #[schemars(range(min = 1, max = LIMIT))]
    limit: Option<u32>,
    /// `hybrid` by words and by meaning (the default), `keyword` for names and messages as they are spelt, `vector` by
    /// meaning alone.
    mode: Option<Mode>,
    /// Only documents of this type: `code`, `doc` or `conversation`.
    #[serde(rename = "type")]
    #[schemars(extend("enum" = pipeline::filters::DOCUMENT_TYPES))]
    kind: Option<String>,
    /// Only documents in this language, such as `rust` or `german`.
    language: Option<String>,
    /// Only documents that carry all of these tags.
    tags: Option<Vec<String>>,
    /// Only these documents, by their ids.
    document_ids: Option<Vec<DocumentId>>,
    /// The project that is worked in, such as `github.com/owner/name`: hits in its own documents are preferred.
    project: Option<String>,
    /// A consistency token from `friend_index`: what that upload brings is found even before it is published.
    after: Option<String>,
    /// Longest answer in tokens, 100 to 25000; about 2000 without it.
    #[schemars(range(min = 100, max = 25_000))]
    max_tokens: Option<u32>,
    /// `next_cursor` of the answer before, for the hits after it.
    cursor: Option<String>,
}

impl Arguments {
    /// A search for this, preferably in a project, and nothing else said.
    pub fn of(query: &str, project: Option<&str>) -> Self {
        Self {
            query: query.to_owned(),
            limit: None,
            mode: None,
            kind: None,
            language: None,
            tags: None,
            document_ids: None,
            project: project.map(str::to_owned),
            after: None,
            max_tokens: None,
            cursor: None,
        }
    }
}

/// What was found.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Answer {
    /// The hits, best first.
    hits: Vec<Found>,
    /// How they were looked for.
    mode: Mode,
    /// `partial` if what the token stands for could not all be found so far.
    freshness: &'static str,
    /// Why less was done than was asked for.
    degraded: Option<&'static str>,
    /// For the hits after these.
    next_cursor: Option<String>,
}

/// A hit.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Found {
    /// The document's name, such as its path.
    file: Option<String>,
    /// The first line that is shown, from 1; null in what was indexed before lines were counted.
    start_line: Option<i64>,
    /// The last line that is shown.
    end_line: Option<i64>,
    /// Leads to these lines.
    link: String,
    /// How well it fits, from 0 to 1.
    score: f64,
    /// Why it was found.
    why: String,
    /// The lines.
    text: String,
    /// The document.
    document_id: DocumentId,
}

/// Most hits of a page.
const LIMIT: u32 = 50;
/// Hits of a page whose caller says no number.
const USUAL: u32 = 8;
/// Fewest bytes of a hit that say something.
const HIT_BYTES: usize = 300;
/// What a hit says beside its lines, about.
const AROUND_BYTES: usize = 320;

/// Answers the tool.
pub async fn search<P: RequestPorts>(ports: &P, call: &Call<'_>, asked: Arguments) -> Told {
    let bytes = bytes(asked.max_tokens)?;
    let limit = limit(asked.limit, USUAL, LIMIT)?;
    let skipped = usize::try_from(place(asked.cursor.as_deref())?).unwrap_or(usize::MAX);
    // One more, to know whether there are more.
    let wanted = skipped.saturating_add(limit + 1).min(pipeline::constants::TOP_K);
    let asked = CheckedSearch { search: search_of(asked, wanted)?, rerank: false };
    let Searched { answer, degraded } = search::find(ports, &call.tenant, call.budget, &asked).await?;
    let terms = keyword::terms(&asked.search.request.query);
    let found = answer.hits.len();
    let each = (bytes / limit.min(found.saturating_sub(skipped).max(1))).saturating_sub(AROUND_BYTES).max(HIT_BYTES);
    let hits = answer.hits.into_iter().skip(skipped).take(limit).map(|hit| shown(hit, &terms, each));
    let hits = fitting(hits.collect(), bytes)?;
    let behind = skipped + hits.len();
    let next_cursor = (found > behind && !hits.is_empty()).then(|| behind.to_string());
    let answer = Answer { hits, mode: answer.mode, freshness: answer.freshness, degraded, next_cursor };
    Ok(ToolAnswer::new(in_words(&answer), &answer)?)
}

fn search_of(asked: Arguments, top_k: usize) -> Result<Search, pipeline::problem::Problem> {
    request::check(SearchRequest {
        query: asked.query,
        top_k: i64::try_from(top_k).unwrap_or(1),
        mode: asked.mode.unwrap_or_default(),
        min_score: None,
        group_by: None,
        project: asked.project,
        after: asked.after,
        filters: Filters {
            kind: asked.kind,
            language: asked.language,
            tags: asked.tags.unwrap_or_default(),
            document_ids: asked.document_ids.unwrap_or_default(),
            ..Filters::default()
        },
    })
}

fn shown(hit: Hit, terms: &[String], bytes: usize) -> Found {
    let Excerpt { text, skipped, ends, words } = excerpt::of(&hit.chunk.text, terms, bytes);
    let lines = hit.chunk.start_line.map(|line| (line + skipped, line + skipped + ends));
    Found {
        why: why(&hit, &words),
        start_line: lines.map(|lines| lines.0),
        end_line: lines.map(|lines| lines.1),
        link: links::document(&hit.chunk.document_id, lines),
        file: hit.chunk.external_id.or(hit.chunk.title),
        score: (hit.score * 1_000.0).round() / 1_000.0,
        document_id: hit.chunk.document_id,
        text,
    }
}

/// By which words, and how near in meaning.
fn why(hit: &Hit, words: &[String]) -> String {
    let mut reasons = Vec::new();
    if hit.found_by.contains(&"keyword") {
        let words = if words.is_empty() { "of its title".to_owned() } else { words.join(", ") };
        reasons.push(format!("words: {words}"));
    }
    if let Some(similarity) = hit.similarity.filter(|_| hit.found_by.contains(&"vector")) {
        reasons.push(format!("meaning: {similarity:.2}"));
    }
    reasons.join("; ")
}

fn in_words(answer: &Answer) -> String {
    let mut text = answer.degraded.map(|why| format!("Note: {why}.\n\n")).unwrap_or_default();
    if answer.hits.is_empty() {
        text.push_str("Nothing was found. Try other words, or fewer conditions; what is not indexed is not found.");
    }
    for hit in &answer.hits {
        let file = hit.file.as_deref().unwrap_or(hit.document_id.as_str());
        let lines = hit.start_line.zip(hit.end_line).map(|(first, last)| format!(":{first}-{last}"));
        let lines = lines.unwrap_or_default();
        text.push_str(&format!("{file}{lines} ({}; score {})\n{}\n{}\n\n", hit.why, hit.score, hit.link, hit.text));
    }
    if let Some(cursor) = &answer.next_cursor {
        text.push_str(&format!("More with cursor {cursor:?}; friend_get reads around a hit."));
    }
    text.trim_end().to_owned()
}
