//! API keys: `cf_<env>_<id>_<secret><check>`.
//!
//! `id` finds the row, `secret` is 160 random bits, `check` is a checksum that distinguishes a mistyped
//! key from a wrong one without a look-up (and lets scanners recognise leaked keys). Stored is only
//! HMAC-SHA-256(pepper, key); it is compared in constant time.

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Random bytes a new key is made from: 10 for its id, 20 for its secret.
pub const RANDOM_BYTES: usize = 30;
const ID_BYTES: usize = 10;
const CHECK_CHARACTERS: usize = 6;

/// A key as its owner holds it. Has no `Debug`: it must not end up in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    text: String,
    id_end: usize,
    id_start: usize,
}

impl ApiKey {
    /// Makes a key for an environment such as `local` or `live` (lower-case letters only).
    pub fn new(environment: &str, random: &[u8; RANDOM_BYTES]) -> Self {
        let (id, secret) = random.split_at(ID_BYTES);
        let id = BASE32_NOPAD.encode(id).to_lowercase();
        let body = format!("cf_{environment}_{id}_{}", BASE32_NOPAD.encode(secret).to_lowercase());
        let id_start = "cf_".len() + environment.len() + 1;
        Self { id_end: id_start + id.len(), id_start, text: format!("{body}{}", check(&body)) }
    }

    /// Reads a key from an `Authorization` header; `None` if it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('_');
        let (prefix, environment, id) = (parts.next()?, parts.next()?, parts.next()?);
        let secret = parts.next()?;
        let plausible = prefix == "cf"
            && parts.next().is_none()
            && text.len() <= 128
            && text.is_ascii()
            && !id.is_empty()
            && secret.len() > CHECK_CHARACTERS;
        if !plausible {
            return None;
        }
        let (body, given) = text.split_at(text.len() - CHECK_CHARACTERS);
        if check(body) != given {
            return None;
        }
        let id_start = prefix.len() + environment.len() + 2;
        Some(Self { text: text.to_owned(), id_start, id_end: id_start + id.len() })
    }

    /// The public part, by which the key's row is found.
    pub fn id(&self) -> &str {
        &self.text[self.id_start..self.id_end]
    }

    /// The whole key, to hand to its owner, once.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// What is stored of the key: hex HMAC-SHA-256 under the deployment's pepper.
    pub fn digest(&self, pepper: &[u8]) -> String {
        HEXLOWER.encode(&authentication_code(pepper, self.text.as_bytes()))
    }

    /// Compares with a stored [`digest`](Self::digest) in constant time.
    pub fn matches(&self, pepper: &[u8], stored: &str) -> bool {
        self.digest(pepper).as_bytes().ct_eq(stored.as_bytes()).into()
    }
}

/// Compares two secrets in time that does not depend on where they differ.
pub fn same_secret(given: &str, expected: &str) -> bool {
    let digests = [given, expected].map(|secret| Sha256::digest(secret.as_bytes()));
    digests[0].ct_eq(&digests[1]).into()
}

fn authentication_code(pepper: &[u8], message: &[u8]) -> Vec<u8> {
    // HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(pepper) else { return Vec::new() };
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

fn check(body: &str) -> String {
    let mut text = BASE32_NOPAD.encode(&Sha256::digest(body.as_bytes())[..5]).to_lowercase();
    text.truncate(CHECK_CHARACTERS);
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_reads_back_and_matches_only_itself() {
        let key = ApiKey::new("local", &[7; RANDOM_BYTES]);
        let read = ApiKey::parse(key.reveal()).unwrap();
        assert_eq!(read.id(), key.id());
        assert!(read.matches(b"pepper", &key.digest(b"pepper")));
        assert!(!read.matches(b"other", &key.digest(b"pepper")));
        assert!(!ApiKey::new("local", &[8; RANDOM_BYTES]).matches(b"pepper", &key.digest(b"pepper")));
    }

    #[test]
    fn a_mistyped_key_is_no_key() {
        let key = ApiKey::new("live", &[7; RANDOM_BYTES]);
        let mistyped = key.reveal().replacen('a', "b", 1);
        assert!(mistyped == key.reveal() || ApiKey::parse(&mistyped).is_none());
        assert!(ApiKey::parse("cf_local").is_none());
        assert!(ApiKey::parse("").is_none());
    }

    #[test]
    fn the_code_is_the_one_of_rfc_4231() {
        // Test case 2 of RFC 4231.
        let code = authentication_code(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(HEXLOWER.encode(&code), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".*") {
            let _ = ApiKey::parse(&text);
        }
    }
}
