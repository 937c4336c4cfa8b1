//! The room: what others say comes as it is said, what is typed is said, and `/ask` asks the friend.

use std::{
    io::BufRead as _,
    net::TcpStream,
    sync::mpsc::{Receiver, TryRecvError, channel},
    time::Duration,
};

use serde_json::{Value, json};
use tungstenite::{Error, Message, WebSocket, client::IntoClientRequest as _, stream::MaybeTlsStream};

use crate::{
    client::pages,
    context::Context,
    failure::{Exit, Failure},
    output::{self, BAD, BOLD, DIM, GOOD, styled},
};

type Socket = WebSocket<MaybeTlsStream<TcpStream>>;

/// How long is listened before what was typed is looked at.
const TURN: Duration = Duration::from_millis(100);
const HELP: &str = "say something; /ask QUESTION asks the friend, /scratch shows the shared text, /quit leaves";

/// Joins a session and stays until somebody leaves or it is closed.
///
/// # Errors
/// It cannot be joined, or the connection breaks.
pub fn enter(id: &str, ticket: Option<&str>, context: &Context) -> Result<(), Failure> {
    let mut socket = connect(id, ticket, context)?;
    listen_in_turns(socket.get_mut()).map_err(|error| broken(&Error::Io(error)))?;
    context.output.say(&styled(DIM, HELP));
    let typed = typed();
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => show(&serde_json::from_str(&text).unwrap_or_default(), context),
            Ok(Message::Close(frame)) => {
                let why = frame.map(|frame| frame.reason.to_string()).unwrap_or_default();
                context.output.say(&format!("the session was closed {}", output::harmless(&why)));
                return Ok(());
            }
            Ok(_) => {}
            Err(Error::Io(error)) if is_silence(&error) => {}
            Err(Error::ConnectionClosed | Error::AlreadyClosed) => return Ok(()),
            Err(error) => return Err(broken(&error)),
        }
        match typed.try_recv() {
            Ok(line) if line.trim() == "/quit" => break,
            Ok(line) => say(&mut socket, &line)?,
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => break,
        }
    }
    let _ = socket.close(None).and_then(|()| socket.flush());
    Ok(())
}

fn connect(id: &str, ticket: Option<&str>, context: &Context) -> Result<Socket, Failure> {
    let address = context.client.url().replacen("http", "ws", 1);
    let uri = format!("{address}/api/session/{}/ws", pages::encoded(id));
    let mut request = uri.into_client_request().map_err(|error| broken(&error))?;
    let (name, value) = match ticket {
        Some(ticket) => ("sec-websocket-protocol", format!("claudes-friend, ticket.{ticket}")),
        None => ("authorization", format!("Bearer {}", context.client.key())),
    };
    let value = value.parse().map_err(|_| Failure::new(Exit::Usage, "that is no ticket"))?;
    request.headers_mut().insert(name, value);
    // Its encryption is the same as that of all other requests; the second call of this changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match tungstenite::connect(request) {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => {
            let exit = Exit::of_status(response.status().as_u16());
            let problem = response.body().as_deref().and_then(|body| serde_json::from_slice::<Value>(body).ok());
            let detail = problem.and_then(|problem| problem["detail"].as_str().map(str::to_owned));
            Err(Failure::new(exit, detail.unwrap_or_else(|| format!("the session answers {}", response.status()))))
        }
        Err(error) => Err(broken(&error)),
    }
}

fn broken(error: &Error) -> Failure {
    Failure::new(Exit::Failed, format!("the connection to the session broke: {error}"))
        .advise("join it again: what was said meanwhile comes first")
}

fn listen_in_turns(stream: &mut MaybeTlsStream<TcpStream>) -> std::io::Result<()> {
    match stream {
        MaybeTlsStream::Plain(stream) => stream.set_read_timeout(Some(TURN)),
        MaybeTlsStream::Rustls(stream) => stream.get_mut().set_read_timeout(Some(TURN)),
        _ => Ok(()),
    }
}

fn is_silence(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

/// The lines that are typed, until there are no more.
fn typed() -> Receiver<String> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            if send.send(line).is_err() {
                break;
            }
        }
    });
    receive
}

fn say(socket: &mut Socket, line: &str) -> Result<(), Failure> {
    let line = line.trim();
    let frame = match line.split_once(' ') {
        _ if line.is_empty() => return Ok(()),
        _ if line == "/scratch" => json!({ "type": "scratch" }),
        Some(("/ask", question)) => json!({ "type": "say", "text": question, "ask": true }),
        _ if line.starts_with('/') => {
            anstream::eprintln!("{}", styled(DIM, HELP));
            return Ok(());
        }
        _ => json!({ "type": "say", "text": line }),
    };
    socket.send(Message::text(frame.to_string())).map_err(|error| broken(&error))
}

fn show(event: &Value, context: &Context) {
    if context.output.json {
        output::line(&event.to_string());
        return;
    }
    let name = event["from"]["name"].as_str().map_or("somebody".into(), output::harmless);
    match event["type"].as_str().unwrap_or_default() {
        "welcome" => {
            let people: Vec<String> =
                event["participants"].as_array().into_iter().flatten().map(|one| output::text(&one["name"])).collect();
            output::line(&styled(DIM, &format!("here: {}", people.join(", "))));
        }
        "joined" | "left" => output::line(&styled(DIM, &format!("{name} {}", output::text(&event["type"])))),
        "message" => output::line(&format!("{}: {}", styled(BOLD, &name), output::text(&event["text"]))),
        "delta" => output::part(&output::text(&event["text"])),
        "started" => output::part(&format!("{}: ", styled(GOOD, "friend"))),
        "restarted" => output::line(&styled(DIM, "(begun anew)")),
        "done" => output::line(""),
        "scratch" => output::line(&output::text(&event["text"])),
        "failed" | "error" => output::line(&styled(BAD, &output::text(&event["detail"]))),
        _ => {}
    }
}
