//! Secrets in texts: keys, tokens and private keys, by how they begin.

use std::borrow::Cow;

/// A secret that a text holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secret<'a> {
    /// The rule that knows it.
    pub rule: &'static str,
    /// What is withheld.
    pub text: &'a str,
}

/// The beginnings of secrets, and what they are called.
const BEGINNINGS: [(&str, &str); 5] = [
    ("aws-access-key", "AKIA"),
    ("github-token", "ghp_"),
    ("private-key", "-----BEGIN"),
    ("openai-key", "sk-"),
    ("friend-key", "cf_live_"),
];
/// Fewest bytes of a secret.
const SHORTEST: usize = 16;

/// The first secret in a text.
pub fn find(text: &str) -> Option<Secret<'_>> {
    let found = BEGINNINGS.iter().filter_map(|(rule, beginning)| {
        let start = text.find(beginning)?;
        let rest = &text[start..];
        let end =
            if *rule == "private-key" { rest.len() } else { rest.find(char::is_whitespace).unwrap_or(rest.len()) };
        (end >= SHORTEST).then(|| (start, Secret { rule, text: &rest[..end] }))
    });
    found.min_by_key(|(start, _)| *start).map(|(_, secret)| secret)
}

/// True if a text holds a secret.
pub fn contains(text: &str) -> bool {
    find(text).is_some()
}

/// The text without its secrets.
pub fn withhold(text: &str) -> Cow<'_, str> {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(secret) = find(rest) {
        let start = secret.text.as_ptr() as usize - rest.as_ptr() as usize;
        kept.push_str(&rest[..start]);
        kept.push_str(&format!("[withheld: {}]", secret.rule));
        rest = &rest[start + secret.text.len()..];
    }
    if kept.is_empty() && rest.len() == text.len() {
        return Cow::Borrowed(text);
    }
    kept.push_str(rest);
    Cow::Owned(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_withheld_is_named() {
        assert_eq!(withhold("use AKIAIOSFODNN7EXAMPLE now"), "use [withheld: aws-access-key] now");
        assert_eq!(withhold("nothing"), "nothing");
        assert!(contains("ghp_0123456789abcdef0123") && !contains("ghp_"));
    }
}
