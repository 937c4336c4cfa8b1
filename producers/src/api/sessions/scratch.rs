//! The shared text: edited by several at once, and no edit is lost.
//!
//! Operational transformation: an edit says which revision of the text it was made on; the channel
//! rebases it over what others did since, applies it, and sends everybody the rebased edit. Edits
//! are in the format of ot.js: whole numbers keep (positive) or delete (negative) so many
//! units of UTF-16, strings insert. What it may cost is bounded before it is computed.

use pipeline::{
    constants,
    problem::{Code, Problem},
};

use super::edit::Edit;

/// Why an edit is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It was made on a revision that is not there, or too many edits ago.
    UnknownRevision,
    /// It does not fit the text it says it was made on.
    Misfit,
    /// The text would be longer than [`constants::SCRATCH_BYTES`].
    TooLong,
}

impl Refused {
    /// The answer to who sent it.
    pub fn problem(&self) -> Problem {
        match self {
            Self::UnknownRevision => {
                Problem::new(Code::Conflict, "the revision is not known, or too old; ask for the text again")
            }
            Self::Misfit => {
                let detail = "the operation does not fit the text of its revision, counted in UTF-16 units as ot.js \
                              counts, or would leave half of a surrogate pair";
                Problem::new(Code::Conflict, detail)
            }
            Self::TooLong => {
                let detail = format!("the text would be longer than {} bytes: shorten it", constants::SCRATCH_BYTES);
                Problem::field(Code::TooLarge, "/operation", detail)
            }
        }
    }
}

/// The text and its revision: the number of edits it has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scratch {
    /// How many edits made it.
    pub revision: i64,
    /// The text.
    pub text: String,
}

impl Scratch {
    /// How many edits were made since a revision. An edit made on one that is not there, or too long ago, is
    /// refused by this alone, before any other edit is read.
    pub fn edits_since(&self, revision: i64) -> Result<usize, Refused> {
        let since = self.revision.checked_sub(revision).and_then(|since| usize::try_from(since).ok());
        let reachable = since.filter(|since| revision >= 0 && *since <= constants::EDITS_BEHIND);
        reachable.ok_or(Refused::UnknownRevision)
    }

    /// Takes an edit made on `revision`. `since` are the edits after that revision, in order. Gives
    /// the edit as it was applied.
    pub fn edit(&mut self, revision: i64, edit: Edit, since: &[Edit]) -> Result<Edit, Refused> {
        // Too many or too large to be rebased over, not all of them were read.
        if self.edits_since(revision)? != since.len() {
            return Err(Refused::UnknownRevision);
        }
        let (text, applied) = rebase(edit, since)?.apply(&self.text).ok_or(Refused::Misfit)?;
        if text.len() > constants::SCRATCH_BYTES {
            return Err(Refused::TooLong);
        }
        self.text = text;
        self.revision += 1;
        Ok(applied)
    }
}

/// The edit as it is after others, within [`constants::REBASE_STEPS`].
fn rebase(edit: Edit, others: &[Edit]) -> Result<Edit, Refused> {
    let mut edit = edit;
    let mut taken = 0;
    for other in others {
        taken += edit.steps() + other.steps();
        if taken > constants::REBASE_STEPS {
            return Err(Refused::UnknownRevision);
        }
        edit = edit.after(other).ok_or(Refused::Misfit)?;
    }
    Ok(edit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn edit(parts: Value) -> Edit {
        serde_json::from_value(parts).unwrap()
    }

    fn insert(at: usize, text: &str, length: usize) -> Edit {
        edit(json!([at, text, length - at]))
    }

    #[test]
    fn two_edits_of_the_same_revision_are_both_kept() {
        let mut scratch = Scratch::default();
        let first = scratch.edit(0, insert(0, "hello", 0), &[]).unwrap();
        let second = scratch.edit(1, insert(5, " world", 5), &[]).unwrap();
        let third = scratch.edit(1, insert(0, "> ", 5), std::slice::from_ref(&second)).unwrap();
        assert_eq!((scratch.text.as_str(), scratch.revision), ("> hello world", 3));
        let replayed = [first, second, third].iter().fold(String::new(), |text, edit| edit.apply(&text).unwrap().0);
        assert_eq!(replayed, scratch.text);
    }

    #[test]
    fn what_does_not_fit_is_refused_and_changes_nothing() {
        let mut scratch = Scratch { revision: 3, text: "abc".into() };
        assert_eq!(scratch.edit(7, insert(0, "x", 3), &[]), Err(Refused::UnknownRevision));
        assert_eq!(scratch.edit(3, insert(0, "x", 99), &[]), Err(Refused::Misfit));
        assert_eq!(scratch.edit(3, insert(0, &"x".repeat(constants::SCRATCH_BYTES), 3), &[]), Err(Refused::TooLong));
        assert_eq!(scratch, Scratch { revision: 3, text: "abc".into() });
    }

    #[test]
    fn a_revision_that_is_not_there_or_too_old_is_refused_before_any_edit_is_read() {
        let scratch = Scratch { revision: 1_000, text: String::new() };
        assert_eq!(scratch.edits_since(1_000), Ok(0));
        let oldest = 1_000 - i64::try_from(constants::EDITS_BEHIND).unwrap();
        assert_eq!(scratch.edits_since(oldest), Ok(constants::EDITS_BEHIND));
        for revision in [oldest - 1, 1_001, -1, i64::MIN, i64::MAX] {
            assert_eq!(scratch.edits_since(revision), Err(Refused::UnknownRevision), "{revision}");
        }
    }

    /// Edits of so many parts each, as they were applied one after the other.
    fn busy(edits: usize, parts: usize) -> (Scratch, Vec<Edit>) {
        let mut scratch = Scratch { revision: 0, text: "-".repeat(parts) };
        let mut applied = Vec::new();
        for _ in 0..edits {
            let length = scratch.text.len();
            let mut spread: Vec<Value> = (0..parts / 2).flat_map(|_| [json!(1), json!("x")]).collect();
            spread.push(json!(length - parts / 2));
            let revision = scratch.revision;
            applied.push(scratch.edit(revision, edit(Value::Array(spread)), &[]).unwrap());
        }
        (scratch, applied)
    }

    #[test]
    fn an_edit_that_costs_too_much_to_rebase_is_refused() {
        let (mut scratch, applied) = busy(100, 10);
        assert!(scratch.clone().edit(0, insert(0, "y", 10), &applied).is_ok());
        let long = "y".repeat(constants::FRAME_BYTES);
        assert_eq!(scratch.edit(0, insert(0, &long, 10), &applied), Err(Refused::UnknownRevision));
        let (mut scratch, applied) = busy(100, 500);
        assert_eq!(scratch.edit(0, insert(0, "y", 500), &applied), Err(Refused::UnknownRevision));
    }

    proptest! {
        /// Several write at once, each on the revision it last saw: every letter arrives once.
        #[test]
        fn no_update_is_lost(edits in prop::collection::vec((0usize..3, 0usize..100), 1..30)) {
            let mut scratch = Scratch::default();
            let mut log: Vec<Edit> = Vec::new();
            let mut texts = vec![String::new()];
            // Each writer lags behind by up to so many revisions.
            for (number, (lag, at)) in edits.iter().enumerate() {
                let revision = texts.len() - 1 - (*lag).min(texts.len() - 1);
                let length = texts[revision].chars().count();
                let letter = char::from(b'a' + u8::try_from(number % 26).unwrap());
                let edit = insert((*at).min(length), &letter.to_string(), length);
                let applied = scratch.edit(i64::try_from(revision).unwrap(), edit, &log[revision..]).unwrap();
                log.push(applied);
                texts.push(scratch.text.clone());
            }
            prop_assert_eq!(scratch.text.len(), edits.len());
            let replayed = log.iter().fold(String::new(), |text, edit| edit.apply(&text).unwrap().0);
            prop_assert_eq!(replayed, scratch.text);
        }
    }
}
