//! The map of the API: one row says everything about an operation.
//!
//! [`routing`](crate::http::routing), `Allow`, who is let in, how much of a body is read and `/openapi.json` all follow
//! from the rows. A new operation is one row here and one handler in [`crate::api`].

use http::{Method, StatusCode};
use pipeline::{
    constants::{HISTORY_BODY_BYTES, JSON_BYTES, READ_AT_ONCE_BYTES, UPLOAD_BYTES},
    problem::Code,
    store::{
        conversations::ConversationEntry, dead_letters::DeadLetter, jobs::read::JobEntry, keys::ApiKeyEntry,
        memories::MemoryRow,
    },
};

use crate::{
    api::{
        chat, conversations, dead_letters, documents, health, hooks, index, jobs, keys, mcp, me, memories, openai,
        problems, search, sessions, usage,
    },
    http::{
        call::{HOOKS_PATH, RequestPorts},
        known_parameters::{
            ALLOW_SECRETS, CREATED_AFTER, CREATED_BEFORE, CURSOR, CURSOR_OF_DELETE, DOCUMENT_STATUS, DOCUMENT_TYPE,
            DRY_RUN, DRY_RUN_OF_DELETE, EXTERNAL_ID, EXTERNAL_ID_OF_DELETE, FORCE, IDEMPOTENCY_KEY, IF_NONE_MATCH,
            ITEM_STATUS, JOB_KIND, JOB_STATUS, LANGUAGE, LANGUAGE_OF_DELETE, LAST_EVENT_ID, LIMIT, MEMORY_PROJECT,
            MEMORY_STATE, MONTH, OF_MCP, PREFER, PREFIX, PREFIX_OF_DELETE, PROTOCOL, QUERY, SINCE, SINCE_EVENT, TAG,
            TAG_OF_DELETE, TEXT, TITLE,
        },
        named::{key, key_or_administrator, public, ticket},
        operation::{Operation, operation},
        paging::Page,
    },
};

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const PATCH: Method = Method::PATCH;
const DELETE: Method = Method::DELETE;

const OK: StatusCode = StatusCode::OK;
const CREATED: StatusCode = StatusCode::CREATED;
const ACCEPTED: StatusCode = StatusCode::ACCEPTED;

// What documents are stored as. Of those that are JSON it is not said: generated clients would read them.
const ORIGINALS: &[&str] = &["text/plain", "text/markdown", "text/html", "text/csv", "text/x-source", "*/*"];
const EVENTS: &[&str] = &["text/event-stream"];
// What answers about jobs, and those that are not whole, say beside it.
const OF_JOB: &[&str] = &["Location", "Retry-After"];
const OF_STATE: &[&str] = &["ETag", "Cache-Control", "Retry-After"];
const DEGRADED: &[&str] = &["X-Degraded"];

/// All operations of the API; a constant, so that no request makes it again.
#[expect(clippy::too_many_lines, reason = "a table: its length is the number of operations")]
pub fn operations<P: RequestPorts>() -> &'static [Operation<P>] {
    const {
        &[
            operation(GET, "/health", public!(health::health), "Liveness, and the age of unfinished work")
                .answers::<health::Health>(OK)
                .or_answers::<health::Health>(StatusCode::SERVICE_UNAVAILABLE),
            operation(GET, "/openapi.json", public!(openapi::describe), "This description")
                .takes(&[IF_NONE_MATCH])
                .answers::<serde_json::Map<String, serde_json::Value>>(OK)
                .or_answers_nothing(StatusCode::NOT_MODIFIED)
                .sends(&["ETag", "Cache-Control"]),
            operation(GET, "/problems/{id}", public!(problems::explain), "What a kind of problem means")
                .answers_bytes(&["text/html"])
                .sends(&["Cache-Control", "X-Content-Type-Options"]),
            operation(
                POST,
                "/api/index",
                key!(index::index),
                "Index documents; ?dry_run=true estimates only; Prefer: wait=N waits",
            )
            .takes(&[DRY_RUN, ALLOW_SECRETS, PREFER, IDEMPOTENCY_KEY])
            .reads::<index::Documents>(READ_AT_ONCE_BYTES)
            .or_reads(&uploads::format::OTHER_MEDIA_TYPES)
            .or_streams(UPLOAD_BYTES)
            .answers::<jobs::WithJob<index::IndexAnswer<'_>>>(ACCEPTED)
            .or_answers::<jobs::WithJob<index::IndexAnswer<'_>>>(OK)
            .refuses(&[Code::Conflict, Code::HoldsSecret, Code::KeyReused, Code::LengthRequired])
            .sends(&["Location", "Retry-After", "Idempotency-Replayed"]),
            operation(GET, "/api/jobs", key!(jobs::list), "List jobs, the newest first")
                .takes(&[LIMIT, CURSOR, JOB_KIND, JOB_STATUS])
                .answers::<Page<JobEntry>>(OK),
            operation(GET, "/api/jobs/{id}", key!(jobs::get), "How far a job is")
                .takes(&[IF_NONE_MATCH])
                .answers::<jobs::JobView>(OK)
                .or_answers_nothing(StatusCode::NOT_MODIFIED)
                .sends(OF_STATE),
            operation(GET, "/api/jobs/{id}/events", key!(jobs::events), "The same as server-sent events")
                .takes(&[SINCE_EVENT, LAST_EVENT_ID])
                .answers_bytes(EVENTS)
                .or_answers_nothing(StatusCode::NO_CONTENT)
                .sends(&["Cache-Control"]),
            operation(
                GET,
                "/api/jobs/{id}/items",
                key!(jobs::items::items),
                "What became of each document of a streamed upload",
            )
            .takes(&[LIMIT, CURSOR, ITEM_STATUS])
            .answers::<Page<jobs::items::ItemView>>(OK)
            .refuses(&[Code::Gone, Code::Conflict]),
            operation(POST, "/api/jobs/{id}/cancel", key!(jobs::cancel::cancel), "Stop a job")
                .relieves()
                .answers::<jobs::JobView>(OK)
                .refuses(&[Code::Conflict])
                .sends(OF_STATE),
            operation(POST, "/api/jobs/{id}/retry", key!(jobs::retry), "Try a job's failed items again")
                .answers::<jobs::JobView>(ACCEPTED)
                .refuses(&[Code::Conflict])
                .sends(&["Location", "Retry-After", "ETag", "Cache-Control"]),
            operation(GET, "/api/documents", key!(documents::list), "List documents")
                .takes(&[
                    LIMIT,
                    CURSOR,
                    DOCUMENT_TYPE,
                    LANGUAGE,
                    TAG,
                    EXTERNAL_ID,
                    PREFIX,
                    DOCUMENT_STATUS,
                    CREATED_AFTER,
                    CREATED_BEFORE,
                ])
                .answers::<Page<documents::DocumentView>>(OK),
            operation(
                DELETE,
                "/api/documents",
                key!(documents::matching::delete_matching),
                "Delete the documents that are listed with the same parameters; ?dry_run=true shows them only",
            )
            .takes(&[
                DRY_RUN_OF_DELETE,
                CURSOR_OF_DELETE,
                DOCUMENT_TYPE,
                LANGUAGE_OF_DELETE,
                TAG_OF_DELETE,
                EXTERNAL_ID_OF_DELETE,
                PREFIX_OF_DELETE,
                DOCUMENT_STATUS,
                CREATED_AFTER,
                CREATED_BEFORE,
                PREFER,
            ])
            .answers::<jobs::WithJob<documents::matching::DeletedDocuments<'_>>>(ACCEPTED)
            .or_answers::<jobs::WithJob<documents::matching::DeletedDocuments<'_>>>(OK)
            .sends(OF_JOB),
            operation(POST, "/api/documents/manifest", key!(documents::manifest::compare), "What is there of a folder")
                .reads::<documents::manifest::Manifest>(READ_AT_ONCE_BYTES)
                .answers::<documents::manifest::Compared<'_>>(OK),
            operation(
                GET,
                "/api/documents/{id}",
                key!(documents::get),
                "A document and its chunks; ?text=true with their text",
            )
            .takes(&[TEXT])
            .answers::<documents::Whole>(OK),
            operation(DELETE, "/api/documents/{id}", key!(documents::delete), "Delete a document everywhere")
                .takes(&[PREFER])
                .answers::<jobs::WithJob<documents::Deleted<'_>>>(ACCEPTED)
                .or_answers::<jobs::WithJob<documents::Deleted<'_>>>(OK)
                .sends(OF_JOB),
            operation(GET, "/api/documents/{id}/original", key!(documents::original), "A document's bytes as uploaded")
                .answers_bytes(ORIGINALS)
                .sends(&["Content-Disposition", "X-Content-Type-Options"]),
            operation(POST, "/api/search", key!(search::search), "Find chunks by words and by meaning")
                .takes(&[PREFER])
                .reads::<search::request::NewSearch>(JSON_BYTES)
                .answers::<search::SearchAnswer>(OK)
                .sends(DEGRADED),
            operation(GET, "/api/keys", key!(keys::list), "List API keys")
                .takes(&[LIMIT, CURSOR])
                .answers::<Page<ApiKeyEntry>>(OK),
            operation(
                POST,
                "/api/keys",
                key_or_administrator!(keys::create, keys::create_by_administrator),
                "Issue an API key",
            )
            .may_read::<keys::NewKey>(JSON_BYTES)
            .answers::<keys::Issued<'_>>(CREATED)
            .refuses(&[Code::Forbidden, Code::NotFound, Code::Conflict]),
            operation(DELETE, "/api/keys/{id}", key!(keys::revoke), "Revoke a key; the last one only with ?force=true")
                .takes(&[FORCE])
                .refuses(&[Code::Conflict]),
            operation(
                GET,
                "/api/usage",
                key!(usage::usage),
                "Today against every allowance of the Free plan, or a month by its days",
            )
            .relieves()
            .takes(&[MONTH])
            .answers::<usage::UsageAnswer>(OK),
            operation(GET, "/api/dead-letters", key!(dead_letters::list), "What failed for good, and why")
                .takes(&[LIMIT, CURSOR])
                .answers::<Page<DeadLetter>>(OK),
            operation(POST, "/api/dead-letters/{id}/replay", key!(dead_letters::replay), "Try one of them again")
                .answers::<dead_letters::Replayed>(ACCEPTED)
                .refuses(&[Code::Conflict, Code::Gone])
                .sends(OF_JOB),
            operation(POST, "/api/chat", key!(chat::chat), "Ask; Prefer: wait=N waits for the answer")
                .takes(&[PREFER, IDEMPOTENCY_KEY])
                .reads::<chat::ChatRequest>(JSON_BYTES)
                .answers::<chat::ChatAnswer<'_>>(ACCEPTED)
                .or_answers::<pipeline::chat::turn::TurnResult>(OK)
                .refuses(&[Code::NotFound, Code::Conflict, Code::KeyReused])
                .sends(&["Location", "Retry-After", "Idempotency-Replayed"]),
            operation(GET, "/api/conversations", key!(conversations::list), "List conversations, the newest first")
                .takes(&[LIMIT, CURSOR, TITLE])
                .answers::<Page<ConversationEntry>>(OK),
            operation(GET, "/api/conversations/{id}", key!(conversations::get), "A conversation's messages")
                .takes(&[LIMIT, CURSOR])
                .answers::<conversations::Conversation>(OK),
            operation(
                DELETE,
                "/api/conversations/{id}",
                key!(conversations::delete),
                "Delete a conversation and all its messages",
            )
            .answers::<conversations::Receipt<'_>>(OK),
            operation(
                GET,
                "/api/memory",
                key!(memories::list),
                "Recall what fits ?query=, or list everything remembered",
            )
            .takes(&[QUERY, MEMORY_STATE, MEMORY_PROJECT, LIMIT, CURSOR])
            .answers::<Page<memories::Listed>>(OK)
            .refuses(&[Code::TooLarge])
            .sends(DEGRADED),
            operation(POST, "/api/memory", key!(memories::remember::remember), "Remember something, once")
                .reads::<memories::remember::NewMemory>(JSON_BYTES)
                .answers::<memories::remember::Remembered>(CREATED)
                .or_answers::<memories::remember::Remembered>(OK)
                .refuses(&[Code::NotFound, Code::Conflict, Code::HoldsSecret])
                .sends(&["Location", "X-Degraded"]),
            operation(GET, "/api/memory/{id}", key!(memories::get), "Something remembered").answers::<MemoryRow>(OK),
            operation(
                PATCH,
                "/api/memory/{id}",
                key!(memories::change),
                "Change what is said of a memory beside its text",
            )
            .reads::<memories::MemoryPatch>(JSON_BYTES)
            .answers::<MemoryRow>(OK)
            .refuses(&[Code::Conflict, Code::HoldsSecret]),
            operation(DELETE, "/api/memory/{id}", key!(memories::forget), "Forget at once, everywhere"),
            operation(POST, "/api/memory/{id}/confirm", key!(memories::confirm), "Remember what was proposed")
                .answers::<MemoryRow>(OK)
                .refuses(&[Code::Conflict]),
            operation(GET, "/api/me", key!(me::get), "Who the caller is: profile and preferences")
                .answers::<me::Me<'_>>(OK),
            operation(PUT, "/api/me", key!(me::put), "Set the whole of profile, preferences and retention")
                .reads::<me::WholeProfile>(JSON_BYTES)
                .answers::<me::Me<'_>>(OK),
            operation(PATCH, "/api/me", key!(me::change), "Change parts of them; null gives a part its default again")
                .reads::<me::ProfilePatch>(JSON_BYTES)
                .answers::<me::Me<'_>>(OK),
            operation(GET, "/api/session", key!(sessions::list), "List live sessions")
                .takes(&[LIMIT, CURSOR])
                .answers::<Page<sessions::SessionView>>(OK),
            operation(POST, "/api/session", key!(sessions::create), "Open a live session")
                .may_read::<sessions::NewSession>(JSON_BYTES)
                .answers::<sessions::SessionView>(CREATED)
                .sends(&["Location"]),
            operation(
                GET,
                "/api/session/{id}",
                key!(sessions::get),
                "A session: who is there, the shared text, the log's end",
            )
            .answers::<sessions::live::LiveSession>(OK),
            operation(
                PATCH,
                "/api/session/{id}",
                key!(sessions::change),
                "Change a session's title, or what its guests may ask about",
            )
            .reads::<sessions::SessionPatch>(JSON_BYTES)
            .answers::<sessions::SessionView>(OK),
            operation(
                DELETE,
                "/api/session/{id}",
                key!(sessions::close),
                "Close a session for everybody; 202 if who is in it is not reached: then again",
            )
            .or_answers_nothing(ACCEPTED),
            operation(
                POST,
                "/api/session/{id}/tickets",
                key!(sessions::invite),
                "Invite somebody: a ticket that is good once, for half a minute",
            )
            .may_read::<sessions::NewTicket>(JSON_BYTES)
            .answers::<sessions::Ticket>(CREATED)
            .refuses(&[Code::Conflict]),
            operation(
                GET,
                "/api/session/{id}/ws",
                ticket!(sessions::join),
                "Join a session by WebSocket, with a ticket as Sec-WebSocket-Protocol or with a key",
            )
            .takes(&[SINCE, PROTOCOL])
            .answers_nothing(StatusCode::SWITCHING_PROTOCOLS)
            .refuses(&[Code::Forbidden, Code::Conflict]),
            operation(POST, "/mcp", key!(mcp::mcp), "The Model Context Protocol, for agents such as Claude Code")
                .speaks_json_rpc()
                .takes(OF_MCP)
                .reads::<mcp::McpMessage>(READ_AT_ONCE_BYTES)
                .answers::<mcp::McpAnswer>(OK)
                .or_answers_nothing(ACCEPTED),
            operation(
                POST,
                HOOKS_PATH,
                key!(hooks::claude_code),
                "Hooks of Claude Code: what is known for a session and for a prompt; never disturbs",
            )
            .reads::<hooks::HookInput>(READ_AT_ONCE_BYTES)
            .answers::<hooks::HookAnswer>(OK),
            operation(POST, "/v1/chat/completions", key!(openai::complete), "Chat in the words of OpenAI's API")
                .reads::<openai::CompletionRequest<'_>>(HISTORY_BODY_BYTES)
                .answers::<openai::ChatCompletion>(OK)
                .or_answers_bytes(EVENTS)
                .refuses(&[Code::NotFound, Code::Conflict])
                .sends(&["X-Job-Id", "X-Verdict", "Cache-Control"]),
            operation(POST, "/v1/responses", key!(openai::responses::respond), "The same as OpenAI's responses")
                .reads::<openai::responses::ResponseRequest>(HISTORY_BODY_BYTES)
                .answers::<openai::ResponseObject>(OK)
                .or_answers_bytes(EVENTS)
                .refuses(&[Code::NotFound, Code::Conflict])
                .sends(&["X-Job-Id", "X-Verdict", "Cache-Control"]),
            operation(POST, "/v1/embeddings", key!(openai::embeddings::embed), "Vectors of texts")
                .reads::<openai::embeddings::EmbeddingRequest>(JSON_BYTES)
                .answers::<openai::embeddings::EmbeddingList>(OK)
                .refuses(&[Code::NotFound]),
            operation(POST, "/v1/completions", key!(openai::complete_text), "Says where to go: to chat/completions")
                .refuses(&[Code::NotFound]),
            operation(GET, "/v1/models", key!(openai::models::models), "The models that /v1 takes")
                .answers::<openai::models::ModelList>(OK),
            operation(GET, "/v1/models/{id}", key!(openai::models::model), "A model that /v1 takes")
                .answers::<openai::models::ModelAnswer>(OK),
        ]
    }
}

/// The table describes itself, which is why this handler lives beside it.
mod openapi {
    use std::future::{Ready, ready};

    use crate::http::{
        call::{PublicCall, RequestPorts},
        openapi,
        reply::Answer,
    };

    /// `GET /openapi.json`
    pub(super) fn describe<P: RequestPorts>(_: &P, call: &PublicCall<'_>) -> Ready<Answer> {
        ready(openapi::reply(call.request.headers()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use test_platform::InMemory;

    use super::*;

    #[test]
    fn every_operation_has_a_name_of_its_own() {
        let mut names = HashSet::new();
        for operation in operations::<InMemory>() {
            assert!(names.insert(operation.id()), "{}", operation.id());
        }
    }
}
