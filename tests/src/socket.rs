//! A participant of a live session, by WebSocket.
#![expect(clippy::unwrap_used, clippy::panic, clippy::missing_panics_doc, reason = "a test that cannot go on fails")]

use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::Value;
use tungstenite::{ClientRequestBuilder, Message, WebSocket, client};

/// A connection.
#[derive(Debug)]
pub struct Participant {
    socket: WebSocket<TcpStream>,
    /// Every event so far, in the order it came.
    pub seen: Vec<Value>,
}

/// How a connection is asked for.
#[derive(Clone, Debug, Default)]
pub struct Knock<'a> {
    /// A key, for its owner.
    pub key: Option<&'a str>,
    /// A ticket, for anybody.
    pub ticket: Option<&'a str>,
    /// Where the page comes from, for a browser.
    pub origin: Option<&'a str>,
    /// The last event that is known.
    pub since: u64,
}

impl Participant {
    /// Joins; the error is the status it was refused with.
    pub fn join(url: &str, session: &str, knock: &Knock<'_>) -> Result<Self, u16> {
        let address = url.trim_start_matches("http://");
        let target = format!("ws://{address}/api/session/{session}/ws?since={}", knock.since);
        let mut request = ClientRequestBuilder::new(target.parse().unwrap());
        if let Some(key) = knock.key {
            request = request.with_header("authorization", format!("Bearer {key}"));
        }
        if let Some(ticket) = knock.ticket {
            request = request.with_sub_protocol("claudes-friend").with_sub_protocol(format!("ticket.{ticket}"));
        }
        if let Some(origin) = knock.origin {
            request = request.with_header("origin", origin);
        }
        let stream = TcpStream::connect(address.replace("localhost", "127.0.0.1")).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut handshake = client(request, stream);
        loop {
            match handshake {
                Ok((socket, _)) => return Ok(Self { socket, seen: Vec::new() }),
                Err(tungstenite::HandshakeError::Interrupted(middle)) if Instant::now() < deadline => {
                    handshake = middle.handshake();
                }
                Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(response))) => {
                    return Err(response.status().as_u16());
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Sends a frame.
    pub fn send(&mut self, frame: &Value) {
        self.send_text(&frame.to_string());
    }

    /// Sends whatever text.
    pub fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).unwrap();
    }

    /// Sends what is no text.
    pub fn send_binary(&mut self, bytes: Vec<u8>) {
        self.socket.send(Message::binary(bytes)).unwrap();
    }

    /// Waits for an event that fits, and gives it.
    pub fn wait_for(&mut self, what: &str, deadline: Duration, fits: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + deadline;
        let mut looked = 0;
        loop {
            while let Some(event) = self.seen.get(looked) {
                if fits(event) {
                    return event.clone();
                }
                looked += 1;
            }
            assert!(Instant::now() < until, "no {what} among {:?}", self.seen);
            self.read();
        }
    }

    /// Waits until the server closes; its code.
    pub fn wait_for_close(&mut self) -> u16 {
        let until = Instant::now() + Duration::from_secs(30);
        while Instant::now() < until {
            match self.socket.read() {
                Ok(Message::Close(frame)) => return frame.map_or(1005, |frame| frame.code.into()),
                Ok(_) => {}
                Err(tungstenite::Error::Io(error)) if is_timeout(&error) => {}
                Err(_) => return 0,
            }
        }
        panic!("the server does not close")
    }

    fn read(&mut self) {
        match self.socket.read() {
            Ok(Message::Text(text)) => self.seen.push(serde_json::from_str(&text).unwrap()),
            Ok(_) => {}
            Err(tungstenite::Error::Io(error)) if is_timeout(&error) => {}
            Err(error) => panic!("{error}; seen {:?}", self.seen),
        }
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}
