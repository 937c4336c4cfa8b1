//! What a sentence calls a secret: "the password for the VPN is …". Nothing is assigned there, so what counts is a word
//! that says so somewhere in the line, and another that looks random. Too bold for source code, which is full of both;
//! what people say to an agent loses little by it.

use std::ops::Range;

use super::randomness;

/// Words that say that a secret may stand in their line, in any form.
const TELLING: [&str; 9] =
    ["password", "passwd", "passphrase", "passcode", "passwort", "secret", "token", "credential", "api key"];
/// Bytes of the shortest and of the longest that is looked at.
const BYTES: Range<usize> = 8..151;
/// Bytes between the two at most: a sentence, not a paragraph.
const NEAR: usize = 80;
/// What stands around a word.
const AROUND: &[char] =
    &['.', ',', ';', ':', '!', '?', '(', ')', '[', ']', '{', '}', '<', '>', '"', '\'', '`', '*', '_'];

/// The words of a text that a sentence calls a secret, in their order.
pub fn ranges(text: &str) -> impl Iterator<Item = Range<usize>> {
    let words = text.split_whitespace().map(|word| word.trim_matches(AROUND)).filter(|word| is_meant(word));
    // A word is a part of the text, so that it begins within it.
    let ranges = words.map(|word| (word.as_ptr() as usize - text.as_ptr() as usize, word.len()));
    ranges.map(|(start, length)| start..start + length).filter(|range| is_told(text, range))
}

/// True if a word that says so stands near, in the same line.
fn is_told(text: &str, secret: &Range<usize>) -> bool {
    let before = &text[text.floor_char_boundary(secret.start.saturating_sub(NEAR))..secret.start];
    let behind = &text[secret.end..text.floor_char_boundary(text.len().min(secret.end + NEAR))];
    let near = [before.rsplit('\n').next(), behind.split('\n').next()];
    near.into_iter().flatten().any(|near| {
        let lower = near.to_ascii_lowercase();
        TELLING.iter().any(|word| lower.contains(word))
    })
}

/// A path, an address, a call or a name in code is no secret.
fn is_meant(word: &str) -> bool {
    let bytes = word.as_bytes();
    BYTES.contains(&bytes.len())
        && !word.contains(['/', '\\', '(', '=', '_'])
        && (randomness::is_random(bytes) || randomness::is_password(b"", bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<&str> {
        ranges(text).next().map(|range| &text[range])
    }

    #[test]
    fn what_a_sentence_calls_a_secret_is_one() {
        for (text, secret) in [
            ("Remember that the password for the vpn is q83GfkVzRr7i1B3KrW at work.", "q83GfkVzRr7i1B3KrW"),
            (
                "hi\nAlways use token BwR4y9ojfmjoQoaG1LlqsajBIxNKu8iT when calling it",
                "BwR4y9ojfmjoQoaG1LlqsajBIxNKu8iT",
            ),
            ("the admin password should be `wNxEkk2GDEEv!x7` everywhere", "wNxEkk2GDEEv!x7"),
        ] {
            assert_eq!(found(text), Some(secret), "{text}");
        }
    }

    #[test]
    fn all_of_a_text_are_found_and_what_stands_in_another_line_is_not_told() {
        let random = "q83GfkVzRr7i1B3KrW";
        let text = format!("tokens: {}", format!("{random} ").repeat(4));
        assert_eq!(ranges(&text).count(), 4);
        assert_eq!(found(&format!("the password\n{random}\nis a secret")), None);
    }

    #[test]
    fn what_only_talks_of_secrets_is_none() {
        for text in [
            "We rotate every password after 90 days, by Vault 1.15",
            "Tokens come from https://login.example.com/oauth2/v2.0/token",
            "the token endpoint is /oauth2/v2/token and the secret lives in secrets/prod.yaml",
            "We count tokens with cl100k_base, never with o200k_base",
            "a token lives 15 minutes, a secret in Kubernetes 30d",
            "use the commit q83GfkVzRr7i1B3KrW",
            "A token lives 15 minutes. All else of it is told in a paragraph of its own, in the same line, \
             that goes on for a while and then names the commit q83GfkVzRr7i1B3KrW",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
