//! Passwords, keys and tokens in a text, found before it is stored.
//!
//! What has a form of its own, such as `ghp_…` or a private key in PEM, is known by that ([`rules`], [`token`],
//! [`private_key`]). What has none is known by what stands before it, a name that says so ([`assigned`]), `Bearer` or
//! the user in a URL ([`credentials`]), and by looking random ([`randomness`]): source code is full of passwords that
//! are variables, samples and types.
//!
//! The rules, their names, beginnings, alphabets and lengths, are those of gitleaks 8.30
//! (<https://github.com/gitleaks/gitleaks>, `config/gitleaks.toml`, MIT licence), as far as they know a secret by its
//! form or by a general name. Of the names of single services, and of its 1,446 stop words, nothing is kept: pairs of
//! letters tell words from what is random. A line of a file that says `gitleaks:allow` is left alone, as it is there
//! ([`find_unmarked`]); what is said to an agent or by one has no such marks.
//!
//! It runs inside of Workers, so there are no regular expressions. Three bytes at a time are looked up in a bitmap of
//! what rules begin with; only where it says so the rules themselves are asked. No rule reads on without a bound.

mod assigned;
mod credentials;
mod private_key;
mod prose;
mod randomness;
mod rules;
mod token;

use std::{borrow::Cow, ops::Range};

use self::rules::{Form, Rule};

/// A line that says so holds no secret, whatever it looks like.
const ALLOWED: &[u8] = b"gitleaks:allow";
/// How far from a secret that is looked for: a line may be as long as its text.
const ALLOWED_WITHIN: usize = 1_000;
/// The rule of what a sentence calls a secret.
const SAID: &str = "said-to-be-secret";

/// A secret in a text. It has no `Debug`: it must not end up in a log.
#[derive(Clone, Copy)]
pub struct Secret<'a> {
    /// The rule that it was found by, as gitleaks calls it where it knows it.
    pub rule: &'static str,
    /// The secret itself.
    pub text: &'a str,
    /// The line that it begins on, from 1.
    pub line: usize,
    start: usize,
}

impl Secret<'_> {
    /// What is said of it: the rule and the line, and nothing of the secret.
    pub fn described(&self) -> String {
        format!("line {} holds what looks like a secret ({})", self.line, self.rule)
    }
}

/// What a rule found.
struct Found {
    rule: &'static str,
    range: Range<usize>,
}

/// The first secret of a text.
pub fn find(text: &str) -> Option<Secret<'_>> {
    found(text, next(text, 0, Marks::Nothing)?)
}

/// The first secret of a file's text, but for lines that say `gitleaks:allow`.
pub fn find_unmarked(text: &str) -> Option<Secret<'_>> {
    found(text, next(text, 0, Marks::Allowed)?)
}

/// The first secret of what somebody says: also a word that looks random in a sentence about passwords.
pub fn find_said(text: &str) -> Option<Secret<'_>> {
    find(text).or_else(|| found(text, (SAID, prose::ranges(text).next()?)))
}

fn found<'a>(text: &'a str, (rule, range): (&'static str, Range<usize>)) -> Option<Secret<'a>> {
    let line = 1 + text.get(..range.start).unwrap_or_default().matches('\n').count();
    Some(Secret { rule, text: text.get(range.clone())?, line, start: range.start })
}

/// What `gitleaks:allow` on a line means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Marks {
    /// Somebody who knows it says that the line holds no secret.
    Allowed,
    /// Nothing: whoever is to be kept from it could write it.
    Nothing,
}

/// The text with `[withheld: <rule>]` in place of each secret.
pub fn withhold(text: &str) -> Cow<'_, str> {
    let mut withheld = Cow::Borrowed(text);
    // What stands beside a secret that is gone may be another by now: `AKIA…` that went on as `ghp_…` did.
    while let Some(secret) = find(&withheld) {
        let first = (secret.rule, secret.start..secret.start + secret.text.len());
        withheld = Cow::Owned(without(&withheld, first));
    }
    withheld
}

/// The same of what somebody says ([`find_said`]).
pub fn withhold_said(text: &str) -> String {
    let withheld = withhold(text);
    let mut kept = String::with_capacity(withheld.len());
    let mut end = 0;
    for range in prose::ranges(&withheld) {
        kept.push_str(&withheld[end..range.start]);
        kept.push_str(&format!("[withheld: {SAID}]"));
        end = range.end;
    }
    kept.push_str(&withheld[end..]);
    kept
}

/// The text without this secret and those behind it.
fn without(text: &str, first: (&'static str, Range<usize>)) -> String {
    let mut kept = String::with_capacity(text.len());
    let (mut end, mut secret) = (0, Some(first));
    while let Some((rule, range)) = secret {
        kept.push_str(text.get(end..range.start).unwrap_or_default());
        kept.push_str(&format!("[withheld: {rule}]"));
        end = range.end;
        secret = next(text, end, Marks::Nothing);
    }
    kept.push_str(text.get(end..).unwrap_or_default());
    kept
}

/// The first secret that begins at this place or behind it: what stands before counts for nothing.
fn next(text: &str, from: usize, marks: Marks) -> Option<(&'static str, Range<usize>)> {
    let bytes = text.as_bytes();
    let mut from = from;
    loop {
        let Found { rule, range } = search(bytes.get(from..)?, false)?;
        let range = from + range.start..from + range.end;
        if marks == Marks::Nothing || !is_allowed(bytes, &range) {
            return Some((rule, range));
        }
        // What it seemed to reach over may hold another, on a line that nobody spoke for.
        let line = bytes.get(range.clone())?.iter().position(|byte| *byte == b'\n');
        from = line.map_or(range.end, |end| range.start + end + 1);
    }
}

/// True if somebody who knows it said, on its line, that it is none.
fn is_allowed(bytes: &[u8], secret: &Range<usize>) -> bool {
    let before = bytes.get(secret.start.saturating_sub(ALLOWED_WITHIN)..secret.start).unwrap_or_default();
    let behind = bytes.get(secret.end..bytes.len().min(secret.end + ALLOWED_WITHIN)).unwrap_or_default();
    let before = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let behind = behind.split(|byte| *byte == b'\n').next().unwrap_or_default();
    [before, behind].iter().any(|part| part.windows(ALLOWED.len()).any(|words| words == ALLOWED))
}

/// The first secret; of those with a form of their own alone, if that is asked.
fn search(bytes: &[u8], has_own_form: bool) -> Option<Found> {
    let (mut before, mut thirds) = (0, 0);
    for (place, byte) in bytes.iter().enumerate() {
        if rules::is_among(thirds, *byte)
            && let Some(start) = place.checked_sub(2)
            && let Some(found) = at(bytes, start, has_own_form)
        {
            return Some(found);
        }
        thirds = rules::third(before, *byte);
        before = *byte;
    }
    None
}

/// What a rule finds that begins here.
#[inline(never)]
fn at(bytes: &[u8], start: usize, has_own_form: bool) -> Option<Found> {
    for rule in rules::beginning_with(*bytes.get(start)?) {
        let is_asked = !has_own_form || matches!(rule.form, Form::Token { .. });
        if !is_asked || !rule.begins_at(bytes, start) {
            continue;
        }
        let Some(range) = range(rule, bytes, start) else { continue };
        if matches!(rule.form, Form::Token { .. } | Form::PrivateKey) {
            return Some(Found { rule: rule.name, range });
        }
        // Behind a name may stand what has a form of its own: it is called by that.
        let Range { start: value, end } = range;
        let own = search(bytes.get(value..end).unwrap_or_default(), true);
        let named = own.map_or(rule.name, |own| own.rule);
        return Some(Found { rule: named, range: value..end });
    }
    None
}

fn range(rule: &Rule, bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let end = start + rule.begins.len();
    match rule.form {
        Form::Token { before, parts, holds } => token::range(before, parts, holds, bytes, start, end),
        Form::Named(qualifiers) => assigned::range(qualifiers, bytes, start, end),
        Form::PrivateKey => private_key::range(bytes, start, end),
        Form::Url => credentials::in_url(bytes, end),
        Form::UserOption => credentials::in_option(bytes, end),
        Form::Bearer => credentials::bearer(bytes, end),
        Form::Basic => credentials::basic(bytes, end),
    }
}

#[cfg(test)]
mod tests;
