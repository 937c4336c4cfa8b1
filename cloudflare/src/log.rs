//! One structured line per request and per message. Never content, never secrets.

use serde::Serialize;

/// Writes one JSON line.
pub fn log(line: &impl Serialize) {
    if let Ok(text) = serde_json::to_string(line) {
        worker::console_log!("{text}");
    }
}
