//! Edits of the shared text as strangers send them, checked before anything is computed with them.
//!
//! The library that transforms edits adds their lengths up in `usize`, which has 32 bits in a Worker: a
//! length that wraps there fits any text, and is then counted down one by one. So what comes from outside
//! is read here, its lengths are summed in 64 bits, and only what could fit some text becomes an operation.
//!
//! It is read into the form that [`units`] gives to texts, so that the library counts as ot.js does, and written as
//! ot.js reads it.

use std::{borrow::Cow, fmt};

use operational_transform::{Operation, OperationSeq};
use pipeline::constants;
use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
    ser,
};
use serde_json::value::RawValue;

use super::units;

/// Bytes that are copied in about the time a part takes to be looked at.
const BYTES_PER_STEP: usize = 64;

/// An edit whose lengths and parts are within limits; whether it fits a text is seen when it is applied.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<Part>")]
pub struct Edit(#[schemars(with = "Vec<Part>")] OperationSeq);

/// A part of an edit in the format of ot.js.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
enum Part {
    /// Keeps so many units, or deletes them if it is negative.
    Length(i64),
    /// Inserts a text, in units.
    Text(String),
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let part: Box<RawValue> = Deserialize::deserialize(deserializer)?;
        if part.get().starts_with('"') {
            return Ok(Self::Text(serde_json::from_str::<Units>(part.get()).map_err(D::Error::custom)?.0));
        }
        serde_json::from_str(part.get()).map(Self::Length).map_err(D::Error::custom)
    }
}

/// A string of JSON, which may hold half of a pair: ot.js replaces the other half alone.
struct Units(String);

impl<'de> Deserialize<'de> for Units {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Units;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a text")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Units, E> {
                Ok(Units(units::of_bytes(bytes)))
            }
        }
        deserializer.deserialize_bytes(Bytes)
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
        let lengths = parts.iter().fold(0_u64, |sum, part| match part {
            Part::Length(length) => sum.saturating_add(length.unsigned_abs()),
            Part::Text(_) => sum,
        });
        if lengths > longest {
            return Err(format!("an edit of a text longer than {longest} bytes: keep the text shorter"));
        }
        Ok(Self::of(parts))
    }
}

impl Serialize for Edit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.ops().iter().map(Written::of).collect::<Option<Vec<_>>>().ok_or_else(no_text)?.serialize(serializer)
    }
}

/// What is applied leaves no half of a pair, nor does it insert one.
fn no_text<E: ser::Error>() -> E {
    E::custom("an edit that inserts half of a surrogate pair")
}

/// A part as it is written.
#[derive(Serialize)]
#[serde(untagged)]
enum Written<'a> {
    Kept(u64),
    Deleted(i64),
    Inserted(Cow<'a, str>),
}

impl<'a> Written<'a> {
    fn of(part: &'a Operation) -> Option<Self> {
        Some(match part {
            Operation::Retain(units) => Self::Kept(*units),
            Operation::Delete(units) => Self::Deleted(0_i64.checked_sub_unsigned(*units)?),
            Operation::Insert(text) => Self::Inserted(units::to_text(text)?),
        })
    }
}

impl Edit {
    /// An edit that a log kept: it was within limits before it was rebased, and may have more parts since.
    pub fn of_log(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text).map(Self::of)
    }

    fn of(parts: Vec<Part>) -> Self {
        let mut operation = OperationSeq::default();
        for part in parts {
            match part {
                Part::Text(text) => operation.insert(&text),
                Part::Length(units) if units > 0 => operation.retain(units.unsigned_abs()),
                Part::Length(units) => operation.delete(units.unsigned_abs()),
            }
        }
        Self(operation)
    }

    /// What it costs in one transformation.
    pub fn steps(&self) -> usize {
        let of_part = |part: &Operation| match part {
            Operation::Insert(text) => 1 + text.len() / BYTES_PER_STEP,
            Operation::Retain(_) | Operation::Delete(_) => 1,
        };
        self.0.ops().iter().map(of_part).sum()
    }

    /// Units of the text that it is made for, whatever the library's own sum says.
    pub fn base_length(&self) -> u64 {
        self.0.ops().iter().fold(0, |sum: u64, part| sum.saturating_add(length(part)))
    }

    /// The edit as it is after another of the same text; `None` if they are not of the same.
    pub fn after(&self, other: &Self) -> Option<Self> {
        if self.base_length() != other.base_length() {
            return None;
        }
        Some(Self(self.0.transform(&other.0).ok()?.0))
    }

    /// The text with this edit, and the edit as it is passed on: of whole pairs, so that nobody has to write half of
    /// one. `None` if it does not fit the text, or would leave a half alone.
    pub fn apply(&self, text: &str) -> Option<(String, Self)> {
        let before = units::of_text(text);
        if self.base_length() != before.chars().count() as u64 {
            return None;
        }
        let after = self.0.apply(&before).ok()?;
        let after = units::to_text(&after)?.into_owned();
        // Where there is no pair none is taken apart.
        let is_whole = matches!(before, Cow::Borrowed(_));
        Some((after, if is_whole { self.clone() } else { self.whole(&before) }))
    }

    /// The same edit of these units, with every half that is kept while its other half is not, deleted and inserted.
    fn whole(&self, before: &str) -> Self {
        let before: Vec<char> = before.chars().collect();
        let mut rest = before.as_slice();
        let mut whole = OperationSeq::default();
        for part in self.0.ops() {
            let length = usize::try_from(length(part)).unwrap_or(usize::MAX).min(rest.len());
            let (units, after) = rest.split_at(length);
            match part {
                Operation::Insert(text) => whole.insert(text),
                Operation::Delete(units) => whole.delete(*units),
                Operation::Retain(_) => keep(&mut whole, units),
            }
            rest = after;
        }
        Self(whole)
    }
}

/// Units of the text before it that a part is about.
const fn length(part: &Operation) -> u64 {
    match part {
        Operation::Retain(units) | Operation::Delete(units) => *units,
        Operation::Insert(_) => 0,
    }
}

/// Keeps units, but deletes and inserts the halves of pairs at their ends.
fn keep(whole: &mut OperationSeq, units: &[char]) {
    let replace = |whole: &mut OperationSeq, half: char| {
        whole.insert(half.encode_utf8(&mut [0; 4]));
        whole.delete(1);
    };
    let (first, units) = match units {
        [first, rest @ ..] if units::is_second_half(*first) => (Some(*first), rest),
        all => (None, all),
    };
    let (units, last) = match units {
        [rest @ .., last] if units::is_first_half(*last) => (rest, Some(*last)),
        all => (all, None),
    };
    if let Some(first) = first {
        replace(whole, first);
    }
    whole.retain(units.len() as u64);
    if let Some(last) = last {
        replace(whole, last);
    }
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
        assert_eq!(edit(&json!([longest - 1, "x", -1])).unwrap().base_length(), longest.unsigned_abs());
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
        assert_eq!(edit(&json!([])).unwrap(), Edit::default());
    }

    #[test]
    fn a_whale_is_two_units_as_in_javascript() {
        let (text, passed_on) = edit(&json!([2, "!", -2, 1])).unwrap().apply("🐋🐋.").unwrap();
        assert_eq!((text.as_str(), serde_json::to_value(&passed_on).unwrap()), ("🐋!.", json!([2, "!", -2, 1])));
        assert_eq!(edit(&json!([1, "!", -1, 1])).unwrap().apply("🐋🐋."), None, "those are four characters");
    }

    #[test]
    fn an_edit_that_leaves_half_a_pair_does_not_fit() {
        for half in ["[1,\"x\",1]", "[1,-1]", "[-1,1]", "[2,\"\\ud83d\"]", "[\"\\udc0b\",2]", "[1,\"\\ud83d\",-1]"] {
            let edit: Edit = serde_json::from_str(half).unwrap();
            assert_eq!(edit.apply("🐋"), None, "{half}");
        }
    }

    /// ot.js replaces only what differs: of two emoji often the second half.
    #[test]
    fn half_a_pair_may_be_replaced_and_is_passed_on_whole() {
        for (half, text, whole) in [
            ("[1,\"\\udc0c\",-1]", "🐌", json!(["🐌", -2])),
            ("[\"\\ud83e\",-1,1]", "🠋", json!(["🠋", -2])),
            ("[1,\"\\udc0c🐋\\ud83d\",1]", "🐌🐋🐋", json!(["🐌🐋🐋", -2])),
        ] {
            let edit: Edit = serde_json::from_str(half).unwrap();
            let (after, passed_on) = edit.apply("🐋").unwrap();
            assert_eq!((after.as_str(), serde_json::to_value(&passed_on).unwrap()), (text, whole), "{half}");
        }
    }

    #[test]
    fn what_a_log_of_the_version_before_kept_is_read() {
        let kept = serde_json::to_string(&json!((0..2_000).flat_map(|_| [json!(1), json!("é")]).collect::<Vec<_>>()));
        assert_eq!(Edit::of_log(&kept.unwrap()).unwrap().base_length(), 2_000, "however many parts it has");
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_no_longer_than_a_text_may_be(lengths in prop::collection::vec(any::<i64>(), 0..6)) {
            if let Ok(edit) = edit(&json!(lengths)) {
                prop_assert!(edit.base_length() <= constants::SCRATCH_BYTES as u64);
                prop_assert_eq!(edit.base_length(), edit.0.base_len() as u64);
            }
        }
    }
}
