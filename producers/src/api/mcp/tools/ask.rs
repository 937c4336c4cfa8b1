//! `friend_ask`: an answer with its sources.

use pipeline::{
    chat::{
        turn::{Citation, TurnResult},
        verdict::Verdict,
    },
    filters::Filters,
    ids::{ConversationId, JobId},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{
    links,
    tool::{LONGEST_WAIT, Told, ToolAnswer, of_arguments, wait},
};
use crate::{
    api::chat::{self, ChatRequest},
    http::call::{Call, RequestPorts},
};

/// What is asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FriendAsk")]
pub struct Arguments {
    /// The question, in whole sentences.
    question: String,
    /// A conversation from an earlier answer, to go on with it.
    conversation_id: Option<String>,
    /// `simple`, `general`, `code` or `complex`; without it the question decides.
    #[schemars(with = "Option<pipeline::chat::catalogue::RouteName>")]
    route: Option<String>,
    /// Only sources of this type: `code`, `doc` or `conversation`.
    #[serde(rename = "type")]
    #[schemars(extend("enum" = pipeline::filters::DOCUMENT_TYPES))]
    kind: Option<String>,
    /// Only sources that carry all of these tags.
    tags: Option<Vec<String>>,
    /// Seconds to wait for the answer, 0 to 50; 30 without it.
    #[schemars(range(min = 0, max = LONGEST_WAIT))]
    wait_seconds: Option<u32>,
}

/// What was answered, and what speaks for it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Answered {
    /// The answer; null while there is none.
    answer: Option<String>,
    /// What its numbers in brackets stand for.
    citations: Vec<Cited>,
    /// True if what it says is cited, from a source that says so.
    grounded: Option<bool>,
    /// What speaks for it: `supported`, `partly` (some of it does not; in an answer to a question about facts that is
    /// marked), `unsupported` (what matters is in no source: such a question is answered by what the sources say,
    /// and of anything else it is as the model wrote it), `unknown` (they do not say), or `nothing` (it asserts
    /// nothing).
    verdict: Option<Verdict>,
    /// What is less than it could be, and why.
    degraded: Option<String>,
}

/// An answer, or where it will be.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Answer {
    /// `succeeded`, or `running` while there is none.
    status: &'static str,
    /// What was answered.
    #[serde(flatten)]
    answered: Answered,
    /// To go on with.
    conversation_id: ConversationId,
    /// For `friend_status`, which has the answer once it is there.
    job_id: JobId,
}

/// A source of an answer.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Cited {
    /// The number in brackets.
    n: usize,
    /// The document's name; of a memory there is none.
    file: Option<String>,
    /// The first line of it.
    start_line: Option<i64>,
    /// The last line of it.
    end_line: Option<i64>,
    /// Leads to these lines.
    link: Option<String>,
}

/// Answers the tool.
pub async fn ask<P: RequestPorts>(ports: &P, call: &Call<'_>, asked: Arguments) -> Told {
    let longest = wait(asked.wait_seconds, 30)?;
    let checked = chat::check(ChatRequest {
        message: asked.question,
        conversation_id: asked.conversation_id,
        session_id: None,
        route: asked.route,
        filters: Filters { kind: asked.kind, tags: asked.tags.unwrap_or_default(), ..Filters::default() },
        use_memory: true,
        max_tokens: None,
    })
    .map_err(|problem| of_arguments(problem, &[("/message", "/question"), ("/filters", "")]))?;
    let begun = chat::begin(ports, &call.tenant, checked, None, "chat").await?;
    let result = match begun.result {
        Some(result) => Some(result),
        None => chat::wait_for_result(ports, &call.tenant.user, &begun.job, longest).await?,
    };
    let answer = answer(begun.job, begun.turn.conversation_id, result);
    Ok(ToolAnswer::new(in_words(&answer), &answer)?)
}

fn answer(job_id: JobId, conversation_id: ConversationId, result: Option<TurnResult>) -> Answer {
    let status = if result.is_some() { "succeeded" } else { "running" };
    Answer { status, answered: Answered::of(result), conversation_id, job_id }
}

impl Answered {
    /// Of what became of a question; nothing while that is not known.
    pub(super) fn of(result: Option<TurnResult>) -> Self {
        let Some(TurnResult { answer, detail, .. }) = result else {
            return Self { answer: None, citations: Vec::new(), grounded: None, verdict: None, degraded: None };
        };
        Self {
            answer: Some(answer),
            citations: detail.citations.into_iter().map(cited).collect(),
            grounded: Some(detail.grounded),
            verdict: Some(detail.verdict),
            degraded: detail.degraded,
        }
    }

    /// In words, its sources below it; nothing while there is none.
    pub(super) fn in_words(&self) -> Option<String> {
        let mut text = self.answer.clone()?;
        for cited in &self.citations {
            let file = cited.file.as_deref().unwrap_or("a memory");
            let lines = cited.start_line.zip(cited.end_line).map(|(first, last)| format!(":{first}-{last}"));
            let link = cited.link.as_deref().map(|link| format!(" ({link})"));
            text.push_str(&format!("\n[{}] {file}{}{}", cited.n, lines.unwrap_or_default(), link.unwrap_or_default()));
        }
        if self.grounded == Some(false) {
            text.push_str("\nNo document or memory speaks for this answer.");
        } else if self.verdict == Some(Verdict::Partly) {
            text.push_str("\nFor some of this answer no document or memory speaks.");
        }
        if let Some(why) = &self.degraded {
            text.push_str(&format!("\nNote: {why}."));
        }
        Some(text)
    }
}

fn cited(citation: Citation) -> Cited {
    let lines = citation.start_line.zip(citation.end_line);
    Cited {
        n: citation.n,
        link: citation.document_id.map(|id| links::document(&id, lines)),
        file: citation.external_id.or(citation.title),
        start_line: citation.start_line,
        end_line: citation.end_line,
    }
}

fn in_words(answer: &Answer) -> String {
    let Some(said) = answer.answered.in_words() else {
        return format!(
            "There is no answer so far. friend_status with job_id {} has it once it is there; do something else \
             meanwhile.",
            answer.job_id
        );
    };
    format!("{said}\nTo go on: conversation_id {}.", answer.conversation_id)
}
