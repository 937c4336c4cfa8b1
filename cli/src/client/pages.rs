//! Lists, page by page.

use pipeline::constants::PAGE;
use serde_json::Value;

use super::Client;
use crate::failure::Failure;

/// A text as it may stand in a query.
pub fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'/') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// The entries of a list, at most so many; `path` may have parameters.
///
/// # Errors
/// The server refuses, or is not reached.
pub fn list(client: &Client, path: &str, most: usize) -> Result<Vec<Value>, Failure> {
    let mut entries = Vec::new();
    let joint = if path.contains('?') { '&' } else { '?' };
    let mut cursor = String::new();
    while entries.len() < most {
        let limit = PAGE.min(most - entries.len());
        let page = client.get(&format!("{path}{joint}limit={limit}{cursor}"))?;
        let items = page["items"].as_array().ok_or_else(|| Failure::no_friend("a list"))?;
        entries.extend(items.iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={}", encoded(next));
    }
    entries.truncate(most);
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_in_a_query_is_encoded() {
        assert_eq!(encoded("a b&c=ü/x.rs"), "a%20b%26c%3D%C3%BC/x.rs");
    }
}
