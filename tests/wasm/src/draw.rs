//! Frames from a seed: many that fit, and many that are made to break what reads them.

use serde_json::{Value, json};

/// Draws without the platform's randomness, the same on 32 bits and on 64.
pub struct Draw(u64);

/// Numbers at which sums wrap.
const EDGES: [i64; 8] = [
    1 << 31,
    1 << 32,
    1 << 33,
    -(1 << 32),
    i64::MAX,
    i64::MIN,
    // In 32 bits this is 0, and in 64 more than anybody can count.
    -9_223_372_032_559_808_512,
    131_072,
];

/// Texts of characters of every length in UTF-8.
const TEXTS: [&str; 6] = ["", "a", "hello ", "é", "文字", "🐋🦀"];

impl Draw {
    /// From a seed.
    pub fn new(seed: u32) -> Self {
        Self(u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// xorshift64. Source: Marsaglia, "Xorshift RNGs", 2003.
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 11
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap_or(0)
    }

    fn one_of<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// A frame, for a text of so many units at this revision. Of some only half of a pair comes.
    pub fn frame(&mut self, revision: i64, length: usize) -> String {
        let frame = self.whole_frame(revision, length);
        if self.below(8) == 0 { frame.replace('🐋', self.one_of(&["\\ud83d", "\\udc0b"])) } else { frame }
    }

    fn whole_frame(&mut self, revision: i64, length: usize) -> String {
        match self.below(10) {
            0 => self.garbled(revision, length),
            1..=3 => self.hostile_edit(revision, length).to_string(),
            4 => json!({"type": "say", "text": self.one_of(&TEXTS), "ask": self.below(2) == 0}).to_string(),
            _ => self.fitting_edit(revision, length).to_string(),
        }
    }

    /// An edit of the text as it is.
    fn fitting_edit(&mut self, revision: i64, length: usize) -> Value {
        let at = self.below(length + 1);
        let gone = self.below((length - at).min(8) + 1);
        let text = self.one_of(&TEXTS);
        let gone = i64::try_from(gone).unwrap_or(0);
        let rest = i64::try_from(length - at).unwrap_or(0) - gone;
        json!({"type": "edit", "revision": revision, "operation": [at, text, -gone, rest]})
    }

    fn hostile_edit(&mut self, revision: i64, length: usize) -> Value {
        let parts: Vec<Value> = (0..self.one_of(&[1, 1, 2, 5, 600])).map(|_| self.part(length)).collect();
        let revision =
            if self.below(3) == 0 { self.number(length) } else { revision.saturating_sub(self.one_of(&[0, 1, 3])) };
        json!({"type": "edit", "revision": revision, "operation": parts})
    }

    fn part(&mut self, length: usize) -> Value {
        match self.below(6) {
            0 => Value::from(self.one_of(&TEXTS)),
            1 => Value::from(u64::MAX - self.next() % 3),
            2 => json!([self.number(length), null, 1.5]),
            _ => Value::from(self.number(length)),
        }
    }

    /// A number at an edge, or as far from it as the text is long: in 32 bits that is the text's length.
    fn number(&mut self, length: usize) -> i64 {
        let length = i64::try_from(length).unwrap_or(0);
        let near = self.one_of(&[0, 0, 1, -1, length, -length]);
        let edge = if self.below(4) == 0 { 0 } else { self.one_of(&EDGES) };
        edge.saturating_add(near)
    }

    /// A frame with a piece cut out, doubled or replaced.
    fn garbled(&mut self, revision: i64, length: usize) -> String {
        let frame: Vec<char> = self.fitting_edit(revision, length).to_string().chars().collect();
        let (start, end) = (self.below(frame.len()), self.below(frame.len()));
        let middle = self.one_of(&["", "[[[[", "9", "-", "\"", "\\u", "99999999999999999999", "1e400"]);
        frame[..start].iter().chain(middle.to_owned().chars().collect::<Vec<_>>().iter()).chain(&frame[end..]).collect()
    }
}
