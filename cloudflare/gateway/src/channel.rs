//! A channel's life: how it begins, goes on after it has forgotten everything, records what it used, and rests.

use std::cell::Cell;

use cloudflare::Workers;
use pipeline::{
    budget::{
        channel_usage::{Awake, ChannelUsage},
        ledger::{self, Entry},
        purpose::Purpose,
        usage::Usage,
    },
    constants,
    ids::{SessionId, UserId},
    platform::ports::{Clock as _, Meter as _},
    store::sessions::ChannelRest,
    time::{Span, Timestamp},
};
use producers::api::sessions::{live::Rest, rest, scratch::Scratch};
use serde::{Deserialize, Serialize};
use worker::{Env, Error, Result, ScheduledTime, State};

use crate::{channel_log::Log, turn_streams::TurnStreams};

/// Which session the channel is of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// Whose session.
    pub owner: UserId,
    /// Which.
    pub session: SessionId,
}

/// A channel, beside the sockets of its participants.
pub struct Channel {
    /// What the platform gives the object.
    pub state: State,
    /// What it keeps.
    pub log: Log,
    /// The answers that stream through it.
    pub streams: TurnStreams,
    env: Env,
    awake: Cell<Awake>,
    /// False when the day has no rows left for what participants say and write; nothing is known of it after waking.
    may_write: Cell<Option<bool>>,
    /// What asking about that used, and is recorded with what the channel did.
    asked: Cell<Usage>,
}

impl Channel {
    /// Wakes up, or is new.
    pub fn new(state: State, env: Env) -> Self {
        let log = Log::open(&state);
        Self {
            state,
            log,
            streams: TurnStreams::default(),
            env,
            awake: Cell::default(),
            may_write: Cell::default(),
            asked: Cell::default(),
        }
    }

    /// The platform for one invocation.
    pub fn platform(&self) -> Workers {
        Workers::new(self.env.clone())
    }

    /// Which session it is of, if it is of one.
    pub fn identity(&self) -> Result<Option<Identity>> {
        Ok(self.log.kept("identity")?.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Becomes the channel of this session, if it is not yet: a new one, or one that goes on from what D1 kept
    /// when it forgot everything. False if the session was closed: then it is no channel of it any more.
    pub async fn become_channel_of(&self, owner: &UserId, session: &SessionId) -> Result<bool> {
        if self.identity()?.is_some() {
            return Ok(true);
        }
        let kept = rest::rest(&self.platform(), owner, session).await;
        let kept = kept.map_err(|failure| Error::RustError(failure.to_string()))?;
        // Somebody else may have come in the meantime.
        if self.identity()?.is_some() {
            return Ok(true);
        }
        let Some(kept) = kept else { return Ok(false) };
        if kept.last_sequence > self.log.last() {
            self.log.begin_after(kept.last_sequence)?;
        }
        if kept.scratch_revision > 0 || !kept.scratch.is_empty() {
            self.log.keep_scratch(&Scratch { revision: kept.scratch_revision, text: kept.scratch })?;
        }
        let identity = Identity { owner: owner.clone(), session: session.clone() };
        self.log.keep("identity", &serde_json::to_string(&identity)?)?;
        Ok(true)
    }

    /// Something happens: the time awake goes on.
    pub fn notice(&self, messages: u64) {
        let mut awake = self.awake.get();
        let more = awake.notice(self.platform().now(), self.streams.is_followed());
        self.awake.set(awake);
        self.log.counter().add(ChannelUsage { awake: more, messages, ..ChannelUsage::default() });
    }

    /// Records what was used, if it is worth a row of D1, and looks what the day has left.
    pub async fn record_where_due(&self, identity: &Identity) -> Result<()> {
        if !self.log.counter().used().is_due() {
            return Ok(());
        }
        self.look(&identity.owner).await;
        self.record(self.platform(), identity).await
    }

    /// True while participants may say and write something, as far as is known. Nobody waits for it: frames that
    /// wait for D1 are overtaken by those that come after them.
    pub fn may_write(&self) -> bool {
        self.may_write.get().unwrap_or(true)
    }

    /// Looks at the day once after waking: hibernation forgets what was known of it, and what is known is renewed
    /// with each record.
    pub async fn look_after_waking(&self, owner: &UserId) {
        if self.may_write.get().is_none() {
            // Whoever comes meanwhile does not look as well.
            self.may_write.set(Some(true));
            self.look(owner).await;
        }
    }

    async fn look(&self, owner: &UserId) {
        let platform = self.platform();
        // Without an answer nothing is known to be spent.
        let may_write = rest::may_write(&platform, owner).await.unwrap_or(true);
        let mut asked = self.asked.get();
        asked += platform.usage();
        self.asked.set(asked);
        self.may_write.set(Some(may_write));
    }

    /// Records what was used, and what an invocation used beside it.
    async fn record(&self, platform: Workers, identity: &Identity) -> Result<()> {
        let used = self.log.counter().take_used();
        let asked = self.asked.take();
        platform.count(|usage| {
            *usage += asked;
            used.add_to(usage);
        });
        let name = format!("channel-{}-{}-{}", identity.session, platform.now().milliseconds(), self.log.last());
        platform.named(&name).record(ledger_entry(&identity.owner)).await;
        self.log.note_reported()
    }

    /// What is done when the alarm rings.
    pub async fn rest(&self) -> Result<()> {
        let Some(identity) = self.identity()? else { return self.forget().await };
        let persisted = self.log.kept("persisted")?.and_then(|number| number.parse().ok());
        match Rest::of_session(self.state.get_websockets().len(), persisted, self.log.last()) {
            Rest::Nothing => Ok(()),
            Rest::Persist => {
                self.persist(&identity).await?;
                self.log.keep("persisted", &self.log.last().to_string())?;
                self.wake_in(constants::SESSION_FORGOTTEN).await
            }
            Rest::Forget => self.forget().await,
        }
    }

    /// Keeps in D1 what outlives the channel.
    pub async fn persist(&self, identity: &Identity) -> Result<()> {
        let platform = self.platform();
        let scratch = self.log.scratch()?;
        let kept =
            ChannelRest { scratch: scratch.text, scratch_revision: scratch.revision, last_sequence: self.log.last() };
        let persisted = rest::persist(&platform, &identity.owner, &identity.session, &kept).await;
        self.record(platform, identity).await?;
        persisted.map_err(|failure| Error::RustError(failure.to_string()))
    }

    /// Removes everything, and takes no storage from then on; whoever comes next begins a new channel.
    pub async fn forget(&self) -> Result<()> {
        self.state.storage().delete_alarm().await?;
        self.state.storage().delete_all().await?;
        self.streams.forget();
        self.log.forget();
        Ok(())
    }

    /// Sets the alarm: a row written, and a request when it rings.
    pub async fn wake_in(&self, span: Span) -> Result<()> {
        let used = ChannelUsage {
            rows_written: 1,
            messages: constants::MESSAGES_PER_OBJECT_REQUEST,
            ..ChannelUsage::default()
        };
        self.log.counter().add(used);
        let at: Timestamp = self.platform().now().plus(span);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are below 2^53")]
        let date = worker::js_sys::Date::new(&(at.milliseconds() as f64).into());
        self.state.storage().set_alarm(ScheduledTime::new(date)).await
    }
}

/// What a channel does is its owner's.
pub fn ledger_entry(owner: &UserId) -> ledger::Entry<'_> {
    Entry { user: Some(owner), key: None, source: "session", purpose: Purpose::Interactive }
}
