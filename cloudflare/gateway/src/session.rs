//! The channel: a Durable Object with `SQLite` storage and hibernating `WebSockets`.
//!
//! One class for both kinds of channel: of a live session, where people and agents meet, and of a
//! single turn, where its tokens are published. It numbers events, keeps them, and passes them on; what
//! a frame or an update means is decided in `producers::api::sessions::live` and `pipeline::chat::channel`.

use std::{cell::RefCell, collections::HashMap};

use cloudflare::Workers;
use operational_transform::OperationSeq;
use pipeline::{
    budget::{ledger, purpose::Purpose},
    chat::{channel::Update, turn::Ask},
    constants,
    ids::{SessionId, UserId},
    platform::ports::Clock as _,
    problem::{Code, Problem},
    store,
    time::{HOUR, Span, Timestamp},
};
use producers::api::{
    chat::{self, Checked},
    sessions::{
        self, Participant,
        live::{self, ChannelState, Close, Frame, Rate, Sender},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use worker::{
    DurableObject, Env, Error, Request, Response, Result, ScheduledTime, State, WebSocket, WebSocketIncomingMessage,
    WebSocketPair, durable_object, worker_sys::WebSocketRequestResponsePair,
};

use crate::{
    channel_log::{Entry, Log},
    turn_streams::TurnStreams,
};

/// Header with the [`Participant`] that the gateway let in.
pub const PARTICIPANT_HEADER: &str = "x-friend-participant";
/// The time after which the channel of a single turn is forgotten: D1 has the answer.
const TURN_CHANNEL_LIFE: Span = HOUR;

/// Who is behind a connection; survives hibernation as its attachment.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Attachment {
    sender: Sender,
    owner: UserId,
    session: SessionId,
}

/// Which session the channel is of.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Identity {
    owner: UserId,
    session: SessionId,
}

/// The object.
#[durable_object]
pub struct Session {
    state: State,
    env: Env,
    log: Log,
    streams: TurnStreams,
    rates: RefCell<HashMap<String, Rate>>,
}

impl DurableObject for Session {
    fn new(state: State, env: Env) -> Self {
        // Heartbeats are answered by the platform, without waking anybody.
        if let Ok(pair) = WebSocketRequestResponsePair::new(live::PING, live::PONG) {
            state.set_websocket_auto_response(&pair);
        }
        let log = Log::open(&state);
        Self { state, env, log, streams: TurnStreams::default(), rates: RefCell::default() }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let url = request.url()?;
        let parameter =
            |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        match url.path() {
            "/tell" => {
                let update = serde_json::from_str(&request.text().await?)?;
                let wanted = self.publish(update).await?;
                Response::from_json(&json!({ "wanted": wanted }))
            }
            "/listen" => {
                let since = parameter("since").and_then(|since| since.parse().ok()).unwrap_or(0);
                self.streams.listen(&self.log, &parameter("job").unwrap_or_default(), since)
            }
            "/state" => Response::from_json(&self.snapshot()?),
            "/close" => self.close().await,
            _ => self.join(&request),
        }
    }

    async fn alarm(&self) -> Result<Response> {
        match self.identity()? {
            None => self.forget().await?,
            Some(identity) if self.state.get_websockets().is_empty() => self.persist(&identity).await?,
            Some(_) => {}
        }
        Response::empty()
    }

    async fn websocket_message(&self, socket: WebSocket, message: WebSocketIncomingMessage) -> Result<()> {
        let Some(attachment) = socket.deserialize_attachment::<Attachment>()? else { return Ok(()) };
        let text = match self.admit(&attachment, message) {
            Ok(text) => text,
            Err(close) => {
                let (code, reason) = close.parts();
                let _ = socket.close(Some(code), Some(reason));
                return self.left(&attachment, &socket).await;
            }
        };
        let outcome = match live::read(&text, &attachment.sender) {
            Ok(frame) => self.act(&attachment, frame, &socket).await?,
            Err(problem) => Err(problem),
        };
        if let Err(problem) = outcome {
            socket.send_with_str(problem.to_string())?;
        }
        Ok(())
    }

    async fn websocket_close(&self, socket: WebSocket, code: usize, _reason: String, _was_clean: bool) -> Result<()> {
        let Some(attachment) = socket.deserialize_attachment::<Attachment>()? else { return Ok(()) };
        let _ = socket.close(u16::try_from(code).ok().filter(|code| *code == 1000 || *code >= 3000), None::<&str>);
        self.left(&attachment, &socket).await
    }

    async fn websocket_error(&self, socket: WebSocket, _error: Error) -> Result<()> {
        let Some(attachment) = socket.deserialize_attachment::<Attachment>()? else { return Ok(()) };
        self.left(&attachment, &socket).await
    }
}

/// What somebody is told who comes to a full channel.
fn full() -> Result<Response> {
    let detail = format!("the session is full: {} participants", constants::PARTICIPANTS);
    let problem = Problem::new(Code::Conflict, detail);
    let mut response = Response::from_json(&problem)?.with_status(problem.status);
    response.headers_mut().set("content-type", "application/problem+json")?;
    Ok(response)
}

impl Session {
    /// A turn's worker publishes its events; false if it should stop.
    async fn publish(&self, update: Update) -> Result<bool> {
        let wanted = self.streams.publish(&self.log, update, |entry| self.send_to_all(entry))?;
        if self.identity()?.is_none() && self.state.storage().get_alarm().await?.is_none() {
            self.wake_in(TURN_CHANNEL_LIFE).await?;
        }
        Ok(wanted)
    }

    fn join(&self, request: &Request) -> Result<Response> {
        let header = request.headers().get(PARTICIPANT_HEADER)?.unwrap_or_default();
        let participant = Participant::from_header(&header)
            .ok_or_else(|| Error::RustError("a participant that cannot be read".to_owned()))?;
        if self.state.get_websockets().len() >= constants::PARTICIPANTS {
            return full();
        }
        if self.identity()?.is_none() {
            let identity = Identity { owner: participant.owner.clone(), session: participant.session.clone() };
            self.log.keep("identity", &serde_json::to_string(&identity)?)?;
        }
        let pair = WebSocketPair::new()?;
        let sender = Sender { id: participant.id, name: participant.name, role: participant.role };
        self.state.accept_websocket_with_tags(&pair.server, &[&sender.id]);
        let attachment = Attachment { sender, owner: participant.owner, session: participant.session };
        pair.server.serialize_attachment(&attachment)?;
        // Everything that was missed, then what this joining tells the others, too.
        let scratch = self.log.scratch()?;
        let welcome = json!({
            "type": "welcome", "you": attachment.sender, "participants": self.participants(),
            "sequence": self.log.last()?, "scratch": { "revision": scratch.revision, "text": scratch.text },
        });
        pair.server.send_with_str(welcome.to_string())?;
        for entry in self.log.since(participant.since)? {
            pair.server.send_with_str(&entry.text)?;
        }
        self.announce(&json!({ "type": "joined", "from": attachment.sender, "participants": self.participants() }))?;
        let mut response = Response::from_websocket(pair.client)?;
        if let Some(protocol) = participant.protocol {
            response.headers_mut().set("sec-websocket-protocol", &protocol)?;
        }
        Ok(response)
    }

    fn admit(&self, attachment: &Attachment, message: WebSocketIncomingMessage) -> std::result::Result<String, Close> {
        let mut rates = self.rates.borrow_mut();
        let rate = rates.entry(attachment.sender.id.clone()).or_default();
        if !rate.admit(Workers::new(self.env.clone()).now()) {
            return Err(Close::Flood);
        }
        match message {
            WebSocketIncomingMessage::Binary(_) => Err(Close::Binary),
            WebSocketIncomingMessage::String(text) if text.len() > constants::FRAME_BYTES => Err(Close::TooLarge),
            WebSocketIncomingMessage::String(text) => Ok(text),
        }
    }

    /// Does what a frame asks. The inner error is what its sender is told.
    async fn act(
        &self,
        attachment: &Attachment,
        frame: Frame,
        socket: &WebSocket,
    ) -> Result<std::result::Result<(), Value>> {
        match frame {
            Frame::Say { text, ask } => {
                self.announce(&json!({ "type": "message", "from": attachment.sender, "text": text }))?;
                if ask { Ok(self.ask(attachment, text).await) } else { Ok(Ok(())) }
            }
            Frame::Edit { revision, operation } => self.edit(attachment, revision, operation),
            Frame::Scratch => {
                let scratch = self.log.scratch()?;
                let answer = json!({ "type": "scratch", "revision": scratch.revision, "text": scratch.text });
                socket.send_with_str(answer.to_string())?;
                Ok(Ok(()))
            }
        }
    }

    fn edit(
        &self,
        attachment: &Attachment,
        revision: i64,
        operation: OperationSeq,
    ) -> Result<std::result::Result<(), Value>> {
        let mut scratch = self.log.scratch()?;
        let since = self.log.edits_after(revision)?;
        match scratch.edit(revision, operation, &since) {
            Ok(applied) => {
                self.log.keep_edit(&scratch, &applied)?;
                self.announce(&json!({
                    "type": "edited", "from": attachment.sender, "revision": scratch.revision, "operation": applied,
                }))?;
                Ok(Ok(()))
            }
            Err(refused) => Ok(Err(live::problem("conflict", &refused.detail()))),
        }
    }

    /// A question to the friend: a turn of the session's conversation, on its owner's account.
    async fn ask(&self, attachment: &Attachment, text: String) -> std::result::Result<(), Value> {
        let platform = Workers::new(self.env.clone());
        let unavailable = |_| live::problem("unavailable", "the question was not accepted; ask again");
        let tenant = store::users::tenant(&attachment.owner).first(&platform).await.map_err(unavailable)?;
        let Some(tenant) = tenant else { return Err(live::problem("not_found", "the session's owner is gone")) };
        let refused = |refusal: producers::http::reply::Refusal| {
            let (problem, _) = refusal.into_problem();
            live::problem(&problem.code, &problem.detail)
        };
        let session = sessions::read(&platform, &attachment.owner, &attachment.session).await.map_err(refused)?;
        let ask = Ask { use_memory: true, ..Ask::default() };
        let conversation = Some(session.conversation_id);
        let checked = Checked { message: text, conversation, session: Some(attachment.session.clone()), ask };
        let begun = chat::begin(&platform, &tenant, checked, None, "chat").await.map_err(refused)?;
        platform.named(&format!("ask-{}", begun.job)).record(ledger_entry(&attachment.owner)).await;
        Ok(())
    }

    /// Appends an event and passes it on to everybody in the channel.
    fn announce(&self, data: &Value) -> Result<()> {
        let entry = self.log.append(data, None)?;
        self.send_to_all(&entry);
        Ok(())
    }

    /// A connection that cannot be sent to is about to be closed, and told then.
    fn send_to_all(&self, entry: &Entry) {
        for socket in self.state.get_websockets() {
            let _ = socket.send_with_str(&entry.text);
        }
    }

    fn participants(&self) -> Vec<Sender> {
        let attached = |socket: WebSocket| socket.deserialize_attachment::<Attachment>().ok().flatten();
        self.state.get_websockets().into_iter().filter_map(attached).map(|attachment| attachment.sender).collect()
    }

    async fn left(&self, attachment: &Attachment, socket: &WebSocket) -> Result<()> {
        // Its attachment goes first, so that it counts as gone and is told once.
        socket.serialize_attachment(Value::Null)?;
        self.rates.borrow_mut().remove(&attachment.sender.id);
        let participants = self.participants();
        let nobody = participants.is_empty();
        self.announce(&json!({ "type": "left", "from": attachment.sender, "participants": participants }))?;
        if nobody {
            self.wake_in(constants::SESSION_IDLE).await?;
        }
        Ok(())
    }

    fn snapshot(&self) -> Result<ChannelState> {
        let scratch = self.log.scratch()?;
        Ok(ChannelState {
            participants: self.participants(),
            sequence: self.log.last()?,
            scratch: scratch.text,
            scratch_revision: scratch.revision,
        })
    }

    async fn close(&self) -> Result<Response> {
        let (code, reason) = Close::Closed.parts();
        for socket in self.state.get_websockets() {
            let _ = socket.close(Some(code), Some(reason));
        }
        if let Some(identity) = self.identity()? {
            self.persist(&identity).await?;
        }
        self.forget().await?;
        Response::empty()
    }

    /// Forgets everything, and is a new channel from then on.
    async fn forget(&self) -> Result<()> {
        self.state.storage().delete_all().await?;
        self.streams.forget();
        self.log.make();
        Ok(())
    }

    /// Keeps in D1 what outlives the channel.
    async fn persist(&self, identity: &Identity) -> Result<()> {
        let platform = Workers::new(self.env.clone());
        let scratch = self.log.scratch()?;
        let name = format!("persist-{}-{}", identity.session, platform.now().milliseconds());
        let persisted =
            sessions::persist(&platform, &identity.owner, &identity.session, &scratch.text, self.log.last()?).await;
        platform.named(&name).record(ledger_entry(&identity.owner)).await;
        persisted.map_err(|failure| Error::RustError(failure.to_string()))
    }

    fn identity(&self) -> Result<Option<Identity>> {
        Ok(self.log.kept("identity")?.and_then(|text| serde_json::from_str(&text).ok()))
    }

    async fn wake_in(&self, span: Span) -> Result<()> {
        let at: Timestamp = Workers::new(self.env.clone()).now().plus(span);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are below 2^53")]
        let date = worker::js_sys::Date::new(&(at.milliseconds() as f64).into());
        self.state.storage().set_alarm(ScheduledTime::new(date)).await
    }
}

/// What a channel does is its owner's.
fn ledger_entry(owner: &UserId) -> ledger::Entry<'_> {
    ledger::Entry { user: Some(owner), key: None, source: "session", purpose: Purpose::Interactive }
}
