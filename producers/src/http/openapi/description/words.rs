//! What the description says in sentences, beside what follows from the table.

use http::StatusCode;

/// What the API is, for who reads its description first.
pub(super) const INTRODUCTION: &str = "\
Upload code and documents in bulk; they are indexed in the background, found by words and by meaning, and questions \
about them are answered with sources. It remembers across conversations, and people and agents share live sessions.

Send `Authorization: Bearer cf_…` with every request; `POST /api/keys` issues keys. What takes longer than a request \
is a job: 202 names it, `Prefer: wait=N` waits for it, and `GET /api/jobs/{id}` says how far it is. What is wrong is \
a problem (RFC 9457) with a `code`, the fields at fault as JSON Pointers, and a `type` that leads to a page about it. \
Lists have pages: send `next_cursor` as `cursor` until it is null. Lengths are counted in bytes of UTF-8.";

/// Every group of operations and what it is about, in the order in which they are best read.
pub(super) const TAGS: [(&str, &str); 18] = [
    ("index", "Documents in, a job out."),
    ("jobs", "How far an upload or an answer is; following, stopping and trying it again."),
    ("search", "Chunks by words and by meaning."),
    ("documents", "What is indexed: listing, reading, deleting it."),
    ("chat", "Questions, answered with sources."),
    ("conversations", "What was asked and answered."),
    ("memories", "What is remembered across conversations."),
    ("me", "Who the caller is, and how they want answers and their data."),
    ("sessions", "Live sessions of people and agents, over WebSockets."),
    ("mcp", "Tools, resources and prompts for agents, by the Model Context Protocol."),
    ("hooks", "Hooks of Claude Code: context in, what was said out."),
    ("openai", "The same chat for clients of OpenAI's API, with its bodies and its errors."),
    ("keys", "API keys: issued, listed, revoked."),
    ("usage", "Today against every allowance of the plan."),
    ("dead_letters", "What failed for good, and trying it once more."),
    ("health", "Whether the deployment is well."),
    ("problems", "What each kind of problem means, and what to do about it."),
    ("openapi", "This description."),
];

/// What operations do beyond their summaries.
pub(super) const DESCRIPTIONS: [(&str, &str); 11] = [
    ("index", INDEX),
    ("jobs_events", JOB_EVENTS),
    (
        "jobs_get",
        "An answer is the job's `result` once it is there. Asking again sooner than `Retry-After` says shows nothing \
         new; `If-None-Match` saves the body.",
    ),
    ("jobs_cancel", "What is not published is taken back, what is stays. A job that has ended is answered as it is."),
    (
        "documents_delete",
        "It is hidden at once, and removed from every store by a job whose receipt says what was removed where.",
    ),
    ("documents_delete_matching", DELETE_MATCHING),
    ("documents_original", "Always as a download: what strangers uploaded is never shown as a page."),
    (
        "search",
        "By words as soon as a document is chunked, by meaning when its job has ended and the vector index shows it. \
         `after` takes an upload's consistency token: `freshness` then says whether all of it could be found.",
    ),
    ("chat", CHAT),
    ("hooks_claude_code", HOOKS),
    ("sessions_join", JOIN),
];

/// What an operation does beyond its summary; nothing for one of which that says all.
pub(super) fn description(id: &str) -> Option<&'static str> {
    DESCRIPTIONS.iter().find(|(operation, _)| *operation == id).map(|(_, description)| *description)
}

const CHAT: &str = "\
202 with a job, or, with `Prefer: wait=N`, 200 with the turn if it was answered by then. `GET /api/jobs/{id}/events` \
streams it meanwhile. A `conversation_id` goes on with that conversation.";

const HOOKS: &str = "\
By `hook_event_name`. `SessionStart` and `UserPromptSubmit` may be answered with text that Claude Code adds to what \
Claude reads; everything else, and whatever is not understood or fails, is answered `{}`. What is stated in prompts is \
proposed as memories when the session stops, compacts or ends. No model is asked.";

const DELETE_MATCHING: &str = "\
What `GET` lists with the same parameters is hidden at once, by one transaction, and removed from every store by one \
job. At least one condition has to be given, and none may be empty. A request deletes up to 1,000, those first that \
were uploaded last: while `remaining` is above zero, the same request with `cursor` goes on, and what was uploaded \
since the first stays. Sent again without it, it begins anew; where nothing is meant any more, nothing happens. \
Uploads in `unpacking` were accepted before and may still bring documents that are not known yet: those are not \
deleted.";

const JOIN: &str = "\
Frames are JSON objects with a `type`: `say`, `edit`, `scratch`, `events` in; `welcome`, `joined`, `left`, `message`, \
`edited`, `scratch`, `events`, `error` and the events of turns out. A browser's page must come from this deployment or \
from one of `ALLOWED_ORIGINS`.";

const INDEX: &str = "\
One document, an array of them, `{\"documents\": […]}`, a document a line (`application/x-ndjson`), files of a form \
(`multipart/form-data`), or a tar of a folder, plain or compressed by gzip. `Content-Encoding: gzip` may come with \
any. Up to 256 KB and 1,000 documents are read at once: the answer says what became of each. More, up to 100 MB, must \
announce its `Content-Length`, and is answered with `items_url` in place of the items.";

const JOB_EVENTS: &str = "\
Of an upload, `event: job` with the job whenever it has changed; of a chat what is published about its turn: \
`started`, `delta` (`at` is the number of bytes of the answer before its `text`), `restarted` where another attempt \
begins, and `done`, `failed` or `cancelled` at the end. A stream that ends without an end says in `retry:` when to \
come back; `Last-Event-ID` or `since` goes on after that event.";

/// What a stream of events is, as a schema's description.
pub(super) const EVENT_STREAM: &str = "Server-sent events: `id:`, `event:` and `data:` lines, the data as JSON.";

/// What an answer of this status means, if it is no problem.
pub(super) fn success(status: StatusCode) -> &'static str {
    match status {
        StatusCode::SWITCHING_PROTOCOLS => "The connection goes on as a WebSocket.",
        StatusCode::CREATED => "It was made.",
        StatusCode::ACCEPTED => "It was accepted, and goes on.",
        StatusCode::NO_CONTENT => "It was done; there is nothing to say.",
        StatusCode::NOT_MODIFIED => "Nothing has changed since the answer with this `ETag`.",
        StatusCode::SERVICE_UNAVAILABLE => "The deployment is not well; `status` says why.",
        _ => "What was asked for.",
    }
}

/// How large a body may be.
pub(super) fn body(limit: usize, streamed: Option<usize>) -> String {
    format!("At most {} bytes.", streamed.unwrap_or(limit))
}

/// What `{id}` of a path stands for.
pub(super) fn id(path: &str) -> &'static str {
    match path.split('/').nth(2).unwrap_or_default() {
        "jobs" => "The job's id, `job_…`.",
        "documents" => "The document's id, `doc_…`.",
        "conversations" => "The conversation's id, `con_…`.",
        "memory" => "The memory's id, `mem_…`.",
        "session" => "The session's id, `ses_…`.",
        "keys" => "The key's id: what stands between its second and its third underscore.",
        "dead-letters" => "The dead letter's id.",
        "models" => "The model's id.",
        _ => "The code of the problem.",
    }
}
