//! A shared text for clients that are not ours: `ot.test.js` lets those of the npm package `ot` edit it together.
//!
//! Frames come in and events go out byte by byte, so that nothing of JavaScript has to reach into the memory.

use std::sync::{Mutex, MutexGuard, PoisonError};

use producers::api::sessions::{
    ParticipantRole,
    edit::Edit,
    events::Event,
    frames::{self, Frame, Revise},
    live::Sender,
    scratch::Scratch,
};

static ROOM: Mutex<Room> = Mutex::new(Room::new());

/// Takes one more byte of a frame. Called neither `write` nor `read`: natively those would be libc's.
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "a function that JavaScript finds by its name")]
pub extern "C" fn write_byte(byte: u8) {
    room().frame.push(byte);
}

/// Receives the frame that was written; how many bytes its answer has.
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "a function that JavaScript finds by its name")]
pub extern "C" fn receive() -> usize {
    let mut room = room();
    let frame = std::mem::take(&mut room.frame);
    room.answer = room.receive(&String::from_utf8_lossy(&frame)).to_string().into_bytes();
    room.answer.len()
}

/// A byte of the answer.
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "a function that JavaScript finds by its name")]
pub extern "C" fn read_byte(at: usize) -> u8 {
    room().answer.get(at).copied().unwrap_or_default()
}

fn room() -> MutexGuard<'static, Room> {
    ROOM.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A shared text, with the edits that made it.
struct Room {
    frame: Vec<u8>,
    answer: Vec<u8>,
    scratch: Scratch,
    edits: Vec<Edit>,
}

impl Room {
    const fn new() -> Self {
        let scratch = Scratch { revision: 0, text: String::new() };
        Self { frame: Vec::new(), answer: Vec::new(), scratch, edits: Vec::new() }
    }

    fn receive(&mut self, frame: &str) -> Event {
        let sender = Sender { id: "1".to_owned(), name: "Ada".to_owned(), role: ParticipantRole::Editor };
        let (frame, about) = match frames::read(frame, &sender) {
            Ok(read) => read,
            Err(error) => return error,
        };
        let Frame::Edit(Revise { revision, operation, .. }) = frame else {
            return Event::Scratch { id: about.id, scratch: self.scratch.clone().into() };
        };
        let applied = self.scratch.edits_since(revision).and_then(|count| {
            let since = &self.edits[self.edits.len() - count..];
            self.scratch.edit(revision, operation, since)
        });
        let applied = match applied {
            Ok(applied) => applied,
            Err(refused) => return Event::error(about, refused.problem()),
        };
        // As a log keeps it.
        let kept = serde_json::to_string(&applied).and_then(|text| Edit::of_log(&text));
        self.edits.extend(kept);
        Event::Edited { from: sender, revision: self.scratch.revision, operation: applied }
    }
}
