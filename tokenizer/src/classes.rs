//! The classes of characters that the pre-tokenizer distinguishes, exact for all of Unicode.

/// What a character is to the pre-tokenizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// None of the others: a symbol, a mark, a control character.
    Other,
    /// `\p{L}`
    Letter,
    /// `\p{N}`
    Number,
    /// White space that ends no line.
    Space,
    /// `\r` or `\n`
    Newline,
    /// There is no character: the text ends.
    End,
}

/// Which of the blocks describes these 256 characters.
static BLOCKS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/blocks.bin"));
/// Blocks of 256 classes of two bits.
static CLASSES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/classes.bin"));
const BLOCK_BYTES: usize = 64;

const ASCII: [Class; 128] = ascii();

const fn ascii() -> [Class; 128] {
    let mut classes = [Class::Other; 128];
    let mut code = 0u8;
    while code < 128 {
        classes[code as usize] = match code {
            b'a'..=b'z' | b'A'..=b'Z' => Class::Letter,
            b'0'..=b'9' => Class::Number,
            b'\n' | b'\r' => Class::Newline,
            b' ' | b'\t' | 0x0B | 0x0C => Class::Space,
            _ => Class::Other,
        };
        code += 1;
    }
    classes
}

/// The class of the character at `at` of a text in UTF-8, and where that character ends.
#[inline]
pub fn class_at(text: &[u8], at: usize) -> (Class, usize) {
    match text.get(at) {
        None => (Class::End, at),
        Some(byte) => match ASCII.get(usize::from(*byte)) {
            Some(class) => (*class, at + 1),
            None => beyond_ascii(text, at, *byte),
        },
    }
}

fn beyond_ascii(text: &[u8], at: usize, first: u8) -> (Class, usize) {
    let bits = |place: usize| usize::from(text.get(at + place).copied().unwrap_or(0) & 0x3F);
    let first = usize::from(first);
    let (code, length) = match first {
        0xF0.. => ((first & 0x07) << 18 | bits(1) << 12 | bits(2) << 6 | bits(3), 4),
        0xE0.. => ((first & 0x0F) << 12 | bits(1) << 6 | bits(2), 3),
        _ => ((first & 0x1F) << 6 | bits(1), 2),
    };
    (class_of(code), at + length)
}

fn class_of(code: usize) -> Class {
    let block = usize::from(BLOCKS.get(code >> 8).copied().unwrap_or(0));
    let four = CLASSES.get(block * BLOCK_BYTES + (code & 0xFF) / 4).copied().unwrap_or(0);
    match four >> (code % 4 * 2) & 3 {
        1 => Class::Letter,
        2 => Class::Number,
        3 => Class::Space,
        _ => Class::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `White_Space` is a property that the standard library knows too, and no version of Unicode has taken from it.
    #[test]
    fn white_space_is_what_the_standard_library_says() {
        for character in (char::MIN..=char::MAX).filter(|character| !character.is_ascii()) {
            assert_eq!(class_of(character as usize) == Class::Space, character.is_whitespace(), "{character:?}");
        }
    }

    #[test]
    fn ascii_is_classed_as_all_of_unicode_is() {
        for (code, class) in ASCII.iter().enumerate() {
            let of_line = matches!(code, 0x0A | 0x0D);
            assert_eq!(*class, if of_line { Class::Newline } else { class_of(code) }, "{code}");
        }
    }

    #[test]
    fn characters_of_any_length_end_where_the_next_begins() {
        let text = "aé漢𝔘";
        let mut at = 0;
        for (start, character) in text.char_indices() {
            assert_eq!(at, start);
            let (class, end) = class_at(text.as_bytes(), at);
            assert_eq!((class, end), (Class::Letter, start + character.len_utf8()));
            at = end;
        }
        assert_eq!(class_at(text.as_bytes(), at), (Class::End, text.len()));
    }
}
