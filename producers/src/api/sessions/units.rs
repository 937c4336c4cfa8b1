//! Texts counted in UTF-16 units, as JavaScript counts them and so ot.js does.
//!
//! The library that transforms edits counts `char`s. So it is given texts in which each unit is one `char`: a character
//! of the basic plane is itself, and each half of a surrogate pair has its place in a plane for private use. A text
//! without such pairs, as most are, is its own form.

use std::borrow::Cow;

/// Where the halves of surrogate pairs begin among the units of UTF-16.
const FIRST_HALF: u32 = 0xd800;
/// Where they are put, in the order they have there.
const PLACE_OF_HALVES: u32 = 0x10_0000;
/// What characters begin with in UTF-8 that are two units in UTF-16.
const PAIRS_BEGIN_WITH: u8 = 0xf0;

/// A text as the library is to count it.
pub fn of_text(text: &str) -> Cow<'_, str> {
    if has_none_of_two(text) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.encode_utf16().map(of_unit).collect())
}

/// The text that these units are; `None` where half of a pair stands alone.
pub fn to_text(units: &str) -> Option<Cow<'_, str>> {
    if has_none_of_two(units) {
        return Some(Cow::Borrowed(units));
    }
    let units: Vec<u16> = units.chars().map(unit).collect();
    String::from_utf16(&units).ok().map(Cow::Owned)
}

/// Units from UTF-8 in which half of a pair may stand alone, as in a string of JSON (`"\ud83d"`). There it has three
/// bytes, the last two of which have six bits of it each. <https://simonsapin.github.io/wtf-8/>
pub fn of_bytes(bytes: &[u8]) -> String {
    let mut units = String::new();
    let mut rest = bytes;
    loop {
        let error = match str::from_utf8(rest) {
            Ok(text) => return units + &of_text(text),
            Err(error) => error,
        };
        let (text, half) = rest.split_at(error.valid_up_to());
        units += &of_text(str::from_utf8(text).unwrap_or_default());
        let [_, middle, last, after @ ..] = half else { return units };
        units.push(of_unit(0xd000 | u16::from(middle & 0x3f) << 6 | u16::from(last & 0x3f)));
        rest = after;
    }
}

/// True for the first half of a pair.
pub const fn is_first_half(unit: char) -> bool {
    matches!(unit, '\u{100000}'..='\u{1003ff}')
}

/// True for the second half of a pair.
pub const fn is_second_half(unit: char) -> bool {
    matches!(unit, '\u{100400}'..='\u{1007ff}')
}

fn has_none_of_two(text: &str) -> bool {
    text.bytes().all(|byte| byte < PAIRS_BEGIN_WITH)
}

fn of_unit(unit: u16) -> char {
    let code = u32::from(unit);
    let half = || char::from_u32(code.wrapping_sub(FIRST_HALF).wrapping_add(PLACE_OF_HALVES));
    char::from_u32(code).or_else(half).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn unit(character: char) -> u16 {
    let code = u32::from(character);
    let half = || code.wrapping_sub(PLACE_OF_HALVES).wrapping_add(FIRST_HALF);
    u16::try_from(if code < PLACE_OF_HALVES { code } else { half() }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn half_a_pair_is_a_unit_and_no_text() {
        let whole = of_text("a🐋b");
        assert_eq!(whole.chars().count(), 4);
        let half: String = whole.chars().take(2).collect();
        assert!(half.chars().next_back().is_some_and(is_first_half));
        assert!(whole.chars().nth(2).is_some_and(is_second_half));
        assert_eq!((to_text(&half), to_text(&whole).as_deref()), (None, Some("a🐋b")));
        let lone = [b"x".as_slice(), &[0xed, 0xa0, 0xbd], "y🐋".as_bytes()].concat();
        let units: Vec<u16> = of_bytes(&lone).chars().map(unit).collect();
        assert_eq!(units, [0x78, 0xd83d, 0x79, 0xd83d, 0xdc0b]);
    }

    proptest! {
        #[test]
        fn every_text_has_as_many_units_as_javascript_counts_and_comes_back(
            text in "[a-c\u{d7ff}\u{ffff}\u{10000}-\u{10ffff}]{0,20}",
        ) {
            let units = of_text(&text);
            prop_assert_eq!(units.chars().count(), text.encode_utf16().count());
            let again = to_text(&units);
            prop_assert_eq!(again.as_deref(), Some(text.as_str()));
            prop_assert_eq!(of_bytes(text.as_bytes()), units);
        }
    }
}
