//! What must hold where `usize` has 32 bits, as in a Worker: `wasm.test.js` runs this in Node, built as wasm
//! the way the Workers are, and the tests below run it natively.
//!
//! Frames of strangers are drawn from a seed and sent to the shared text, as its channel would. What traps or
//! does not end fails the test; what an accepted edit makes of the text is checked here.
//!
//! And what only wasm has: a memory that ends, where the Workers' ends.

mod draw;
mod room;

use pipeline::constants;
use producers::api::sessions::{
    ParticipantRole,
    edit::Edit,
    frames::{self, Frame, Revise},
    live::Sender,
    scratch::Scratch,
};

use self::draw::Draw;

/// Plays so many frames drawn from a seed. Returns how many edits were accepted, or a negative number: which
/// frame broke a promise.
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "a function that JavaScript finds by its name")]
pub extern "C" fn play(seed: u32, frames: i32) -> i32 {
    let mut channel = Channel::new(seed);
    (1..=frames).find(|_| !channel.receive()).map_or(channel.accepted, |frame| -frame)
}

/// Takes so many bytes and gives them back; how many there were.
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "a function that JavaScript finds by its name")]
pub extern "C" fn take(bytes: usize) -> usize {
    std::hint::black_box(vec![1u8; bytes]).len()
}

/// A shared text with the edits that made it.
struct Channel {
    draw: Draw,
    sender: Sender,
    scratch: Scratch,
    edits: Vec<Edit>,
    accepted: i32,
}

impl Channel {
    fn new(seed: u32) -> Self {
        let sender = Sender { id: "1".to_owned(), name: "Mallory".to_owned(), role: ParticipantRole::Editor };
        let draw = Draw::new(seed);
        Self { draw, sender, scratch: Scratch::default(), edits: Vec::new(), accepted: 0 }
    }

    /// Receives a frame; false if that broke a promise.
    fn receive(&mut self) -> bool {
        let length = self.scratch.text.encode_utf16().count();
        let text = self.draw.frame(self.scratch.revision, length);
        let Ok((Frame::Edit(edit), _)) = frames::read(&text, &self.sender) else { return true };
        let Revise { revision, operation, .. } = edit;
        let before = self.scratch.clone();
        let Ok(count) = before.edits_since(revision) else { return true };
        let since = &self.edits[self.edits.len() - count..];
        let Ok(applied) = self.scratch.edit(revision, operation, since) else { return self.scratch == before };
        self.accepted += 1;
        let fits = applied.base_length() == length as u64
            && applied.apply(&before.text).is_some_and(|(text, again)| text == self.scratch.text && again == applied)
            && serde_json::to_string(&applied).is_ok_and(|kept| Edit::of_log(&kept).is_ok_and(|kept| kept == applied))
            && self.scratch.revision == before.revision + 1
            && self.scratch.text.len() <= constants::SCRATCH_BYTES;
        self.edits.push(applied);
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_frame_breaks_the_shared_text() {
        for seed in 1..=20 {
            assert!(play(seed, 500) > 20, "seed {seed}: {}", play(seed, 500));
        }
    }

    #[test]
    fn frames_as_they_were_found_are_among_those_that_are_drawn() {
        let mut draw = Draw::new(1);
        let drawn: Vec<String> = (0..5_000).map(|_| draw.frame(3, 5)).collect();
        assert!(drawn.iter().any(|frame| frame.contains("[-9223372032559808512]")), "the one that hung everything");
        assert!(drawn.iter().any(|frame| frame.contains("4294967296")), "a length that is 0 on 32 bits");
    }
}
