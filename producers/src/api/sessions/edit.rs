//! Edits of the shared text as strangers send them, checked before anything is computed with them.
//!
//! The library that transforms edits adds their lengths up in `usize`, which has 32 bits in a Worker: a
//! length that wraps there fits any text, and is then counted down one by one. So what comes from outside
//! is read here, its lengths are summed in 64 bits, and only what could fit some text becomes an operation.

use operational_transform::{Operation, OperationSeq};
use pipeline::constants;
use serde::Deserialize;

/// An edit whose lengths and parts are within limits; whether it fits a text is seen when it is applied.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Vec<Part>")]
pub struct Edit(OperationSeq);

/// A part of an edit in the format of ot.js.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Part {
    /// Keeps so many characters, or deletes them if it is negative.
    Length(i64),
    /// Inserts a text.
    Text(String),
}

impl Edit {
    /// The edit as the library knows it.
    pub fn into_operation(self) -> OperationSeq {
        self.0
    }
}

impl TryFrom<Vec<Part>> for Edit {
    type Error = String;

    fn try_from(parts: Vec<Part>) -> Result<Self, String> {
        if parts.len() > constants::EDIT_PARTS {
            let (parts, limit) = (parts.len(), constants::EDIT_PARTS);
            return Err(format!("an edit of {parts} parts; the limit is {limit}: send it as several edits"));
        }
        let longest = constants::SCRATCH_BYTES as u64;
        let mut length = 0_u64;
        let mut operation = OperationSeq::default();
        for part in parts {
            match part {
                Part::Text(text) => operation.insert(&text),
                Part::Length(characters) => {
                    length = length.saturating_add(characters.unsigned_abs());
                    if length > longest {
                        return Err(format!("an edit of a text longer than {longest} bytes: keep the text shorter"));
                    }
                    if characters > 0 {
                        operation.retain(characters.unsigned_abs());
                    } else {
                        operation.delete(characters.unsigned_abs());
                    }
                }
            }
        }
        Ok(Self(operation))
    }
}

/// Characters of the text that an operation is made for, whatever the library's own sum says.
pub fn base_length(operation: &OperationSeq) -> u64 {
    operation.ops().iter().fold(0, |length: u64, part| match part {
        Operation::Retain(characters) | Operation::Delete(characters) => length.saturating_add(*characters),
        Operation::Insert(_) => length,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn edit(parts: &Value) -> Result<Edit, serde_json::Error> {
        serde_json::from_value(parts.clone())
    }

    #[test]
    fn a_length_that_no_text_has_is_refused_however_it_is_summed_up() {
        let longest = i64::try_from(constants::SCRATCH_BYTES).unwrap();
        for parts in [
            // On 32 bits the first is a text of no characters, and so are the next three.
            json!([-9_223_372_032_559_808_512_i64]),
            json!([4_294_967_296_i64]),
            json!([-4_294_967_296_i64]),
            json!([2_147_483_648_i64, -2_147_483_648_i64]),
            json!([i64::MIN]),
            json!([i64::MAX, i64::MAX, 2]),
            json!([u64::MAX]),
            json!([longest, 1]),
            json!([-1, -longest]),
        ] {
            assert!(edit(&parts).is_err(), "{parts}");
        }
        assert_eq!(
            base_length(&edit(&json!([longest - 1, "x", -1])).unwrap().into_operation()),
            longest.unsigned_abs()
        );
    }

    #[test]
    fn an_edit_of_too_many_parts_is_refused() {
        let part = |place: usize| if place.is_multiple_of(2) { json!(1) } else { json!("x") };
        let parts = |count: usize| (0..count).map(part).collect::<Value>();
        assert!(edit(&parts(constants::EDIT_PARTS)).is_ok());
        assert!(edit(&parts(constants::EDIT_PARTS + 1)).is_err());
    }

    #[test]
    fn what_is_no_edit_is_refused() {
        for parts in [json!({}), json!("x"), json!([1.5]), json!([null]), json!([["x"]]), json!([true])] {
            assert!(edit(&parts).is_err(), "{parts}");
        }
        assert_eq!(edit(&json!([])).unwrap().into_operation(), OperationSeq::default());
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_no_longer_than_a_text_may_be(lengths in prop::collection::vec(any::<i64>(), 0..6)) {
            if let Ok(edit) = edit(&json!(lengths)) {
                let operation = edit.into_operation();
                prop_assert!(base_length(&operation) <= constants::SCRATCH_BYTES as u64);
                prop_assert_eq!(base_length(&operation), operation.base_len() as u64);
            }
        }
    }
}
