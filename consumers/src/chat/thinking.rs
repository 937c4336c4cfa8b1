//! Takes the thoughts of a thinking model out of its answer, while it answers.

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// Passes text on, except for what stands between `<think>` and `</think>`. Some models omit the
/// opening mark: then what came before a closing one was thought, and is taken back.
#[derive(Debug, Default)]
pub struct Thinking {
    held: String,
    inside: bool,
}

impl Thinking {
    /// Takes the next piece; gives what belongs to the answer for certain.
    pub fn push(&mut self, text: &str) -> String {
        self.held.push_str(text);
        let mut answer = String::new();
        loop {
            let mark = if self.inside { CLOSE } else { OPEN };
            if let Some(at) = self.held.find(mark) {
                let rest = self.held.split_off(at);
                let before = std::mem::replace(&mut self.held, rest[mark.len()..].to_owned());
                if !self.inside {
                    answer.push_str(&before);
                }
                self.inside = !self.inside;
                continue;
            }
            // A mark may be cut by the end of the piece: its beginning waits.
            let kept = (1..mark.len()).rev().find(|length| self.held.ends_with(&mark[..*length])).unwrap_or(0);
            let waiting = self.held.split_off(self.held.len() - kept);
            let passed = std::mem::replace(&mut self.held, waiting);
            if !self.inside {
                answer.push_str(&passed);
            }
            return answer;
        }
    }

    /// The end: a half mark was no mark.
    pub fn finish(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        if self.inside { String::new() } else { held }
    }
}

/// An answer that may still begin with thoughts closed by a mark alone, without them.
pub fn without_thoughts(answer: &str) -> &str {
    answer.rsplit_once(CLOSE).map_or(answer, |(_, after)| after).trim()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn however_it_is_cut(cuts in prop::collection::vec(0usize..60, 0..20)) {
            let text = "a<think>b</thin c</think>d<thin>e<think>f</think>";
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).chain([0, text.len()]).collect();
            cuts.sort_unstable();
            let mut thinking = Thinking::default();
            let mut answer: String = cuts.windows(2).map(|pair| thinking.push(&text[pair[0]..pair[1]])).collect();
            answer.push_str(&thinking.finish());
            prop_assert_eq!(answer, "ad<thin>e");
        }
    }

    #[test]
    fn thoughts_that_never_end_are_not_passed_on() {
        let mut thinking = Thinking::default();
        assert_eq!(thinking.push("<think>hm"), "");
        assert_eq!(thinking.finish(), "");
        assert_eq!(without_thoughts("hm, well</think> Yes."), "Yes.");
    }
}
