//! A turn as server-sent events: what its channel publishes, and what D1 says where the channel is silent.

use std::{cell::Cell, future::Future, pin::Pin, rc::Rc};

use cloudflare::Workers;
use futures_util::{
    Stream, StreamExt,
    future::{Either, select},
    stream,
};
use pipeline::{
    chat::channel::TurnEvent,
    ids::UserId,
    platform::ports::{Clock as _, Meter as _},
    time::Span,
};
use producers::{api::jobs, http::reply::TurnStream};
use serde::Deserialize;
use worker::{ByteStream, Error};

/// Silence after which D1 is asked whether the turn has ended.
const SILENCE: Span = Span::seconds(5);
/// How long until a channel that closed its stream is asked again.
const REOPEN_AFTER: Span = Span::milliseconds(500);
/// What both grow to while nothing is heard: each look is a query, of which an invocation has few.
const LONGEST_PAUSE: Span = Span::seconds(30);
/// D1 queries of a look that finds the end.
const QUERIES_OF_LOOK: u64 = 3;

/// The next piece of the channel's stream; owned, so that a time-out loses nothing of it.
type Next = Pin<Box<dyn Future<Output = (Option<Result<Vec<u8>, Error>>, ByteStream)>>>;

struct Follow {
    platform: Workers,
    user: UserId,
    stream: TurnStream,
    next: Option<Next>,
    rest: Vec<u8>,
    silence: Span,
    reopen_after: Span,
    ended: bool,
    /// Says so to whoever waits for the stream's end: one that is closed before was not read to its end.
    tells_end: Rc<Cell<bool>>,
}

/// An event as the channel sends it.
#[derive(Deserialize)]
struct Line {
    // Its first name, by which the version before sends it.
    #[serde(alias = "seq")]
    sequence: i64,
    #[serde(flatten)]
    event: TurnEvent,
}

/// Streams a turn until it ends. A listener that comes back with the number of its last event
/// misses nothing and hears nothing twice.
pub fn turn_events(
    platform: Workers,
    user: UserId,
    turn: TurnStream,
    tells_end: Rc<Cell<bool>>,
) -> impl Stream<Item = Result<Vec<u8>, Error>> {
    let follow = Follow {
        platform,
        user,
        stream: turn,
        next: None,
        rest: Vec::new(),
        silence: SILENCE,
        reopen_after: REOPEN_AFTER,
        ended: false,
        tells_end,
    };
    stream::unfold(Box::new(follow), |mut follow| async move {
        if follow.ended {
            return None;
        }
        let text = follow.text().await;
        Some((Ok(text.into_bytes()), follow))
    })
}

impl Follow {
    /// The next text for the listener: never empty.
    async fn text(&mut self) -> String {
        loop {
            if self.platform.asked().queries_left() < QUERIES_OF_LOOK {
                self.ended = true;
                self.tells_end.set(true);
                return self.stream.writer.break_off();
            }
            let Some(next) = self.next.take() else {
                if self.open().await {
                    continue;
                }
                if let Some(text) = self.look_again().await {
                    return text;
                }
                continue;
            };
            let silence = Box::pin({
                let (platform, silence) = (self.platform.clone(), self.silence);
                async move { platform.sleep(silence).await }
            });
            match select(next, silence).await {
                Either::Left(((Some(Ok(bytes)), stream), _)) => {
                    self.next = Some(read(stream));
                    (self.silence, self.reopen_after) = (SILENCE, REOPEN_AFTER);
                    let text = self.lines(&bytes);
                    if !text.is_empty() || self.ended {
                        return text;
                    }
                }
                // The channel ended the stream: it is asked again from the last event on.
                Either::Left(_) => {
                    if let Some(text) = self.look_again().await {
                        return text;
                    }
                }
                Either::Right(((), next)) => {
                    self.next = Some(next);
                    self.silence = (5 * self.silence / 4).min(LONGEST_PAUSE);
                    return self.end().await.unwrap_or_else(|| ": still there\n\n".to_owned());
                }
            }
        }
    }

    /// Waits a while for a channel that does not answer or that ended the stream; the end of the turn, if D1 knows it
    /// by then.
    async fn look_again(&mut self) -> Option<String> {
        self.platform.sleep(self.reopen_after).await;
        self.reopen_after = (3 * self.reopen_after / 2).min(LONGEST_PAUSE);
        self.end().await
    }

    async fn open(&mut self) -> bool {
        let path = format!("/listen?since={}&job={}", self.stream.since, self.stream.job);
        let Ok(mut response) = self.platform.ask_channel(&self.stream.channel, &path, None).await else { return false };
        match response.stream() {
            Ok(stream) => {
                self.rest.clear();
                self.next = Some(read(stream));
                true
            }
            Err(_) => false,
        }
    }

    fn lines(&mut self, bytes: &[u8]) -> String {
        self.rest.extend_from_slice(bytes);
        let mut text = String::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let Ok(Line { sequence, event }) = serde_json::from_slice(&line) else { continue };
            // A channel that was asked again may repeat itself.
            if sequence <= self.stream.since || self.ended {
                continue;
            }
            self.stream.since = sequence;
            text.push_str(&self.event(&event));
        }
        text
    }

    /// An event as text. One that only D1 knows has the number of the last that was heard.
    fn event(&mut self, event: &TurnEvent) -> String {
        let text = self.stream.writer.write(Some(self.stream.since), event);
        self.ended |= event.is_last() || self.stream.writer.has_ended();
        self.tells_end.set(self.ended);
        text
    }

    /// The end of the turn, if D1 knows it already.
    async fn end(&mut self) -> Option<String> {
        let event = jobs::turn_end(&self.platform, &self.user, &self.stream.job).await.ok()??;
        Some(self.event(&event))
    }
}

fn read(mut stream: ByteStream) -> Next {
    Box::pin(async move { (stream.next().await, stream) })
}
