//! The shared text: edited by several at once, and no edit is lost.
//!
//! Operational transformation: an edit says which revision of the text it was made on; the channel
//! rebases it over what others did since, applies it, and tells everybody the rebased edit. Edits
//! are in the format of ot.js: whole numbers keep (positive) or delete (negative) so many
//! characters, strings insert.

use operational_transform::OperationSeq;
use pipeline::constants;

/// Why an edit is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It was made on a revision that is not there, or is no longer kept.
    UnknownRevision,
    /// It does not fit the text it says it was made on.
    Misfit,
    /// The text would be longer than [`constants::SCRATCH_BYTES`].
    TooLong,
}

impl Refused {
    /// In words for who sent it.
    pub fn detail(&self) -> String {
        match self {
            Self::UnknownRevision => "the revision is not known, or too old; ask for the text again".to_owned(),
            Self::Misfit => "the operation does not fit the text of its revision".to_owned(),
            Self::TooLong => format!("the text would be longer than {} bytes", constants::SCRATCH_BYTES),
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
    /// Takes an edit made on `revision`. `since` are the edits after that revision, in order. Gives
    /// the edit as it was applied.
    pub fn edit(
        &mut self,
        revision: i64,
        operation: OperationSeq,
        since: &[OperationSeq],
    ) -> Result<OperationSeq, Refused> {
        let seen = i64::try_from(since.len()).unwrap_or(i64::MAX);
        if revision < 0 || revision + seen != self.revision {
            return Err(Refused::UnknownRevision);
        }
        let mut operation = operation;
        for other in since {
            operation = operation.transform(other).map_err(|_| Refused::Misfit)?.0;
        }
        let text = operation.apply(&self.text).map_err(|_| Refused::Misfit)?;
        if text.len() > constants::SCRATCH_BYTES {
            return Err(Refused::TooLong);
        }
        self.text = text;
        self.revision += 1;
        Ok(operation)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn insert(at: u64, text: &str, length: u64) -> OperationSeq {
        let mut operation = OperationSeq::default();
        operation.retain(at);
        operation.insert(text);
        operation.retain(length - at);
        operation
    }

    #[test]
    fn two_edits_of_the_same_revision_are_both_kept() {
        let mut scratch = Scratch::default();
        let first = scratch.edit(0, insert(0, "hello", 0), &[]).unwrap();
        let second = scratch.edit(1, insert(5, " world", 5), &[]).unwrap();
        let third = scratch.edit(1, insert(0, "> ", 5), std::slice::from_ref(&second)).unwrap();
        assert_eq!((scratch.text.as_str(), scratch.revision), ("> hello world", 3));
        let replayed = [first, second, third].iter().fold(String::new(), |text, edit| edit.apply(&text).unwrap());
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

    proptest! {
        /// Several write at once, each on the revision it last saw: every letter arrives once.
        #[test]
        fn no_update_is_lost(edits in prop::collection::vec((0usize..3, 0usize..100), 1..30)) {
            let mut scratch = Scratch::default();
            let mut log: Vec<OperationSeq> = Vec::new();
            let mut texts = vec![String::new()];
            // Each writer lags behind by up to so many revisions.
            for (number, (lag, at)) in edits.iter().enumerate() {
                let revision = texts.len() - 1 - (*lag).min(texts.len() - 1);
                let length = texts[revision].chars().count() as u64;
                let letter = char::from(b'a' + u8::try_from(number % 26).unwrap());
                let operation = insert((*at as u64).min(length), &letter.to_string(), length);
                let applied = scratch.edit(i64::try_from(revision).unwrap(), operation, &log[revision..]).unwrap();
                log.push(applied);
                texts.push(scratch.text.clone());
            }
            prop_assert_eq!(scratch.text.len(), edits.len());
            let replayed = log.iter().fold(String::new(), |text, edit| edit.apply(&text).unwrap());
            prop_assert_eq!(replayed, scratch.text);
        }
    }
}
