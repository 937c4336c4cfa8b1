//! The map of the API: one row says everything about an operation.
//!
//! Routing, `Allow`, who is let in, how much of a body is read and `/openapi.json` all follow from the
//! rows. A new operation is one row here and one handler in [`crate::api`].

use std::sync::OnceLock;

use http::{Method, StatusCode};
use matchit::Router;
use pipeline::{
    constants::{HISTORY_BODY_BYTES, JSON_BYTES, READ_AT_ONCE_BYTES, UPLOAD_BYTES},
    store::{
        conversations::ConversationEntry, dead_letters::DeadLetter, jobs::read::JobEntry, keys::ApiKeyEntry,
        memories::MemoryRow,
    },
    time::Timestamp,
};
use retrieval::SearchRequest;

use crate::{
    api::{
        chat, conversations, dead_letters, documents, health, index, jobs, keys, me, memories, openai, search,
        sessions, usage,
    },
    http::{
        call::RequestPorts,
        operation::{Handler, Named, Operation, Parameter, header, operation, query},
        paging::{Limit, Page},
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

// Which entries of a list are answered, and how many of them.
const LIMIT: Parameter = query::<Limit>("limit");
const CURSOR: Parameter = query::<String>("cursor");
const TITLE: Parameter = query::<String>("title");
const QUERY: Parameter = query::<String>("query");
const TYPE: Parameter = query::<String>("type");
const LANGUAGE: Parameter = query::<String>("language");
const TAG: Parameter = query::<String>("tag");
const EXTERNAL_ID: Parameter = query::<String>("external_id");
const STATE: Parameter = query::<String>("state");
const STATUS: Parameter = query::<String>("status");
const KIND: Parameter = query::<String>("kind");
const MONTH: Parameter = query::<String>("month");
const PREFIX: Parameter = query::<String>("prefix");
const CREATED_AFTER: Parameter = query::<Timestamp>("created_after");
const CREATED_BEFORE: Parameter = query::<Timestamp>("created_before");
// How a request is answered: with what beside it, after how long a wait, and again in the same words.
const TEXT: Parameter = query::<bool>("text");
const DRY_RUN: Parameter = query::<bool>("dry_run");
const ALLOW_SECRETS: Parameter = query::<bool>("allow_secrets");
const FORCE: Parameter = query::<bool>("force");
const PREFER: Parameter = header("Prefer");
const IDEMPOTENCY_KEY: Parameter = header("Idempotency-Key");
// Where a stream of events goes on, and how a browser shows its ticket.
const SINCE: Parameter = query::<u64>("since");
const SINCE_EVENT: Parameter = query::<String>("since");
const LAST_EVENT_ID: Parameter = header("Last-Event-ID");
const PROTOCOL: Parameter = header("Sec-WebSocket-Protocol");

/// A handler, its module and its own name. A module in several files may keep a handler in one of them.
macro_rules! named {
    ($access:ident, $module:ident $(::$file:ident)? => $function:ident $(, $other:path)?) => {
        Named {
            module: stringify!($module),
            function: stringify!($function),
            handler: Handler::$access(
                |ports, call| Box::pin($module $(::$file)? ::$function(ports, call)),
                $(|ports, call| Box::pin($other(ports, call)),)?
            ),
        }
    };
}

/// Anybody may call it.
macro_rules! public {
    ($module:ident::$function:ident) => {
        named!(Public, $module => $function)
    };
}

/// Whoever has an API key may call it.
macro_rules! key {
    ($module:ident::$function:ident) => {
        named!(Key, $module => $function)
    };
    ($module:ident::$file:ident::$function:ident) => {
        named!(Key, $module::$file => $function)
    };
}

/// Whoever has an API key may call it, and the administrator, for whom another handler answers.
macro_rules! key_or_administrator {
    ($module:ident::$function:ident, $administrators:path) => {
        named!(KeyOrAdministrator, $module => $function, $administrators)
    };
}

/// Whoever has a ticket or an API key may call it; the handler asks for one of them.
macro_rules! ticket {
    ($module:ident::$function:ident) => {
        named!(Ticket, $module => $function)
    };
}

/// All operations of the API; a constant, so that no request makes it again.
#[expect(clippy::too_many_lines, reason = "a table: its length is the number of operations")]
pub fn operations<P: RequestPorts>() -> &'static [Operation<P>] {
    const {
        &[
            operation(GET, "/health", public!(health::health), "Liveness, and the age of unfinished work")
                .answers::<health::Health>(OK),
            operation(GET, "/openapi.json", public!(openapi::describe), "This description")
                .answers::<serde_json::Map<String, serde_json::Value>>(OK),
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
            .answers::<index::IndexAnswer<'_>>(ACCEPTED)
            .or_answers::<jobs::WithJob<index::IndexAnswer<'_>>>(OK),
            operation(GET, "/api/jobs", key!(jobs::list), "List jobs, the newest first")
                .takes(&[LIMIT, CURSOR, KIND, STATUS])
                .answers::<Page<JobEntry>>(OK),
            operation(GET, "/api/jobs/{id}", key!(jobs::get), "How far a job is").answers::<jobs::JobView>(OK),
            operation(GET, "/api/jobs/{id}/events", key!(jobs::events), "The same as server-sent events")
                .takes(&[SINCE_EVENT, LAST_EVENT_ID])
                .answers_bytes("text/event-stream")
                .or_answers_nothing(StatusCode::NO_CONTENT),
            operation(
                GET,
                "/api/jobs/{id}/items",
                key!(jobs::items::items),
                "What became of each document of a streamed upload",
            )
            .takes(&[LIMIT, CURSOR, STATUS])
            .answers::<Page<jobs::items::ItemView>>(OK),
            operation(POST, "/api/jobs/{id}/cancel", key!(jobs::cancel::cancel), "Stop a job")
                .answers::<jobs::JobView>(OK),
            operation(POST, "/api/jobs/{id}/retry", key!(jobs::retry), "Try a job's failed items again")
                .answers::<jobs::JobView>(ACCEPTED),
            operation(GET, "/api/documents", key!(documents::list), "List documents")
                .takes(&[
                    LIMIT,
                    CURSOR,
                    TYPE,
                    LANGUAGE,
                    TAG,
                    EXTERNAL_ID,
                    PREFIX,
                    STATUS,
                    CREATED_AFTER,
                    CREATED_BEFORE,
                ])
                .answers::<Page<documents::DocumentView>>(OK),
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
                .answers::<documents::Deleted<'_>>(ACCEPTED)
                .or_answers::<jobs::WithJob<documents::Deleted<'_>>>(OK),
            operation(GET, "/api/documents/{id}/original", key!(documents::original), "A document's bytes as uploaded")
                .answers_bytes("text/plain"),
            operation(POST, "/api/search", key!(search::search), "Find chunks by words and by meaning")
                .takes(&[PREFER])
                .reads::<SearchRequest>(JSON_BYTES)
                .answers::<search::SearchAnswer>(OK),
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
            .answers::<keys::Issued<'_>>(CREATED),
            operation(
                DELETE,
                "/api/keys/{id}",
                key!(keys::revoke),
                "Revoke an API key; the last one only with ?force=true",
            )
            .takes(&[FORCE]),
            operation(
                GET,
                "/api/usage",
                key!(usage::usage),
                "Today against every allowance of the Free plan, or a month by its days",
            )
            .takes(&[MONTH])
            .answers::<usage::UsageAnswer>(OK),
            operation(GET, "/api/dead-letters", key!(dead_letters::list), "What failed for good, and why")
                .takes(&[LIMIT, CURSOR])
                .answers::<Page<DeadLetter>>(OK),
            operation(POST, "/api/dead-letters/{id}/replay", key!(dead_letters::replay), "Try one of them again")
                .answers::<dead_letters::Replayed>(ACCEPTED),
            operation(POST, "/api/chat", key!(chat::chat), "Ask; Prefer: wait=N waits for the answer")
                .takes(&[PREFER, IDEMPOTENCY_KEY])
                .reads::<chat::ChatRequest>(JSON_BYTES)
                .answers::<chat::ChatAnswer<'_>>(ACCEPTED)
                .or_answers::<pipeline::chat::turn::TurnResult>(OK),
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
            .takes(&[QUERY, STATE, LIMIT, CURSOR])
            .answers::<Page<MemoryRow>>(OK),
            operation(POST, "/api/memory", key!(memories::remember::remember), "Remember something, once")
                .reads::<memories::remember::NewMemory>(JSON_BYTES)
                .answers::<memories::remember::Remembered>(CREATED)
                .or_answers::<memories::remember::Remembered>(OK),
            operation(GET, "/api/memory/{id}", key!(memories::get), "Something remembered").answers::<MemoryRow>(OK),
            operation(
                PATCH,
                "/api/memory/{id}",
                key!(memories::change),
                "Change what is said of a memory beside its text",
            )
            .reads::<memories::MemoryPatch>(JSON_BYTES)
            .answers::<MemoryRow>(OK),
            operation(DELETE, "/api/memory/{id}", key!(memories::forget), "Forget at once, everywhere"),
            operation(POST, "/api/memory/{id}/confirm", key!(memories::confirm), "Remember what was proposed")
                .answers::<MemoryRow>(OK),
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
                .answers::<sessions::SessionView>(CREATED),
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
            .reads::<sessions::SessionChange>(JSON_BYTES)
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
            .answers::<sessions::Ticket>(CREATED),
            operation(
                GET,
                "/api/session/{id}/ws",
                ticket!(sessions::join),
                "Join a session by WebSocket, with a ticket as Sec-WebSocket-Protocol or with a key",
            )
            .takes(&[SINCE, PROTOCOL])
            .answers_nothing(StatusCode::SWITCHING_PROTOCOLS),
            operation(POST, "/v1/chat/completions", key!(openai::complete), "Chat in the words of OpenAI's API")
                .reads::<openai::CompletionRequest<'_>>(HISTORY_BODY_BYTES)
                .answers::<openai::ChatCompletion>(OK)
                .or_answers_bytes("text/event-stream"),
            operation(POST, "/v1/responses", key!(openai::responses::respond), "The same as OpenAI's responses")
                .reads::<openai::responses::ResponseRequest>(HISTORY_BODY_BYTES)
                .answers::<openai::ResponseObject>(OK)
                .or_answers_bytes("text/event-stream"),
            operation(POST, "/v1/embeddings", key!(openai::embeddings::embed), "Vectors of texts")
                .reads::<openai::embeddings::EmbeddingRequest>(JSON_BYTES)
                .answers::<openai::embeddings::EmbeddingList>(OK),
            operation(POST, "/v1/completions", key!(openai::complete_text), "Says where to go: to chat/completions"),
            operation(GET, "/v1/models", key!(openai::models::models), "The models that /v1 takes")
                .answers::<openai::models::ModelList>(OK),
            operation(GET, "/v1/models/{id}", key!(openai::models::model), "A model that /v1 takes")
                .answers::<openai::models::ModelAnswer>(OK),
        ]
    }
}

/// Where a path leads.
#[derive(Debug)]
pub struct Found<'a, P: 'static> {
    /// The path as the table writes it.
    pub path: &'static str,
    /// The part that stands for `{id}`, empty without one.
    pub id: &'a str,
    /// Its operations, one for each method.
    pub operations: Vec<&'static Operation<P>>,
}

impl<P: 'static> Found<'_, P> {
    /// The methods it answers to, as `Allow` lists them.
    pub fn allowed(&self) -> String {
        let methods: Vec<&str> = self.operations.iter().map(|operation| operation.method.as_str()).collect();
        methods.join(", ")
    }
}

/// The operations of a path; `None` if there are none.
pub fn find<P: RequestPorts>(path: &str) -> Option<Found<'_, P>> {
    let found = router::<P>().at(path).ok()?;
    let pattern = *found.value;
    let at_path = operations().iter().filter(|operation| operation.path == pattern);
    Some(Found { path: pattern, id: found.params.get("id").unwrap_or_default(), operations: at_path.collect() })
}

/// Every path of the table; made once, for the paths are the same on every platform.
fn router<P: RequestPorts>() -> &'static Router<&'static str> {
    static ROUTER: OnceLock<Router<&'static str>> = OnceLock::new();
    ROUTER.get_or_init(|| {
        let mut router = Router::new();
        for operation in operations::<P>() {
            // Another method of the same path is there already; a test finds every operation.
            let _ = router.insert(operation.path, operation.path);
        }
        router
    })
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
    pub(super) fn describe<P: RequestPorts>(_: &P, _: &PublicCall<'_>) -> Ready<Answer> {
        ready(Ok(openapi::reply(super::operations::<P>())))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use test_platform::InMemory;

    use super::*;

    #[test]
    fn every_operation_is_found_by_its_path_and_method() {
        for operation in operations::<InMemory>() {
            let path = operation.path.replace("{id}", "some_1");
            let found = find::<InMemory>(&path).unwrap();
            assert_eq!(found.path, operation.path);
            assert_eq!(found.id, if operation.path.contains("{id}") { "some_1" } else { "" }, "{path}");
            assert_eq!(found.operations.iter().filter(|other| other.method == operation.method).count(), 1, "{path}");
            assert!(found.allowed().contains(operation.method.as_str()), "{path}");
        }
        assert!(find::<InMemory>("/api/nothing").is_none());
    }

    #[test]
    fn every_operation_has_a_name_of_its_own() {
        let mut names = HashSet::new();
        for operation in operations::<InMemory>() {
            assert!(names.insert(operation.id()), "{}", operation.id());
        }
    }
}
