//! The channel: a Durable Object with `SQLite` storage and hibernating `WebSockets`.
//!
//! One class for both kinds of channel: of a live session, where people and agents meet, and of a
//! single turn, where its tokens are published. It numbers events, keeps them, and passes them on; what
//! a frame or an update means is decided in `producers::api::sessions::live` and `pipeline::chat::channel`.

use std::{cell::RefCell, collections::HashMap};

use cloudflare::{CHANNEL_USAGE_HEADER, EVENTS_PATH, PUBLISH_PATH, SAY_PATH};
use pipeline::{
    chat::channel::{AddressedUpdate, EventPage, Saying},
    constants,
    ids::{SessionId, UserId},
    platform::ports::Clock as _,
    problem::{Code, Problem},
};
use producers::api::sessions::{
    Participant, ParticipantRole,
    ask::{self, Asker},
    events::Event,
    frames::{self, After, Frame, Revise, Say},
    live::{self, About, ChannelState, Close, Rate, Sender},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};
use worker::{
    DurableObject, Env, Error, Request, Response, Result, State, WebSocket, WebSocketIncomingMessage, WebSocketPair,
    durable_object, worker_sys::WebSocketRequestResponsePair,
};

use crate::{
    channel::{Channel, Identity, ledger_entry},
    channel_log::Entry,
};

/// Header with the [`Participant`] that the gateway let in.
pub const PARTICIPANT_HEADER: &str = "x-friend-participant";

/// Who is behind a connection; survives hibernation as its attachment.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Attachment {
    sender: Sender,
    owner: UserId,
    session: SessionId,
}

/// The object.
#[durable_object]
pub struct Session {
    channel: Channel,
    rates: RefCell<HashMap<String, Rate>>,
}

/// The id of who speaks without a connection: those of participants are numbers of eight digits.
const UNCONNECTED: &str = "api";
/// The answer to participants who may not write any more.
const SPENT: &str = "the day's rows, or the owner's share of the day, are spent; sessions go on at 00:00 UTC";

/// What the outer error of a handler is not: what is wrong with what a participant asked.
type Refused = std::result::Result<(), Problem>;

impl DurableObject for Session {
    fn new(state: State, env: Env) -> Self {
        // Heartbeats are answered by the platform, without waking anybody.
        if let Ok(pair) = WebSocketRequestResponsePair::new(live::PING, live::PONG) {
            state.set_websocket_auto_response(&pair);
        }
        Self { channel: Channel::new(state, env), rates: RefCell::default() }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        self.channel.notice(0);
        if request.headers().has("upgrade")? {
            return self.join(&request).await;
        }
        let mut response = self.answer(request).await?;
        // Whoever asks counts it.
        let used = self.channel.log.counter().take_used();
        response.headers_mut().set(CHANNEL_USAGE_HEADER, &used.to_header())?;
        Ok(response)
    }

    async fn alarm(&self) -> Result<Response> {
        self.channel.notice(0);
        self.channel.rest().await?;
        Response::empty()
    }

    async fn websocket_message(&self, socket: WebSocket, message: WebSocketIncomingMessage) -> Result<()> {
        let Some(attachment) = socket.deserialize_attachment::<Attachment>()? else { return Ok(()) };
        self.channel.notice(1);
        let text = match self.admit(&attachment, message) {
            Ok(text) => text,
            Err(close) => {
                let (code, reason) = close.parts();
                let _ = socket.close(Some(code), Some(reason));
                return self.left(&attachment, &socket).await;
            }
        };
        let outcome = match self.read(&text, &attachment.sender) {
            Ok((frame, about)) => {
                let refused = self.act(&attachment, frame, about.id.clone(), &socket).await?;
                refused.map_err(|problem| Event::error(about, problem))
            }
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            socket.send_with_str(error.to_string())?;
        }
        self.channel.look_after_waking(&attachment.owner).await;
        self.channel.record_where_due(&Identity { owner: attachment.owner, session: attachment.session }).await
    }

    async fn websocket_close(&self, socket: WebSocket, code: usize, _reason: String, _was_clean: bool) -> Result<()> {
        let Some(attachment) = socket.deserialize_attachment::<Attachment>()? else { return Ok(()) };
        self.channel.notice(0);
        let _ = socket.close(u16::try_from(code).ok().filter(|code| *code == 1000 || *code >= 3000), None::<&str>);
        self.left(&attachment, &socket).await
    }

    async fn websocket_error(&self, socket: WebSocket, _error: Error) -> Result<()> {
        let Some(attachment) = socket.deserialize_attachment::<Attachment>()? else { return Ok(()) };
        self.left(&attachment, &socket).await
    }
}

/// The answer to somebody who cannot join.
fn refuse(code: Code, detail: String) -> Result<Response> {
    let problem = Problem::new(code, detail);
    let mut response = Response::from_json(&problem)?.with_status(problem.status);
    response.headers_mut().set("content-type", "application/problem+json")?;
    Ok(response)
}

impl Session {
    async fn answer(&self, mut request: Request) -> Result<Response> {
        let url = request.url()?;
        let parameter =
            |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        match url.path() {
            PUBLISH_PATH => {
                let addressed = serde_json::from_str(&request.text().await?)?;
                let wanted = self.publish(addressed).await?;
                Response::from_json(&json!({ "wanted": wanted }))
            }
            "/listen" => {
                let since = parameter("since").and_then(|since| since.parse().ok()).unwrap_or(0);
                self.channel.streams.listen(&self.channel.log, &parameter("job").unwrap_or_default(), since)
            }
            "/state" => Response::from_json(&self.snapshot()?),
            EVENTS_PATH => {
                let since = parameter("since").and_then(|since| since.parse().ok()).unwrap_or(0);
                Response::from_json(&self.page(since)?)
            }
            SAY_PATH => self.say(serde_json::from_str(&request.text().await?)?).await,
            "/close" => self.close().await,
            path => Err(Error::RustError(format!("a channel has no {path}"))),
        }
    }

    /// A turn's worker publishes its events; false if it should stop.
    async fn publish(&self, addressed: AddressedUpdate) -> Result<bool> {
        // Of a session that was closed it becomes none: what it keeps of the turn goes with its alarm.
        if let Some((owner, session)) = &addressed.session {
            self.channel.become_channel_of(owner, session).await?;
        }
        let wanted =
            self.channel.streams.publish(&self.channel.log, addressed.update, |entry| self.send_to_all(entry))?;
        // Where somebody is, leaving sets it.
        let is_empty = self.channel.state.get_websockets().is_empty();
        if is_empty && self.channel.state.storage().get_alarm().await?.is_none() {
            let is_of_turn = addressed.session.is_none();
            self.channel
                .wake_in(if is_of_turn { constants::TURN_CHANNEL_LIFE } else { constants::SESSION_IDLE })
                .await?;
        }
        Ok(wanted)
    }

    /// A page of the events after a number, for who has no connection.
    fn page(&self, since: i64) -> Result<EventPage> {
        let page = self.channel.log.next(since)?;
        let more = page.last().is_some_and(|entry| entry.number < self.channel.log.last());
        let events: serde_json::Result<Vec<Value>> =
            page.into_iter().map(|entry| serde_json::from_str(&entry.text)).collect();
        Ok(EventPage { events: events?, more })
    }

    /// Says something on the owner's account for who has no connection.
    async fn say(&self, saying: Saying) -> Result<Response> {
        let Saying { owner, session, name, text } = saying;
        if !self.channel.become_channel_of(&owner, &session).await? {
            return refuse(Code::Conflict, "the session was closed just now".to_owned());
        }
        self.channel.look_after_waking(&owner).await;
        if !self.channel.may_write() {
            return refuse(Code::Unavailable, SPENT.to_owned());
        }
        let from = Sender { id: UNCONNECTED.to_owned(), name, role: ParticipantRole::Owner };
        self.announce(&Event::Message { from, text })?;
        // Where somebody is, leaving sets it.
        if self.channel.state.get_websockets().is_empty() && self.channel.state.storage().get_alarm().await?.is_none() {
            self.channel.wake_in(constants::SESSION_IDLE).await?;
        }
        Response::from_json(&json!({ "number": self.channel.log.last() }))
    }

    async fn join(&self, request: &Request) -> Result<Response> {
        let header = request.headers().get(PARTICIPANT_HEADER)?.unwrap_or_default();
        let participant = Participant::from_header(&header)
            .ok_or_else(|| Error::RustError("a participant that cannot be read".to_owned()))?;
        match self.channel.become_channel_of(&participant.owner, &participant.session).await {
            Ok(true) => {}
            Ok(false) => return refuse(Code::Conflict, "the session was closed just now".to_owned()),
            Err(_) => {
                return refuse(Code::Unavailable, "what is kept of the session cannot be read; join again".to_owned());
            }
        }
        self.channel.look_after_waking(&participant.owner).await;
        if self.channel.state.get_websockets().len() >= constants::PARTICIPANTS {
            return refuse(Code::Conflict, format!("the session is full: {} participants", constants::PARTICIPANTS));
        }
        let pair = WebSocketPair::new()?;
        let sender = Sender { id: participant.id, name: participant.name, role: participant.role };
        self.channel.state.accept_websocket_with_tags(&pair.server, &[&sender.id]);
        let attachment = Attachment { sender, owner: participant.owner, session: participant.session };
        pair.server.serialize_attachment(&attachment)?;
        self.welcome(&attachment, participant.since, &pair.server)?;
        self.announce(&Event::Joined { from: attachment.sender, participants: self.participants() })?;
        let mut response = Response::from_websocket(pair.client)?;
        if let Some(protocol) = participant.protocol {
            response.headers_mut().set("sec-websocket-protocol", &protocol)?;
        }
        Ok(response)
    }

    /// Sends what somebody who joins needs, then the newest of what they missed. `since` of the welcome says
    /// after which event they have all: what lies before, they may ask for.
    fn welcome(&self, attachment: &Attachment, since: i64, socket: &WebSocket) -> Result<()> {
        let missed = self.channel.log.newest(since)?;
        let since = missed.first().map_or_else(|| self.channel.log.last(), |entry| entry.number - 1);
        let welcome = Event::Welcome {
            you: attachment.sender.clone(),
            participants: self.participants(),
            last_sequence: self.channel.log.last(),
            since,
            scratch: self.channel.log.scratch()?.into(),
        };
        socket.send_with_str(welcome.to_string())?;
        for entry in missed {
            socket.send_with_str(&entry.text)?;
        }
        Ok(())
    }

    fn admit(&self, attachment: &Attachment, message: WebSocketIncomingMessage) -> std::result::Result<String, Close> {
        let mut rates = self.rates.borrow_mut();
        let rate = rates.entry(attachment.sender.id.clone()).or_default();
        if !rate.admit(self.channel.platform().now(), 1) {
            return Err(Close::Flood);
        }
        match message {
            WebSocketIncomingMessage::Binary(_) => Err(Close::Binary),
            WebSocketIncomingMessage::String(text) if text.len() > constants::FRAME_BYTES => Err(Close::TooLarge),
            WebSocketIncomingMessage::String(text) => Ok(text),
        }
    }

    /// Reads a frame, and weighs it: a dear one counts for many.
    fn read(&self, text: &str, sender: &Sender) -> std::result::Result<(Frame, About), Event> {
        let (frame, about) = frames::read(text, sender)?;
        let more = frame.weight() - 1;
        let mut rates = self.rates.borrow_mut();
        if more > 0 && !rates.entry(sender.id.clone()).or_default().admit(self.channel.platform().now(), more) {
            let problem = Problem::new(Code::RateLimited, "too many pages; ask again in ten seconds");
            return Err(Event::error(about, problem));
        }
        Ok((frame, about))
    }

    /// Does what a frame asks, and answers with its id. The inner error is the answer to its sender.
    async fn act(&self, from: &Attachment, frame: Frame, id: Option<String>, socket: &WebSocket) -> Result<Refused> {
        if !frame.only_looks() && !self.channel.may_write() {
            return Ok(Err(Problem::new(Code::Unavailable, SPENT)));
        }
        let answer = match frame {
            Frame::Say(Say { text, ask, .. }) => {
                self.announce(&Event::Message { from: from.sender.clone(), text: text.clone() })?;
                return if ask { Ok(self.ask(from, text).await) } else { Ok(Ok(())) };
            }
            Frame::Edit(edit) => return self.edit(from, edit),
            Frame::Scratch => Event::Scratch { id, scratch: self.channel.log.scratch()?.into() },
            Frame::Events(After { since, .. }) => self.events(since, id)?,
            Frame::Ping => Event::Pong { id },
        };
        socket.send_with_str(answer.to_string())?;
        Ok(Ok(()))
    }

    /// A page of the events after a number, and whether there are more.
    fn events(&self, since: i64, id: Option<String>) -> Result<Event> {
        let page = self.channel.log.next(since)?;
        let more = page.last().is_some_and(|entry| entry.number < self.channel.log.last());
        let events = page.into_iter().map(|entry| RawValue::from_string(entry.text)).collect::<serde_json::Result<_>>();
        Ok(Event::Events { id, since, events: events?, more })
    }

    fn edit(&self, from: &Attachment, Revise { revision, operation, .. }: Revise) -> Result<Refused> {
        let mut scratch = self.channel.log.scratch()?;
        // Before any other edit is read.
        let applied = match scratch.edits_since(revision) {
            Ok(count) => scratch.edit(revision, operation, &self.channel.log.edits_after(revision, count)?),
            Err(refused) => Err(refused),
        };
        let operation = match applied {
            Ok(applied) => applied,
            Err(refused) => return Ok(Err(refused.problem())),
        };
        self.channel.log.keep_edit(&scratch, &operation)?;
        self.announce(&Event::Edited { from: from.sender.clone(), revision: scratch.revision, operation })?;
        Ok(Ok(()))
    }

    /// A question to the friend: a turn of the session's conversation, on its owner's account.
    async fn ask(&self, attachment: &Attachment, question: String) -> Refused {
        let platform = self.channel.platform();
        let Attachment { sender, owner, session } = attachment;
        let asker = Asker { owner, session, role: sender.role };
        let begun = ask::ask(&platform, asker, question).await.map_err(|refusal| refusal.into_problem().0)?;
        platform.named(&format!("ask-{}", begun.job)).record(ledger_entry(owner)).await;
        Ok(())
    }

    /// Appends an event and passes it on to everybody in the channel.
    fn announce(&self, event: &Event) -> Result<()> {
        let entry = self.channel.log.append(&serde_json::to_value(event)?, None)?;
        self.send_to_all(&entry);
        Ok(())
    }

    /// A connection that cannot be sent to is about to be closed, and is announced as gone then.
    fn send_to_all(&self, entry: &Entry) {
        for socket in self.channel.state.get_websockets() {
            let _ = socket.send_with_str(&entry.text);
        }
    }

    fn participants(&self) -> Vec<Sender> {
        let attached = |socket: WebSocket| socket.deserialize_attachment::<Attachment>().ok().flatten();
        self.channel
            .state
            .get_websockets()
            .into_iter()
            .filter_map(attached)
            .map(|attachment| attachment.sender)
            .collect()
    }

    async fn left(&self, attachment: &Attachment, socket: &WebSocket) -> Result<()> {
        // Its attachment goes first, so that it counts as gone and is announced once.
        socket.serialize_attachment(Value::Null)?;
        self.rates.borrow_mut().remove(&attachment.sender.id);
        let participants = self.participants();
        let nobody = participants.is_empty();
        self.announce(&Event::Left { from: attachment.sender.clone(), participants })?;
        if nobody {
            self.channel.wake_in(constants::SESSION_IDLE).await?;
        }
        Ok(())
    }

    fn snapshot(&self) -> Result<ChannelState> {
        let scratch = self.channel.log.scratch()?;
        Ok(ChannelState {
            participants: self.participants(),
            last_sequence: self.channel.log.last(),
            scratch: scratch.text,
            scratch_revision: scratch.revision,
        })
    }

    async fn close(&self) -> Result<Response> {
        let (code, reason) = Close::Closed.parts();
        for socket in self.channel.state.get_websockets() {
            // Nobody hears that they leave.
            socket.serialize_attachment(Value::Null)?;
            let _ = socket.close(Some(code), Some(reason));
        }
        let persisted = match self.channel.identity()? {
            Some(identity) => self.channel.persist(&identity).await,
            None => Ok(()),
        };
        match persisted {
            Ok(()) => self.channel.forget().await?,
            // Nobody is in it any more: what outlives it is kept when its alarm rings.
            Err(_) => self.channel.wake_in(constants::SESSION_IDLE).await?,
        }
        Response::empty()
    }
}
