//! What may stand in query strings and headers, said once for all operations that take it.

use std::borrow::Cow;

use pipeline::{constants, filters::DOCUMENT_TYPES, time::Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::{
    api::{
        documents,
        jobs::{self, items},
        memories,
    },
    http::{
        operation::{Parameter, SchemaOf},
        paging::Limit,
    },
};

/// How many entries a page of a list has.
pub const LIMIT: Parameter = Parameter::query::<Limit>("limit", "How many entries a page has at most.");
/// Where a page of a list begins.
pub const CURSOR: Parameter = Parameter::query::<String>(
    "cursor",
    "Where the page begins: `next_cursor` of the page before it. Without one the first page is answered.",
);
/// Of conversations.
pub const TITLE: Parameter =
    Parameter::query::<String>("title", "Only conversations whose title holds these words, whatever their case.");
/// Of memories.
pub const QUERY: Parameter = Parameter::query::<Text>(
    "query",
    "What memories are to fit: those that do are answered, best first, on one page. Without it all are listed, the \
     newest first.",
);
/// Of memories.
pub const MEMORY_STATE: Parameter =
    Parameter::query::<MemoryState>("state", "Only memories in this state. Without it those in any are listed.");
/// Of memories.
pub const MEMORY_PROJECT: Parameter = Parameter::query::<ProjectName>(
    "project",
    "A project: `github.com/owner/name`, a git remote, or a name. With `query` its own memories are preferred; of the \
     list only they are answered.",
);
/// Of the documents of an upload.
pub const ITEM_STATUS: Parameter =
    Parameter::query::<ItemStatus>("status", "Only documents of which this became. Without it all are listed.");
/// Of jobs.
pub const JOB_KIND: Parameter = Parameter::query::<JobKind>("kind", "Only jobs of this kind.");
/// Of jobs.
pub const JOB_STATUS: Parameter = Parameter::query::<JobStatus>("status", "Only jobs with this status.");
/// Of documents.
pub const DOCUMENT_STATUS: Parameter =
    Parameter::query::<DocumentStatus>("status", "Only documents whose latest revision has this status.");
/// Of documents.
pub const PREFIX: Parameter =
    Parameter::query::<String>("prefix", "Only documents whose `external_id` begins so, such as a folder.");
/// Of documents.
pub const CREATED_AFTER: Parameter =
    Parameter::query::<Date>("created_after", "Only documents dated at or after this.");
/// Of documents.
pub const CREATED_BEFORE: Parameter = Parameter::query::<Date>("created_before", "Only documents dated before this.");
/// Of documents.
pub const DOCUMENT_TYPE: Parameter = Parameter::query::<DocumentType>("type", "Only documents of this type.");
/// Of documents.
pub const LANGUAGE: Parameter = Parameter::query::<String>(
    "language",
    "Only documents in this language, such as `rust` or `german`, whatever its case.",
);
/// Of documents.
pub const TAG: Parameter = Parameter::query::<String>("tag", "Only documents that carry this tag, whatever its case.");
/// Of documents.
pub const EXTERNAL_ID: Parameter =
    Parameter::query::<String>("external_id", "Only the document that its owner calls so.");
/// Of a document's chunks.
pub const TEXT: Parameter = Parameter::query::<Flag>("text", "Whether chunks are answered with their text.");
/// Of an upload.
pub const DRY_RUN: Parameter = Parameter::query::<Flag>(
    "dry_run",
    "Whether to estimate only what indexing would cost: nothing is stored, no job is made. Up to 256 KB.",
);
/// Of a delete of several documents.
pub const DRY_RUN_OF_DELETE: Parameter =
    Parameter::query::<Flag>("dry_run", "Whether only to count and show what would be deleted: nothing is.");
/// A parameter of a delete of several documents: an empty one would say nothing of what is to be deleted.
const fn filled(parameter: Parameter) -> Parameter {
    Parameter { schema: SchemaOf::new::<Filled>(), ..parameter }
}
/// Of documents that are to be deleted.
pub const PREFIX_OF_DELETE: Parameter = filled(PREFIX);
/// Of documents that are to be deleted.
pub const LANGUAGE_OF_DELETE: Parameter = filled(LANGUAGE);
/// Of documents that are to be deleted.
pub const TAG_OF_DELETE: Parameter = filled(TAG);
/// Of documents that are to be deleted.
pub const EXTERNAL_ID_OF_DELETE: Parameter = filled(EXTERNAL_ID);
/// Where a delete of several documents goes on.
pub const CURSOR_OF_DELETE: Parameter = Parameter::query::<String>(
    "cursor",
    "`next_cursor` of the answer before: the delete goes on, and what was uploaded since it began stays. Without one \
     it begins.",
);
/// Of an upload.
pub const ALLOW_SECRETS: Parameter = Parameter::query::<Flag>(
    "allow_secrets",
    "Whether documents are indexed that hold what looks like a password, a key or a token, files that usually do, and \
     those that nobody reads, such as `.env` and those in `.git/`.",
);
/// Of a key.
pub const FORCE: Parameter = Parameter::query::<Flag>(
    "force",
    "Whether the last key is revoked, too: without one its user's data is out of reach.",
);
/// Of the usage.
pub const MONTH: Parameter = Parameter::query::<Month>(
    "month",
    "A month such as `2026-11`: what was used on each of its days. Without it today is answered.",
);
/// How long an answer may take.
pub const PREFER: Parameter = Parameter::header::<Prefer>(
    "Prefer",
    "`wait=N` (RFC 7240): wait for the job's end, N seconds at most, and 60 in any case; of a search for the job \
     behind `after`. What makes a job is answered 200 if it ended by then, else 202. Without it nothing is waited for.",
);
/// Under which name a request is answered again.
pub const IDEMPOTENCY_KEY: Parameter = Parameter::header::<IdempotencyKey>(
    "Idempotency-Key",
    "A name of the client's own for this request, such as a random one. The same again within 24 hours is done once, \
     and answered as things are now. What makes no job, such as an upload of what is known, is not kept.",
);
/// What of a job the client has.
pub const IF_NONE_MATCH: Parameter = Parameter::header::<String>(
    "If-None-Match",
    "`ETag` of an earlier answer: while nothing has changed since, 304 is answered, without a body.",
);
/// Where a stream of events goes on.
pub const SINCE: Parameter = Parameter::query::<EventNumber>(
    "since",
    "The number of the last event that is known: those after it follow. Without it all of them do.",
);
/// The same, as browsers say it.
pub const LAST_EVENT_ID: Parameter = Parameter::header::<String>(
    "Last-Event-ID",
    "The same as `since`, which comes before it: what an `EventSource` sends when it connects again.",
);
/// The same, of a job's stream, whose states have no numbers.
pub const SINCE_EVENT: Parameter = Parameter::query::<String>(
    "since",
    "The `id` of the last event that is known: what comes after it follows. Without it all does.",
);
/// Of an agent's message.
pub const OF_MCP: &[Parameter] = &[MCP_PROTOCOL_VERSION, MCP_METHOD, MCP_NAME];
const MCP_PROTOCOL_VERSION: Parameter = Parameter::header::<String>(
    "MCP-Protocol-Version",
    "The version of MCP that is spoken. From 2026-07-28 on it says what the message's `_meta` says; without it the \
     message is one of 2025-03-26.",
);
const MCP_METHOD: Parameter = Parameter::header::<String>("Mcp-Method", "From 2026-07-28 on: the message's `method`.");
const MCP_NAME: Parameter = Parameter::header::<String>(
    "Mcp-Name",
    "From 2026-07-28 on, of `tools/call`, `prompts/get` and `resources/read`: the `name` or `uri` of its params, as \
     it is or as `=?base64?…?=`.",
);
/// How a browser shows its ticket.
pub const PROTOCOL: Parameter = Parameter::header::<String>(
    "Sec-WebSocket-Protocol",
    "`claudes-friend, ticket.…`, as the ticket's `protocol` says it. Without a ticket `Authorization` brings the \
     owner's key.",
);

/// Longest wait of a request, in seconds.
const LONGEST_WAIT: i64 = constants::WAIT.as_seconds();

/// Parameters whose schema stands in the description where they do, since nothing else shares it.
macro_rules! inline_schema {
    ($name:ident, $schema:expr, $what:literal) => {
        #[doc = $what]
        #[derive(Clone, Copy, Debug)]
        pub enum $name {}

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

inline_schema!(
    EventNumber,
    json_schema!({ "type": "integer", "minimum": 0, "maximum": i64::MAX }),
    "The number of an event."
);
inline_schema!(Filled, json_schema!({ "type": "string", "minLength": 1 }), "A text that is not empty.");
inline_schema!(Flag, json_schema!({ "type": "boolean", "default": false }), "On or off; off without it.");
inline_schema!(
    Date,
    json_schema!({ "anyOf": [
        { "type": "string", "format": "date-time" },
        {
            "type": "integer",
            "minimum": Timestamp::EARLIEST.milliseconds(),
            "maximum": Timestamp::LATEST.milliseconds(),
        },
    ] }),
    "A date as a request may write it: RFC 3339, or milliseconds since 1970."
);
inline_schema!(
    Text,
    json_schema!({ "type": "string", "minLength": 1, "maxLength": constants::QUERY_BYTES, "pattern": "\\S" }),
    "A text that holds something."
);
inline_schema!(
    Prefer,
    json_schema!({ "type": "string", "examples": [format!("wait={LONGEST_WAIT}")] }),
    "A preference."
);
inline_schema!(
    IdempotencyKey,
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": constants::IDEMPOTENCY_KEY_BYTES, "pattern": "^[ -~]+$",
    }),
    "A name for a request."
);
inline_schema!(
    ProjectName,
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": pipeline::project::NAME_BYTES, "pattern": pipeline::schema::NAME,
    }),
    "What a project is called."
);
inline_schema!(Month, json_schema!({ "type": "string", "pattern": "^[1-9][0-9]{3}-(0[1-9]|1[0-2])$" }), "A month.");
inline_schema!(DocumentType, json_schema!({ "type": "string", "enum": DOCUMENT_TYPES }), "A document's type.");
inline_schema!(ItemStatus, json_schema!({ "type": "string", "enum": items::STATUSES }), "What became of a document.");
inline_schema!(JobKind, json_schema!({ "type": "string", "enum": jobs::KINDS }), "What a job does.");
inline_schema!(JobStatus, json_schema!({ "type": "string", "enum": jobs::STATUSES }), "How far a job is.");
inline_schema!(
    DocumentStatus,
    json_schema!({ "type": "string", "enum": documents::STATUSES }),
    "How far a document's latest revision is."
);
inline_schema!(MemoryState, json_schema!({ "type": "string", "enum": memories::STATES }), "A memory's state.");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_wait_is_the_one_that_is_described() {
        assert!(PREFER.description.contains(&format!("{LONGEST_WAIT} in any case")));
    }
}
