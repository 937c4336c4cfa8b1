//! What is shown: data on standard output, everything else on standard error, colours where a terminal is.

use std::io::{IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};
use comfy_table::{ContentArrangement, Table, presets};
use console::Term;
use serde_json::Value;

pub use crate::escapes::harmless;
use crate::failure::{Exit, Failure};

/// What stands out.
pub const BOLD: Style = Style::new().bold();
/// What is there for completeness.
pub const DIM: Style = Style::new().dimmed();
/// What went well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// What deserves a look.
pub const WARNING: Style = AnsiColor::Yellow.on_default();
/// What went wrong.
pub const BAD: Style = AnsiColor::Red.on_default();

/// Narrowest screen that anything is arranged for.
const NARROWEST: usize = 40;
/// Where there is no terminal.
const WIDTH: usize = 100;

/// How a command shows what it found.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// Programs read it.
    pub json: bool,
    /// What is on its way is not shown.
    pub quiet: bool,
}

impl Output {
    /// Shows data as JSON, if that is wanted; else does what shows it to people.
    pub fn data(self, value: &Value, people: impl FnOnce()) {
        if self.json {
            match writeln!(anstream::stdout(), "{value}") {
                // Whoever does not read any more hears by the exit code what became of it.
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
                written => check_written(written),
            }
        } else {
            people();
        }
    }

    /// Says what happens, to people.
    pub fn say(self, text: &str) {
        if !self.quiet && !self.json {
            anstream::eprintln!("{text}");
        }
    }

    /// True where bars may move.
    pub fn is_live(self) -> bool {
        !self.quiet && !self.json && std::io::stderr().is_terminal()
    }
}

/// A line of data.
pub fn line(text: &str) {
    check_written(writeln!(anstream::stdout(), "{text}"));
}

/// Ends the program where nothing can be written any more: a reader that has gone is no fault of ours, and others end
/// so, too; a disk that is full is a failure.
fn check_written(written: std::io::Result<()>) {
    match written {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => {
            unwritable(&error).say(false);
            std::process::exit(i32::from(Exit::Failed as u8));
        }
    }
}

fn unwritable(error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("it cannot be written: {error}"))
}

/// A part of a line of data, at once.
pub fn part(text: &str) {
    let mut stdout = anstream::stdout();
    check_written(write!(stdout, "{text}").and_then(|()| stdout.flush()));
}

/// A text in a style.
pub fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// How wide the screen is.
pub fn width() -> usize {
    let (_, columns) = Term::stdout().size_checked().unwrap_or((0, 0));
    match usize::from(columns) {
        0 => WIDTH,
        columns => columns.max(NARROWEST),
    }
}

/// Rows under their names. On a narrow screen texts wrap in their column.
pub fn table(names: &[&str], rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(width()).unwrap_or(u16::MAX));
    table.set_header(names.iter().map(|name| name.to_uppercase()));
    table.add_rows(rows);
    for text in table.to_string().lines() {
        line(text.trim_end());
    }
}

/// A field of an answer as text that may be shown: nothing for what is null.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => harmless(text).into_owned(),
        other => other.to_string(),
    }
}

/// A whole document: as it is, but on a terminal, which would do what it says.
///
/// # Errors
/// It cannot be written.
pub fn document(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    let written = if stdout.is_terminal() {
        stdout.write_all(harmless(&String::from_utf8_lossy(bytes)).as_bytes())
    } else {
        stdout.write_all(bytes)
    };
    match written.and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(unwritable(&error)),
        _ => Ok(()),
    }
}

/// The beginning of a text, in one line and in so many columns.
pub fn excerpt(text: &str, columns: usize) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    console::truncate_str(&harmless(&flat), columns, "…").into_owned()
}

/// A part of a whole, as a bar.
pub fn bar(share: f64, columns: usize) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "columns")]
    let full = (share.clamp(0.0, 1.0) * columns as f64).round() as usize;
    let style = if share >= 1.0 {
        BAD
    } else if share >= 0.8 {
        WARNING
    } else {
        GOOD
    };
    format!("{}{}", styled(style, &"█".repeat(full)), styled(DIM, &"░".repeat(columns - full)))
}

/// True if somebody reads what is shown and answers what is asked.
pub fn somebody_is_there() -> bool {
    std::io::stdin().is_terminal()
}

/// True if what is data goes to a screen, where it may be shown bit by bit and taken back.
pub fn is_screen() -> bool {
    std::io::stdout().is_terminal()
}

/// Looks whether somebody can be asked.
///
/// # Errors
/// Nobody can.
pub fn check_somebody_answers(question: &str, flag: &str) -> Result<(), Failure> {
    if somebody_is_there() {
        return Ok(());
    }
    Err(Failure::new(Exit::Usage, format!("{question} Nobody is here to answer")).advise(format!("say so with {flag}")))
}

/// Asks for a yes, where somebody can give it.
///
/// # Errors
/// Nobody can.
pub fn confirm(question: &str, flag: &str) -> Result<bool, Failure> {
    check_somebody_answers(question, flag)?;
    Ok(matches!(ask(&format!("{question} [y/N] "))?.to_lowercase().as_str(), "y" | "yes"))
}

/// Asks for a line.
///
/// # Errors
/// There is none.
pub fn ask(question: &str) -> Result<String, Failure> {
    anstream::eprint!("{question}");
    let mut answer = String::new();
    match std::io::stdin().read_line(&mut answer) {
        Ok(0) | Err(_) => Err(Failure::new(Exit::Usage, "nothing was answered")),
        Ok(_) => Ok(answer.trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_shown_in_one_line_and_no_wider_than_the_screen() {
        assert_eq!(excerpt("one\n  two\tthree", 80), "one two three");
        assert_eq!(excerpt("ships sail the sea", 8), "ships s…");
    }

    #[test]
    fn a_bar_is_as_wide_as_it_is_said_to_be_whatever_the_share() {
        for share in [-1.0, 0.0, 0.5, 1.0, 7.0] {
            assert_eq!(console::measure_text_width(&bar(share, 20)), 20, "{share}");
        }
    }
}
