//! Live sessions: open, change, list, look, invite, join, close.
//!
//! The channel itself is a Durable Object; [`frames`] reads what participants send, [`events`] is what they are sent,
//! [`scratch`] edits their shared text, [`ask`] begins their turns, [`extent`], [`live`] and [`rest`] say what is kept
//! and when it ends. These routes keep what outlives it in D1, and let people in: the owner by their key, others by a
//! ticket that is good once and for half a minute, so that no key travels in a URL or to a guest.

pub mod ask;
pub mod edit;
pub mod events;
pub mod extent;
pub mod frames;
pub mod live;
pub mod participant;
pub mod rest;
pub mod scratch;
mod units;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use http::{HeaderMap, StatusCode, header};
use pipeline::{
    chat::{
        channel::Channel,
        guests::{GuestPatch, GuestScope},
    },
    constants,
    failure::Failure,
    ids::{ConversationId, SessionId, UserId},
    merge_patch::{Change, without_defaults},
    platform::{
        ports::{Clock, Database, Random, Sha256},
        statement::json as json_text,
        transaction::Transaction,
    },
    problem::{Code, Problem},
    schema,
    store::{
        conversations::{self, NewConversation},
        sessions::{
            self, NewSessionRow, SessionRow,
            tickets::{self, NewTicketRow},
        },
    },
    strict_json,
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uploads::validate::check_tags;

pub use self::participant::{Participant, ParticipantRole};
use crate::{
    api::search::request::check_filters,
    http::{
        authenticate, body,
        call::{Call, PublicCall, since},
        cors,
        paging::{page, page_reply},
        reply::{Answer, Body, Joining, Refusal, Reply},
    },
};

/// Longest title and name, in bytes.
const NAME_BYTES: usize = 120;
/// What a session is called that nobody gave a title.
const DEFAULT_TITLE: &str = "Session";
/// What a client asks for beside its ticket; browsers want an answer to one they offered.
const PROTOCOL: &str = "claudes-friend";
const TICKET_PREFIX: &str = "ticket.";
const TICKET_BYTES: usize = 32;

/// A session as its owner sees it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Session")]
pub struct SessionView {
    /// Its id.
    pub id: SessionId,
    /// Its title.
    pub title: String,
    /// What is asked in it.
    pub conversation_id: ConversationId,
    /// `open` or `closed`.
    pub state: String,
    /// What its guests may ask about.
    pub guests: GuestScope,
    /// The shared text when it last fell idle.
    pub scratch: Option<String>,
    /// Of its event log, then.
    pub last_sequence: i64,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it last fell idle.
    pub updated_at: Timestamp,
}

impl From<SessionRow> for SessionView {
    fn from(row: SessionRow) -> Self {
        let SessionRow { id, title, conversation_id, state, scratch, last_sequence, created_at, updated_at, .. } = row;
        // What cannot be read opens nothing.
        let guests = row.opened.and_then(|opened| serde_json::from_str(&opened).ok()).unwrap_or_default();
        Self { id, title, conversation_id, state, guests, scratch, last_sequence, created_at, updated_at }
    }
}

/// A session to open.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct NewSession {
    #[schemars(length(min = 1, max = NAME_BYTES), regex(pattern = schema::NAME))]
    title: Option<String>,
    /// What its guests may ask about; nothing unless it is said.
    #[serde(default)]
    guests: GuestScope,
}

/// `POST /api/session`: opens one, with a conversation of its own.
pub async fn create<P: Database + Clock + Random>(ports: &P, call: &Call<'_>) -> Answer {
    let new: NewSession = body::read_or_default(call.request.body())?;
    let title = body::name("/title", new.title.as_deref().unwrap_or(DEFAULT_TITLE), NAME_BYTES)?;
    check_guests(&new.guests)?;
    let opened = json_text(&new.guests)?;
    let now = ports.now();
    let user = &call.tenant.user;
    let view = SessionView {
        id: SessionId::new(now, ports.bytes()),
        conversation_id: ConversationId::new(now, ports.bytes()),
        state: "open".to_owned(),
        guests: new.guests,
        scratch: None,
        last_sequence: 0,
        created_at: now,
        updated_at: now,
        title,
    };
    let id = &view.conversation_id;
    let mut transaction = Transaction::default();
    transaction.write(conversations::insert(NewConversation {
        id,
        user,
        title: &view.title,
        origin: "chat",
        key: None,
        now,
    }));
    let new = NewSessionRow { id: &view.id, title: &view.title, conversation: id, opened: &opened, now };
    transaction.write(sessions::insert(user, new));
    transaction.commit(ports).await?;
    let location = format!("/api/session/{}", view.id);
    Ok(Reply::json(StatusCode::CREATED, &view).with(header::LOCATION, &location))
}

/// What is changed of a session, as RFC 7396 merges it: `null` gives a part its default again, which closes a session
/// to its guests.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = without_defaults)]
pub struct SessionPatch {
    #[schemars(length(min = 1, max = NAME_BYTES), regex(pattern = schema::NAME))]
    title: Change<String>,
    /// What its guests may ask about from now on.
    guests: Change<GuestPatch>,
}

/// `PATCH /api/session/{id}`: what is not named stays as it is.
pub async fn change<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    let patch: SessionPatch = strict_json::read(call.request.body())?;
    let title = patch.title.or(DEFAULT_TITLE.to_owned());
    let title = title.map(|title| body::name("/title", &title, NAME_BYTES)).transpose()?;
    let guests = patch.guests.or(GuestPatch::CLOSED);
    if let Some(guests) = &guests {
        check_guests(&guests.opened())?;
    }
    let opened = guests.as_ref().map(json_text).transpose()?;
    let user = &call.tenant.user;
    let row = sessions::change(user, &id_of(call.id)?, title.as_deref(), opened.as_deref()).first(ports).await?;
    Ok(Reply::json(StatusCode::OK, &row.map(SessionView::from).ok_or_else(not_found)?))
}

/// Within the limits of a search's filters, and of tags, which no document could have otherwise.
fn check_guests(guests: &GuestScope) -> Result<(), Problem> {
    check_tags(&guests.tags)
        .map_err(|(index, (code, detail))| Problem::field(code, format!("/guests/tags{index}"), detail))?;
    let within = guests.filters().map_or(Ok(()), |filters| check_filters(&filters));
    within.map_err(|mut problem| {
        for error in &mut problem.errors {
            error.pointer = error.pointer.replace("/filters", "/guests");
        }
        problem
    })
}

/// Reads a user's session.
pub async fn read<P: Database>(ports: &P, user: &UserId, id: &SessionId) -> Result<SessionView, Refusal> {
    let row = sessions::session(user, id).first(ports).await?;
    Ok(row.map(SessionView::from).ok_or_else(not_found)?)
}

fn not_found() -> Problem {
    Problem::new(Code::NotFound, "there is no such session; GET /api/session lists yours")
}

fn id_of(id: &str) -> Result<SessionId, Problem> {
    SessionId::parse(id).ok_or_else(not_found)
}

/// `GET /api/session`: the newest first.
pub async fn list<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    let (limit, cursor) = page(call, SessionId::parse)?;
    let rows = sessions::list(&call.tenant.user, cursor.as_ref(), limit + 1).all(ports).await?;
    let entries: Vec<SessionView> = rows.into_iter().map(SessionView::from).collect();
    Ok(page_reply(entries, limit, |session| session.id.to_string()))
}

/// `GET /api/session/{id}`: the edge adds what the channel knows: who is there, the text, the log.
pub async fn get<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    let view = read(ports, &call.tenant.user, &id_of(call.id)?).await?;
    let channel = Channel::Session(call.tenant.user.clone(), view.id.clone());
    let reply = Reply::json(StatusCode::OK, &view);
    Ok(if view.state == "open" { Reply { body: Body::WithChannel(json!(view), channel), ..reply } } else { reply })
}

/// `DELETE /api/session/{id}`: closes it for everybody. The log ends; the conversation stays.
pub async fn close<P: Database + Clock>(ports: &P, call: &Call<'_>) -> Answer {
    let id = id_of(call.id)?;
    let user = &call.tenant.user;
    let mut transaction = Transaction::default();
    let closed = transaction.write(sessions::close(user, &id, ports.now()));
    transaction.write(tickets::delete(user, &id));
    if transaction.commit(ports).await?.changes(closed) == 0 {
        return Err(not_found().into());
    }
    let reply = Reply::bytes(StatusCode::NO_CONTENT, "application/json", Vec::new());
    Ok(Reply { body: Body::CloseChannel(Channel::Session(user.clone(), id)), ..reply })
}

/// Whom a ticket is for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct NewTicket {
    #[schemars(length(min = 1, max = NAME_BYTES), regex(pattern = schema::NAME))]
    name: Option<String>,
    role: Option<ParticipantRole>,
}

/// An invitation.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Ticket {
    ticket: String,
    /// To be sent as `Sec-WebSocket-Protocol`.
    protocol: String,
    expires_at: Timestamp,
}

/// `POST /api/session/{id}/tickets`: an invitation, shown once.
pub async fn invite<P: Database + Clock + Random + Sha256>(ports: &P, call: &Call<'_>) -> Answer {
    let new: NewTicket = body::read_or_default(call.request.body())?;
    let role = new.role.unwrap_or(ParticipantRole::Editor);
    if role == ParticipantRole::Owner && new.name.is_some() {
        let detail = "whoever has a name of their own is a guest: an editor or a viewer; leave out the name for a \
                      ticket of your own, as your browser needs";
        return Err(Problem::field(Code::Invalid, "/role", detail).into());
    }
    let nameless = if role == ParticipantRole::Owner { "owner" } else { "guest" };
    let name = body::name("/name", new.name.as_deref().unwrap_or(nameless), NAME_BYTES)?;
    let session = read(ports, &call.tenant.user, &id_of(call.id)?).await?;
    if session.state != "open" {
        return Err(Problem::new(Code::Conflict, "the session is closed; POST /api/session opens another").into());
    }
    let ticket = BASE64URL_NOPAD.encode(&ports.bytes::<TICKET_BYTES>());
    let expires_at = ports.now().plus(constants::TICKET_LIFE);
    let owner = &call.tenant.user;
    let new = NewTicketRow {
        digest: &digest(ports, &ticket).await?,
        owner,
        session: &session.id,
        participant: &name,
        role: role.name(),
        expires_at,
    };
    let mut transaction = Transaction::default();
    // Those that are over are of no use to anybody.
    transaction.write(tickets::delete_expired(owner, ports.now()));
    transaction.write(tickets::insert(new));
    transaction.commit(ports).await?;
    let protocol = format!("{PROTOCOL}, {TICKET_PREFIX}{ticket}");
    Ok(Reply::json(StatusCode::CREATED, &Ticket { ticket, protocol, expires_at }))
}

async fn digest<P: Sha256>(ports: &P, ticket: &str) -> Result<String, Failure> {
    Ok(HEXLOWER.encode(&ports.sha256(ticket.as_bytes()).await?))
}

/// `GET /api/session/{id}/ws`: lets in whoever has a ticket or is the owner.
pub async fn join<P: Database + Clock + Random + Sha256>(ports: &P, call: &PublicCall<'_>) -> Answer {
    let PublicCall { request, id, settings } = *call;
    let since = since(request)?;
    let headers = request.headers();
    if !headers.get(header::UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket")) {
        return Err(Problem::field(Code::Invalid, "Upgrade", "this path answers to WebSocket requests").into());
    }
    // A page of somebody else's may not ride on a ticket.
    cors::check_origin(settings, request)?;
    let session = id_of(id)?;
    let offered = protocols(headers);
    let protocol = offered.iter().any(|offered| offered == PROTOCOL).then(|| PROTOCOL.to_owned());
    let [a, b, c, d] = ports.bytes::<4>();
    let number = HEXLOWER.encode(&[a, b, c, d]);
    let participant = |owner, name, role| Participant {
        owner,
        session: session.clone(),
        id: number.clone(),
        name,
        role,
        since,
        protocol,
    };
    let ticket = offered.iter().find_map(|offered| offered.strip_prefix(TICKET_PREFIX));
    let participant = if let Some(ticket) = ticket {
        let (owner, name, role) = redeem(ports, &session, ticket).await?;
        participant(owner, name, role)
    } else {
        let tenant = authenticate::authenticate(ports, settings, headers).await?.tenant;
        if read(ports, &tenant.user, &session).await?.state != "open" {
            return Err(Problem::new(Code::Conflict, "the session is closed; POST /api/session opens another").into());
        }
        participant(tenant.user, "owner".to_owned(), ParticipantRole::Owner)
    };
    let reply = Reply::bytes(StatusCode::SWITCHING_PROTOCOLS, "application/json", Vec::new());
    let joining = Joining { channel: participant.channel(), participant: participant.to_header() };
    Ok(Reply { body: Body::Join(joining), ..reply })
}

fn protocols(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all("sec-websocket-protocol").iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|protocol| protocol.trim().to_owned()).collect()
}

/// Compare-and-set: of two that come with the same ticket one gets in.
async fn redeem<P: Database + Clock + Sha256>(
    ports: &P,
    session: &SessionId,
    ticket: &str,
) -> Result<(UserId, String, ParticipantRole), Refusal> {
    let redeemed = tickets::redeem(&digest(ports, ticket).await?, session, ports.now()).first(ports).await?;
    let refused = || {
        Problem::field(
            Code::Unauthorized,
            "Sec-WebSocket-Protocol",
            "this ticket is not good, or not any more; ask for another",
        )
    };
    let row = redeemed.ok_or_else(refused)?;
    let role = ParticipantRole::parse(&row.role)
        .ok_or_else(|| Failure::bug(format!("a ticket for the unknown role {:?}", row.role)))?;
    Ok((row.owner_id, row.participant, role))
}
