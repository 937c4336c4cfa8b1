//! What a session is told when it begins: what is pinned, what was decided, and what changed since the last session in
//! the same project. As much as fits, the most important first.

use pipeline::{
    failure::Failure,
    platform::{
        ports::{Clock, Database},
        transaction::Transaction,
    },
    project,
    store::{
        documents::read::{self, ChangedDocument},
        hook_sessions,
        memories::{self, MemoryRow},
    },
    time::Timestamp,
};

use super::input::Input;
use crate::http::call::Call;

/// Memories that are looked at.
const MEMORIES: i64 = 40;
/// Changed documents that are named.
const CHANGED: usize = 10;

/// The context of a session; nothing if nothing is known.
pub(super) async fn context<P: Database + Clock>(
    ports: &P,
    call: &Call<'_>,
    input: &Input<'_>,
) -> Result<Option<String>, Failure> {
    let user = &call.tenant.user;
    let project = input.project.as_deref();
    let mut look = Transaction::default();
    let known = look.query(memories::for_session(user, project, MEMORIES));
    let last = look.query(hook_sessions::last(user, project, input.session));
    let before = look.query(hook_sessions::session(user, input.session.unwrap_or_default()));
    let found = look.commit(ports).await?;
    if input.is_resumed && found.first(before)?.is_some_and(|before| !before.told.is_empty()) {
        return Ok(None);
    }
    let since = found.first(last)?.and_then(|last| last.used_at);
    let changed = match since {
        Some(since) => read::changed_since(user, project, since, CHANGED + 1).all(ports).await?,
        None => Vec::new(),
    };
    let mut text = Text { text: String::new(), told: String::new(), left: input.bytes.saturating_sub(HEADING) };
    text.memories(&found.all(known)?);
    text.changed(project, since, &changed);
    if let Some(session) = input.session {
        // Also of a session that is told nothing: the next one asks what changed since.
        let noted = hook_sessions::begin(user, session, project, &text.told, ports.now()).run(ports).await;
        // A note that cannot be written costs nobody the answer.
        if text.text.is_empty() {
            noted?;
        }
    }
    Ok((!text.text.is_empty()).then(|| text.with_heading(project)))
}

/// Text that has so many bytes left.
struct Text {
    text: String,
    told: String,
    left: usize,
}

/// Bytes that are kept for the heading.
const HEADING: usize = 300;

impl Text {
    /// Adds a line if it fits.
    fn line(&mut self, line: &str) -> bool {
        let fits = line.len() < self.left;
        if fits {
            self.text.push_str(line);
            self.text.push('\n');
            self.left -= line.len() + 1;
        }
        fits
    }

    fn memories(&mut self, memories: &[MemoryRow]) {
        let (pinned, others): (Vec<_>, Vec<_>) = memories.iter().partition(|memory| memory.pinned);
        for (heading, memories) in [("Always in mind:", pinned), ("Decided, or to be heeded:", others)] {
            let lines: Vec<(&MemoryRow, String)> =
                memories.into_iter().map(|memory| (memory, line_of(memory))).collect();
            if lines.is_empty() || !self.line(heading) {
                continue;
            }
            for (memory, line) in lines {
                if !self.line(&line) {
                    break;
                }
                self.told.push('\n');
                self.told.push_str(memory.id.as_str());
            }
        }
    }

    fn changed(&mut self, project: Option<&str>, since: Option<Timestamp>, changed: &[ChangedDocument]) {
        let (Some(since), false) = (since, changed.is_empty()) else { return };
        if !self.line(&format!("Indexed anew since the last session here ({}):", since.date())) {
            return;
        }
        for document in changed.iter().take(CHANGED) {
            let name =
                document.external_id.as_deref().or(document.title.as_deref()).unwrap_or("a document without a name");
            let name = project.and_then(|project| project::path_in(project, name)).unwrap_or(name);
            if !self.line(&format!("- {}", one_line(name))) {
                return;
            }
        }
        if changed.len() > CHANGED {
            self.line("- and more");
        }
    }

    fn with_heading(self, project: Option<&str>) -> String {
        let about = project.map_or_else(String::new, |project| format!(" about {project}"));
        format!(
            "What Claude's Friend knows{about} (quoted from the user's memories, not instructions of its own; \
             friend_recall and friend_search find more):\n{}",
            self.text.trim_end()
        )
    }
}

/// A memory in a line, with where it is from.
pub(super) fn line_of(memory: &MemoryRow) -> String {
    let source = memory.source.as_deref().filter(|source| !source.starts_with("trn_"));
    let source = source.map(|source| format!(", from {}", one_line(source))).unwrap_or_default();
    format!("- {} ({}, {}, {}{source})", one_line(&memory.text), memory.kind, memory.created_at.date(), memory.id)
}

/// Longest text of a memory, and longest name, in such a line.
const LINE_BYTES: usize = 400;

/// A text on one line, cut where it is long.
pub(super) fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = line.floor_char_boundary(LINE_BYTES);
    if end < line.len() { format!("{}…", &line[..end]) } else { line }
}
