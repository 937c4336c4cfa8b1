//! What of a model's words belongs to the answer, while they come.

use pipeline::chat::turn::Ask;

use super::{citations::KnownMarks, stop::StopSequences, thinking::Thinking};

/// Takes out thoughts, and for a client of `/v1` what follows its stop sequences and the numbers of sources that
/// there are not: such a client cannot take back what it was sent.
#[derive(Debug)]
pub struct AnswerFilter {
    thinking: Thinking,
    stop: StopSequences,
    marks: Option<KnownMarks>,
    is_for_client: bool,
}

impl AnswerFilter {
    /// For a question that is answered from so many sources.
    pub fn new(ask: &Ask, sources: usize) -> Self {
        let client = ask.client.as_ref();
        let is_cited = sources > 0 && client.is_some_and(|client| !client.is_plain && client.format.is_none());
        Self {
            thinking: Thinking::default(),
            stop: StopSequences::new(client.map_or(&[], |client| &client.stop)),
            marks: is_cited.then(|| KnownMarks::new(sources)),
            is_for_client: client.is_some(),
        }
    }

    /// Takes the next piece; gives what belongs to the answer for certain.
    pub fn push(&mut self, text: &str) -> String {
        let text = self.thinking.push(text);
        let text = self.stop.push(&text);
        match &mut self.marks {
            Some(marks) => marks.push(&text),
            None => text,
        }
    }

    /// The end: gives what was held back.
    pub fn finish(&mut self) -> String {
        let text = self.thinking.finish();
        let mut text = self.stop.push(&text);
        text.push_str(&self.stop.finish());
        match &mut self.marks {
            Some(marks) => marks.push(&text) + &marks.finish(),
            None => text,
        }
    }

    /// True where what was passed on cannot be taken back.
    pub const fn is_for_client(&self) -> bool {
        self.is_for_client
    }

    /// True once the client wants no more.
    pub const fn has_stopped(&self) -> bool {
        self.stop.has_stopped()
    }
}
