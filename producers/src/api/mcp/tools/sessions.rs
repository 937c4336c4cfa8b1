//! `friend_sessions`: live sessions, read and spoken in without a connection.

use pipeline::{
    chat::channel::{Channel, Saying},
    constants,
    ids::SessionId,
    problem::{Code, Problem},
    store::sessions as store,
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::tool::{NO_CURSOR, Told, ToolAnswer, bytes, fitting, limit, place};
use crate::{
    api::sessions::{self, SessionView},
    http::{
        body,
        call::{Call, RequestPorts},
        reply::Refusal,
    },
};

/// What is done.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "FriendSessionsAction")]
enum Action {
    /// List sessions, the newest first.
    #[default]
    List,
    /// Read what was said in one since an event.
    Read,
    /// Say something in one.
    Say,
}

/// What is done, and in which session.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FriendSessions")]
pub struct Arguments {
    /// `list` sessions (the default), `read` what was said in one, or `say` something in one.
    action: Option<Action>,
    /// The session, to read or to speak in.
    session_id: Option<String>,
    /// To read: the number of the last event that is known; those after it follow. 0 from the beginning.
    since: Option<u32>,
    /// To say: the text, 16 KB at most.
    text: Option<String>,
    /// To say: as whom, such as `Claude Code`.
    name: Option<String>,
    /// Of the list: most sessions, 1 to 50; 10 without it.
    #[schemars(range(min = 1, max = 50))]
    limit: Option<u32>,
    /// Longest answer in tokens, 100 to 25000; about 2000 without it.
    #[schemars(range(min = 100, max = 25_000))]
    max_tokens: Option<u32>,
    /// `next_cursor` of the answer before.
    cursor: Option<String>,
}

/// Sessions, or what was said in one.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Answer {
    /// The sessions that were listed, or the one that was read.
    sessions: Vec<Session>,
    /// What was said in it, in order.
    events: Vec<Event>,
    /// The number of the last event that was read, or of what was said: for `since`.
    last_event: Option<i64>,
    /// For what follows.
    next_cursor: Option<String>,
}

/// A session.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Session {
    /// Its id.
    session_id: SessionId,
    /// Its title.
    title: String,
    /// `open` or `closed`.
    state: String,
    /// When it was opened.
    created_at: Timestamp,
}

impl From<SessionView> for Session {
    fn from(view: SessionView) -> Self {
        let SessionView { id, title, state, created_at, .. } = view;
        Self { session_id: id, title, state, created_at }
    }
}

/// Something that was said, or has happened.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Event {
    /// Its number.
    number: i64,
    /// `message`, `joined`, `left`, `done` (an answer of the friend) or `failed`.
    kind: String,
    /// Who.
    from: Option<String>,
    /// What was said.
    text: Option<String>,
}

/// Names that speakers have who give none, and how long one may be.
const NAME: (&str, usize) = ("agent", 120);

/// Answers the tool.
pub async fn sessions<P: RequestPorts>(ports: &P, call: &Call<'_>, asked: Arguments) -> Told {
    let answer = match asked.action.unwrap_or_default() {
        Action::List => list(ports, call, &asked).await?,
        Action::Read => read(ports, call, &asked).await?,
        Action::Say => say(ports, call, &asked).await?,
    };
    Ok(ToolAnswer::new(in_words(&answer), &answer)?)
}

async fn list<P: RequestPorts>(ports: &P, call: &Call<'_>, asked: &Arguments) -> Result<Answer, Refusal> {
    let most = limit(asked.limit, 10, 50)?;
    let no_cursor = || Problem::field(Code::Invalid, "/cursor", NO_CURSOR);
    let cursor = asked.cursor.as_deref().map(|id| SessionId::parse(id).ok_or_else(no_cursor)).transpose()?;
    let more = i64::try_from(most + 1).unwrap_or(i64::MAX);
    let mut rows = store::list(&call.tenant.user, cursor.as_ref(), more).all(ports).await?;
    let next_cursor = (rows.len() > most).then(|| rows[most - 1].id.to_string());
    rows.truncate(most);
    let sessions = rows.into_iter().map(|row| Session::from(SessionView::from(row))).collect();
    Ok(Answer { sessions, next_cursor, ..Answer::default() })
}

/// The session that is meant, which is open.
async fn open<P: RequestPorts>(ports: &P, call: &Call<'_>, asked: &Arguments) -> Result<SessionView, Refusal> {
    let detail = "name a session that is there: action \"list\" shows them";
    let missing = || Problem::field(Code::NotFound, "/session_id", detail);
    let id = asked.session_id.as_deref().and_then(SessionId::parse).ok_or_else(missing)?;
    let view = sessions::read(ports, &call.tenant.user, &id).await?;
    if view.state == "open" {
        return Ok(view);
    }
    let detail = "the session is closed: what was said in it is gone, and what was asked in it is a conversation";
    Err(Problem::field(Code::Conflict, "/session_id", detail).into())
}

async fn read<P: RequestPorts>(ports: &P, call: &Call<'_>, asked: &Arguments) -> Result<Answer, Refusal> {
    let bytes = bytes(asked.max_tokens)?;
    let view = open(ports, call, asked).await?;
    let since = place(asked.cursor.as_deref())?.max(i64::from(asked.since.unwrap_or(0)));
    let channel = Channel::Session(call.tenant.user.clone(), view.id.clone());
    let page = ports.events_after(&channel, since).await?;
    let last_of_page = page.events.iter().filter_map(|event| event["sequence"].as_i64()).max();
    let events: Vec<Event> = page.events.iter().filter_map(event).collect();
    let found = events.len();
    let events = fitting(events, bytes)?;
    let is_cut = events.len() < found;
    let last = if is_cut { events.last().map(|event| event.number) } else { last_of_page };
    let next_cursor = last.filter(|_| is_cut || page.more).map(|last| last.to_string());
    let last_event = Some(last.unwrap_or(since));
    Ok(Answer { sessions: vec![view.into()], events, last_event, next_cursor })
}

/// What of an event is worth reading afterwards.
fn event(event: &Value) -> Option<Event> {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let kind = text("/type")?;
    let said = match kind.as_str() {
        "message" => text("/text"),
        "done" => text("/result/answer"),
        "failed" => text("/detail"),
        "joined" | "left" => None,
        _ => return None,
    };
    Some(Event { number: event["sequence"].as_i64()?, from: text("/from/name"), text: said, kind })
}

async fn say<P: RequestPorts>(ports: &P, call: &Call<'_>, asked: &Arguments) -> Result<Answer, Refusal> {
    let text = body::text("/text", asked.text.as_deref().unwrap_or_default(), constants::CHAT_MESSAGE_BYTES)?;
    let name = body::name("/name", asked.name.as_deref().unwrap_or(NAME.0), NAME.1)?;
    let view = open(ports, call, asked).await?;
    let saying = Saying { owner: call.tenant.user.clone(), session: view.id.clone(), name, text };
    let number = ports.say(&saying).await??;
    Ok(Answer { sessions: vec![view.into()], last_event: Some(number), ..Answer::default() })
}

fn in_words(answer: &Answer) -> String {
    let mut text = String::new();
    if answer.sessions.is_empty() {
        text.push_str("There is no session.");
    }
    for Session { session_id, title, state, created_at } in &answer.sessions {
        let since = created_at.to_rfc3339();
        text.push_str(&format!("{session_id} {title:?} ({state}, since {since})\n"));
    }
    for Event { number, kind, from, text: said } in &answer.events {
        let from = from.as_deref().unwrap_or("the friend");
        text.push_str(&format!("{number} {kind}, {from}: {}\n", said.as_deref().unwrap_or_default()));
    }
    if let Some(last) = answer.last_event {
        text.push_str(&format!("The last event is {last}: read on with since {last}.\n"));
    }
    if let Some(cursor) = &answer.next_cursor {
        text.push_str(&format!("More with cursor {cursor:?}."));
    }
    text.trim_end().to_owned()
}
