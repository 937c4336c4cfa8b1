//! Resources: what a client may read without a model's asking for it.

use pipeline::{
    chat::profile::Profile,
    constants,
    ids::{ConversationId, DocumentId},
    store::documents::{
        filter::DocumentFilter,
        read::{self as documents, DocumentRow},
    },
};
use serde_json::{Value, json, value::RawValue};

use super::{
    done::{internal, no_cursor},
    eras::Era,
    jsonrpc::{ErrorCode, Request, RpcError, text},
    links::{self, Link},
    passage::{self, Wanted},
    tool::MOST_BYTES,
};
use crate::{
    api::conversations,
    http::{
        call::{Call, RequestPorts},
        paging::Behind,
        reply::Refusal,
    },
};

/// What can be read by a name that is made up of an id.
pub fn templates() -> Value {
    json!({ "resourceTemplates": [
        {
            "uriTemplate": "friend://doc/{id}",
            "name": "document",
            "title": "A document",
            "description": "The text of a document by its id (doc_…), as it was indexed. Some lines of it: \
                            friend://doc/{id}#L10-L42.",
        },
        {
            "uriTemplate": "friend://conversation/{id}",
            "name": "conversation",
            "title": "A conversation",
            "description": "What was asked and answered in a conversation with the friend, by its id (con_…).",
            "mimeType": "text/markdown",
        },
    ] })
}

/// Answers `resources/list`: who the user is, then their documents, the one that was indexed last first.
///
/// # Errors
/// [`ErrorCode::InvalidParams`] for what is no cursor.
pub async fn list<P: RequestPorts>(ports: &P, call: &Call<'_>, params: Option<&RawValue>) -> Result<Value, RpcError> {
    let fields = Request::fields(params)?;
    let is_first = !fields.contains_key("cursor");
    let behind = match text(&fields, "cursor") {
        None if is_first => None,
        None => return Err(no_cursor()),
        Some(cursor) => Some(behind(&cursor).ok_or_else(no_cursor)?),
    };
    let limit = constants::PAGE;
    let more = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let rows = documents::list(&call.tenant.user, &DocumentFilter::default(), behind, more).all(ports).await;
    let mut rows = rows.map_err(|failure| internal(failure.into()))?;
    let next = (rows.len() > limit).then(|| Behind::cursor(rows[limit - 1].uploaded_at, &rows[limit - 1].id));
    rows.truncate(limit);
    let profile = is_first.then(|| {
        json!({
            "uri": links::PROFILE, "name": "profile", "title": "Profile", "mimeType": "application/json",
            "description": "Who the user is, in their own words, and how they want to be answered.",
        })
    });
    let resources: Vec<Value> = profile.into_iter().chain(rows.iter().map(listed)).collect();
    let mut list = json!({ "resources": resources });
    if let Some(next) = next {
        list["nextCursor"] = json!(next);
    }
    Ok(list)
}

fn behind(cursor: &str) -> Option<(pipeline::time::Timestamp, DocumentId)> {
    let Behind { time, id } = Behind::parse(cursor)?;
    Some((time, DocumentId::parse(&id)?))
}

fn listed(row: &DocumentRow) -> Value {
    let name = row.external_id.as_deref().or(row.title.as_deref()).unwrap_or(row.id.as_str());
    let mut listed = json!({
        "uri": links::document(&row.id, None), "name": name, "mimeType": row.media_type, "size": row.bytes,
        "annotations": { "lastModified": row.uploaded_at },
    });
    if let Some(title) = &row.title {
        listed["title"] = json!(title);
    }
    listed
}

/// Answers `resources/read`.
///
/// # Errors
/// [`Era::no_such_resource`] for what is not there.
pub async fn read<P: RequestPorts>(
    ports: &P,
    call: &Call<'_>,
    era: Era,
    params: Option<&RawValue>,
) -> Result<Value, RpcError> {
    let uri = text(&Request::fields(params)?, "uri");
    let uri = uri.ok_or_else(|| RpcError::new(ErrorCode::InvalidParams, "params.uri is missing: which resource?"))?;
    let missing = |detail: String| {
        RpcError::new(era.no_such_resource(), format!("Resource not found: {detail}")).with(json!({ "uri": uri }))
    };
    let unknown = || missing("friend://doc/{id}, friend://conversation/{id} and friend://profile are read".to_owned());
    let content = match links::read(&uri).ok_or_else(unknown)? {
        Link::Document(id, lines) => document(ports, call, &uri, &id, lines).await,
        Link::Conversation(id) => conversation(ports, call, &uri, &id).await,
        Link::Profile => Ok(profile(call, &uri)),
    };
    match content {
        Ok(content) => Ok(json!({ "contents": [content] })),
        Err(Refusal::Problem(problem)) => Err(missing(problem.detail)),
        Err(failure) => Err(internal(failure)),
    }
}

async fn document<P: RequestPorts>(
    ports: &P,
    call: &Call<'_>,
    uri: &str,
    id: &DocumentId,
    lines: Option<(i64, i64)>,
) -> Result<Value, Refusal> {
    let (from_line, to_line) = lines.unzip();
    let wanted = Wanted { from_line, to_line, from_byte: None, bytes: MOST_BYTES };
    let passage = passage::read(ports, &call.tenant.user, id, wanted).await?;
    let mut content = json!({ "uri": uri, "mimeType": passage.document.media_type, "text": passage.text });
    if let (Some(_), Some((_, last))) = (passage.next, passage.lines) {
        // What is too long to be read at once says where it goes on.
        let rest = links::document(id, Some((last + 1, to_line.unwrap_or(i64::from(u32::MAX)))));
        content["_meta"] = json!({ "claudes-friend/rest": rest });
    }
    Ok(content)
}

/// Messages of a conversation that are read at once.
const MESSAGES: i64 = 100;

async fn conversation<P: RequestPorts>(
    ports: &P,
    call: &Call<'_>,
    uri: &str,
    id: &ConversationId,
) -> Result<Value, Refusal> {
    let whole = conversations::whole(ports, &call.tenant.user, id, 0, MESSAGES).await?;
    let mut text = format!("# {}\n", whole.entry.title);
    for message in &whole.messages {
        text.push_str(&format!("\n## {}\n\n{}\n", message.role, message.content));
    }
    let is_cut = text.len() > MOST_BYTES || whole.next_cursor.is_some();
    text.truncate(text.floor_char_boundary(MOST_BYTES));
    if is_cut {
        text.push_str(&format!("\n(It goes on: GET /api/conversations/{id} has all of it.)\n"));
    }
    Ok(json!({ "uri": uri, "mimeType": "text/markdown", "text": text }))
}

fn profile(call: &Call<'_>, uri: &str) -> Value {
    let profile = json!({ "user_id": call.tenant.user, "profile": Profile::of(&call.tenant) });
    json!({ "uri": uri, "mimeType": "application/json", "text": profile.to_string() })
}
