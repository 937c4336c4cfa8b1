//! Ends an answer where its client wants it to end, while it is written.

/// Passes text on up to the first of some sequences, which is not passed on itself.
#[derive(Debug, Default)]
pub struct StopSequences {
    sequences: Vec<String>,
    held: String,
    has_stopped: bool,
}

impl StopSequences {
    /// Of these sequences; an empty one ends nothing.
    pub fn new(sequences: &[String]) -> Self {
        let sequences = sequences.iter().filter(|sequence| !sequence.is_empty()).cloned().collect();
        Self { sequences, ..Self::default() }
    }

    /// Takes the next piece; gives what begins none of the sequences.
    pub fn push(&mut self, text: &str) -> String {
        if self.has_stopped {
            return String::new();
        }
        self.held.push_str(text);
        if let Some(end) = self.sequences.iter().filter_map(|sequence| self.held.find(sequence.as_str())).min() {
            self.has_stopped = true;
            self.held.truncate(end);
            return std::mem::take(&mut self.held);
        }
        let begun = self.sequences.iter().map(|sequence| begun(&self.held, sequence)).max().unwrap_or(0);
        let waiting = self.held.split_off(self.held.len() - begun);
        std::mem::replace(&mut self.held, waiting)
    }

    /// The end: what only began a sequence is text.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// True once a sequence was met: the rest is not wanted.
    pub const fn has_stopped(&self) -> bool {
        self.has_stopped
    }
}

/// Bytes at the end of a text that may be the beginning of a sequence.
fn begun(text: &str, sequence: &str) -> usize {
    let lengths = sequence.char_indices().map(|(at, _)| at).skip(1);
    lengths.filter(|length| text.ends_with(&sequence[..*length])).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(sequences: &[&str], pieces: &[&str]) -> (String, bool) {
        let sequences: Vec<String> = sequences.iter().map(|sequence| (*sequence).to_owned()).collect();
        let mut stop = StopSequences::new(&sequences);
        let mut told: String = pieces.iter().map(|piece| stop.push(piece)).collect();
        told.push_str(&stop.finish());
        (told, stop.has_stopped())
    }

    #[test]
    fn an_answer_ends_before_the_first_sequence() {
        assert_eq!(told(&["\n\n", "STOP"], &["one", " S", "TOP two"]), ("one ".to_owned(), true));
        assert_eq!(told(&["END"], &["one EN"]), ("one EN".to_owned(), false));
        assert_eq!(told(&["", "b"], &["abc", "d"]), ("a".to_owned(), true));
        assert_eq!(told(&[], &["abc"]), ("abc".to_owned(), false));
        assert_eq!(told(&["aab"], &["a", "a", "a", "b", "c"]), ("a".to_owned(), true));
    }

    proptest! {
        #[test]
        fn it_ends_there_however_it_is_cut(text in "[aé.]{0,40}", sequence in "[aé.]{1,4}", size in 1usize..5) {
            let characters: Vec<char> = text.chars().collect();
            let pieces: Vec<String> = characters.chunks(size).map(|chunk| chunk.iter().collect()).collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let whole = text.split_once(&sequence).map_or(text.as_str(), |(before, _)| before);
            prop_assert_eq!(told(&[&sequence], &pieces), (whole.to_owned(), whole.len() < text.len()));
        }
    }
}
