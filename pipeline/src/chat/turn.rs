//! What a chat turn is asked with and answered by: what producers write, consumers read, and the
//! other way round.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    chat::{
        catalogue::RouteName,
        client::ClientAsk,
        generation::PromptMessage,
        guests::GuestScope,
        tools::ToolCall,
        verdict::{CheckedSentence, Verdict},
    },
    failure::Failure,
    filters::Filters,
    ids::{ConversationId, DocumentId, JobId, MemoryId, SessionId, TurnId},
};

/// What a chat job is about: `jobs.turn`, written when the question is accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The turn.
    pub turn_id: TurnId,
    /// The question's number; the answer's is the next.
    pub number: i64,
    /// The session in which it is published.
    pub session_id: Option<SessionId>,
    /// How the question is to be answered.
    pub request: Ask,
}

impl Turn {
    /// Reads a chat job's turn.
    ///
    /// # Errors
    /// A bug if it is none.
    pub fn read(turn: &str) -> Result<Self, Failure> {
        serde_json::from_str(turn).map_err(|error| Failure::bug(format!("a chat job's turn: {error}")))
    }
}

/// How a question is to be answered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ask {
    /// The route, if the caller chose one.
    pub route: Option<RouteName>,
    /// What sources must be.
    pub filters: Filters,
    /// Whether memories are recalled and proposed.
    pub use_memory: bool,
    /// Most tokens of the answer, if the caller chose.
    pub max_tokens: Option<u32>,
    /// Under which name the answer may be given again, if it may.
    pub cache_key: Option<String>,
    /// The messages before the question, of a client that keeps them itself.
    pub history: Vec<PromptMessage>,
    /// The instructions to the model: of a client of `/v1`.
    pub instructions: Option<String>,
    /// Accept what the user states about themselves without asking.
    pub accept_memories: bool,
    /// Of a guest's question: what its owner opened to the session. Memories, profile and what was said
    /// elsewhere are none of a guest's business.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guest: Option<GuestScope>,
    /// Of a client of `/v1`: how it wants the model to be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientAsk>,
}

impl Ask {
    /// True for the question of a session's guest.
    pub const fn is_by_guest(&self) -> bool {
        self.guest.is_some()
    }

    /// True if it is to be answered from what its client says alone.
    pub fn is_plain(&self) -> bool {
        self.client.as_ref().is_some_and(|client| client.is_plain)
    }

    /// What followed the question so far: calls, and what came of them.
    pub fn following(&self) -> &[PromptMessage] {
        self.client.as_ref().map_or(&[], |client| &client.following)
    }

    /// True if only a model that calls functions can answer it.
    pub fn is_about_tools(&self) -> bool {
        let offers = self.client.as_ref().is_some_and(|client| client.tools.is_some());
        offers || self.history.iter().chain(self.following()).any(PromptMessage::is_about_tools)
    }

    /// True if memories may be recalled for it, and proposed.
    pub fn may_use_memory(&self) -> bool {
        self.use_memory && !self.is_by_guest() && !self.is_plain()
    }

    /// What sources must be; `None` if there may be none.
    pub fn source_filters(&self) -> Option<Filters> {
        match &self.guest {
            _ if self.is_plain() => None,
            None => Some(self.filters.clone()),
            Some(scope) => scope.filters(),
        }
    }
}

/// Where a statement of an answer comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Citation {
    /// The `[n]` in the answer.
    pub n: usize,
    /// The document, unless it is a memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_id: Option<DocumentId>,
    /// The memory, unless it is a document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_id: Option<MemoryId>,
    /// The owner's name for the document.
    pub external_id: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// Place of the chunk in it.
    pub chunk_index: i64,
    /// First byte in the document's extracted text.
    pub start: i64,
    /// One past the last.
    pub end: i64,
    /// The line of the first byte, from 1; nothing in what was indexed before lines were counted.
    pub start_line: Option<i64>,
    /// The line of the last one.
    pub end_line: Option<i64>,
}

/// Which model answered, and why that one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Routed {
    /// The route.
    pub name: RouteName,
    /// The model; nothing if the answer is made of what was found alone.
    pub model: Option<String>,
    /// Why.
    pub why: String,
}

/// What an answer took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Spent {
    /// Tokens of the prompt.
    pub prompt_tokens: u64,
    /// Tokens of the answer.
    pub completion_tokens: u64,
    /// Neurons of both.
    pub neurons: f64,
}

/// Something the user stated that may be worth remembering.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemoryProposal {
    /// The memory.
    pub id: MemoryId,
    /// `fact` or `preference`.
    pub kind: String,
    /// What would be remembered.
    pub text: String,
    /// `proposed` until it is confirmed, or `active`.
    pub state: String,
}

/// What is kept beside an answer's text: `turns.detail`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Detail {
    /// Its sources.
    pub citations: Vec<Citation>,
    /// Who answered.
    pub route: Routed,
    /// What it took.
    pub usage: Spent,
    /// True if what it says is cited, from a source that says so.
    pub grounded: bool,
    /// What speaks for it, all in all.
    #[serde(default)]
    pub verdict: Verdict,
    /// Its sentences, each with what speaks for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sentences: Vec<CheckedSentence>,
    /// What the model wrote, where that is not the answer because its sources do not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<String>,
    /// What is less than it could be, and why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub degraded: Option<String>,
    /// Memories that were in the prompt.
    #[serde(default)]
    pub memories: Vec<MemoryId>,
    /// What it proposes to remember.
    #[serde(default, rename = "offered")]
    pub proposals: Vec<MemoryProposal>,
    /// Why the model stopped: `stop`, `length` at its token limit, or `tool_calls`.
    #[serde(default)]
    pub finish: String,
    /// What the model calls: functions of a client of `/v1`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Why there is no model's answer, if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unanswered: Option<Unanswered>,
}

/// Why no model answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unanswered {
    /// The day's neurons are spent, or the user's share of them.
    Exhausted,
    /// A model was asked, and wrote nothing that can be read.
    Empty,
    /// A model was asked, and called nothing, although the question demands it.
    Uncalled,
    /// What a client of `/v1` says is more than the models read.
    TooLong,
    /// No model of the route answers.
    Unavailable,
}

/// A finished turn as its job's `result` and as `POST /api/chat` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TurnResult {
    /// The job.
    pub job_id: JobId,
    /// The turn.
    pub turn_id: TurnId,
    /// Its conversation.
    pub conversation_id: ConversationId,
    /// `succeeded`.
    pub status: String,
    /// The text.
    pub answer: String,
    /// What is kept beside it.
    #[serde(flatten)]
    pub detail: Detail,
    /// Given before, to the same question in the same state of things.
    pub cached: bool,
}

impl TurnResult {
    /// The result of a turn that was answered.
    pub fn new(job: &JobId, turn: &Turn, answer: TurnAnswer, cached: bool) -> Self {
        Self {
            job_id: job.clone(),
            turn_id: turn.turn_id.clone(),
            conversation_id: turn.conversation_id.clone(),
            status: "succeeded".to_owned(),
            answer: answer.answer,
            detail: answer.detail,
            cached,
        }
    }
}

/// An answer: of a turn, and in the cache of what may be given again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnAnswer {
    /// The text.
    pub answer: String,
    /// What is kept beside it.
    pub detail: Detail,
}
