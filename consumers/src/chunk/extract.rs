//! From a source's bytes to the text that is searched.
//!
//! Everything but HTML is its own text, byte for byte, so that offsets are offsets into what the
//! user uploaded. HTML becomes Markdown-like text: headings, list items and paragraphs as lines,
//! preformatted text as it is, scripts and styles left out. Offsets are then into that text.

use std::{convert::Infallible, mem};

use html5gum::{
    Span, Tokenizer,
    emitters::callback::{CallbackEmitter, CallbackEvent},
};
use pipeline::job::cursors::HtmlState;

/// A source's text and what the next slice must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extracted {
    /// The text.
    pub text: String,
    /// What the source's end is inside of.
    pub state: HtmlState,
}

/// Extracts the text of a source, or of the slice of it that begins in `state`.
pub fn extract(source: &str, media_type: &str, state: &HtmlState) -> Extracted {
    if media_type == "text/html" {
        extract_html(source, state)
    } else {
        Extracted { text: source.to_owned(), state: HtmlState::default() }
    }
}

fn extract_html(source: &str, state: &HtmlState) -> Extracted {
    let source = after_skipped(source, state.skipped.as_deref());
    let mut writer = Writer { state: state.clone(), ..Writer::default() };
    writer.state.skipped = if source.is_empty() { writer.state.skipped } else { None };
    let mut callback = |event: CallbackEvent<'_>, _: Span<()>| -> Option<Infallible> {
        writer.event(&event);
        None
    };
    let mut emitter = CallbackEmitter::new(&mut callback);
    // Script and style content is text to the tokenizer, whatever tags it seems to hold.
    emitter.naively_switch_states(true);
    // The callback yields nothing, so the first step goes through the whole source.
    let _ = Tokenizer::new_with_emitter(source, emitter).next();
    Extracted { text: writer.text, state: writer.state }
}

/// What follows the end tag of an element that the slice begins inside of.
fn after_skipped<'a>(source: &'a str, skipped: Option<&str>) -> &'a str {
    let Some(name) = skipped else { return source };
    let end = format!("</{name}");
    let found = source.as_bytes().windows(end.len()).position(|window| window.eq_ignore_ascii_case(end.as_bytes()));
    found.map_or("", |at| &source[at..])
}

/// Builds the text from the tokenizer's events.
#[derive(Debug, Default)]
struct Writer {
    text: String,
    state: HtmlState,
    /// What must stand before the next visible character: nothing, a space, or line ends and a mark.
    pending: Pending,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Pending {
    #[default]
    Nothing,
    Space,
    Break {
        lines: usize,
        mark: &'static str,
    },
}

impl Writer {
    fn event(&mut self, event: &CallbackEvent<'_>) {
        match event {
            CallbackEvent::OpenStartTag { name } => self.open(name),
            CallbackEvent::EndTag { name } => self.close(name),
            CallbackEvent::String { value } if self.state.skipped.is_none() => {
                self.write(&String::from_utf8_lossy(value));
            }
            _ => {}
        }
    }

    fn open(&mut self, name: &[u8]) {
        if self.state.skipped.is_some() {
            return;
        }
        match name {
            b"script" | b"style" | b"template" | b"svg" | b"noscript" | b"iframe" | b"object" => {
                self.state.skipped = Some(String::from_utf8_lossy(name).into_owned());
            }
            b"pre" => {
                self.line_break(2, "");
                self.state.preformatted = true;
            }
            b"h1" | b"title" => self.line_break(2, "# "),
            b"h2" => self.line_break(2, "## "),
            b"h3" => self.line_break(2, "### "),
            b"h4" | b"h5" | b"h6" => self.line_break(2, "#### "),
            b"li" => self.line_break(1, "- "),
            b"br" => self.line_break(1, ""),
            b"td" | b"th" => self.space(),
            _ if is_block(name) => self.line_break(block_lines(name), ""),
            _ => {}
        }
    }

    fn close(&mut self, name: &[u8]) {
        if let Some(skipped) = &self.state.skipped {
            if skipped.as_bytes() == name {
                self.state.skipped = None;
            }
            return;
        }
        match name {
            b"pre" => {
                self.state.preformatted = false;
                self.line_break(2, "");
            }
            b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" | b"title" => self.line_break(2, ""),
            _ if is_block(name) => self.line_break(block_lines(name), ""),
            _ => {}
        }
    }

    fn space(&mut self) {
        if self.pending == Pending::Nothing {
            self.pending = Pending::Space;
        }
    }

    fn line_break(&mut self, lines: usize, mark: &'static str) {
        self.pending = match mem::take(&mut self.pending) {
            Pending::Break { lines: before, mark: earlier } => {
                Pending::Break { lines: before.max(lines), mark: if mark.is_empty() { earlier } else { mark } }
            }
            Pending::Nothing | Pending::Space => Pending::Break { lines, mark },
        };
    }

    fn write(&mut self, value: &str) {
        if self.state.preformatted {
            if !value.is_empty() {
                self.flush();
                self.text.push_str(value);
            }
            return;
        }
        for piece in value.split_inclusive(|character: char| character.is_ascii_whitespace()) {
            let word = piece.trim_end_matches(|character: char| character.is_ascii_whitespace());
            if !word.is_empty() {
                self.flush();
                self.text.push_str(word);
            }
            if word.len() < piece.len() {
                self.space();
            }
        }
    }

    fn flush(&mut self) {
        match mem::take(&mut self.pending) {
            Pending::Nothing => {}
            Pending::Space => self.text.push(' '),
            Pending::Break { lines, mark } => {
                if !self.text.is_empty() {
                    self.text.extend(std::iter::repeat_n('\n', lines));
                }
                self.text.push_str(mark);
            }
        }
    }
}

fn is_block(name: &[u8]) -> bool {
    matches!(
        name,
        b"p" | b"div"
            | b"section"
            | b"article"
            | b"main"
            | b"header"
            | b"footer"
            | b"nav"
            | b"aside"
            | b"ul"
            | b"ol"
            | b"li"
            | b"dl"
            | b"dt"
            | b"dd"
            | b"table"
            | b"tr"
            | b"blockquote"
            | b"figure"
            | b"details"
            | b"summary"
            | b"form"
            | b"hr"
    )
}

fn block_lines(name: &[u8]) -> usize {
    if matches!(name, b"tr" | b"dt" | b"dd" | b"li" | b"summary") { 1 } else { 2 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn html(source: &str) -> String {
        extract(source, "text/html", &HtmlState::default()).text
    }

    #[test]
    fn what_is_not_html_is_its_own_text() {
        let source = "a <b> & c\r\n";
        assert_eq!(extract(source, "text/markdown", &HtmlState::default()).text, source);
    }

    #[test]
    fn html_becomes_lines_with_marks() {
        let source = "<!doctype html><html><head><title>Guide</title><style>p { color: red }</style>\
            <script>if (a < b) document.write('<p>no</p>')</script></head><body><h1>A &amp; B</h1>\
            <p>One\n   <b>bold</b> word.<p>Two<ul><li>first<li>second</ul><pre>fn x() {\n    y\n}</pre>after\
            <table><tr><td>a<td>b<tr><td>c</table></body>";
        insta::assert_snapshot!(html(source));
    }

    #[test]
    fn a_slice_goes_on_inside_what_the_last_one_ended_in() {
        let first = extract("<p>a</p><script>let x = 1;", "text/html", &HtmlState::default());
        let second = extract(" let y = '<p>no</p>';</script><p>b", "text/html", &first.state);
        assert_eq!((first.text.as_str(), second.text.as_str()), ("a", "b"));
        let open = extract("<pre>a\n  b", "text/html", &HtmlState::default());
        assert_eq!(extract("\n    c</pre>d", "text/html", &open.state).text, "\n    c\n\nd");
    }

    proptest! {
        #[test]
        fn any_text_is_survived(source in ".*") {
            let _ = html(&source);
        }

        #[test]
        fn any_tags_are_survived(source in "(<[/!]?(p|script|pre|li|svg|a)[ a=\"]{0,4}>?|[a &;]{0,5}){0,40}") {
            let _ = html(&source);
        }
    }
}
