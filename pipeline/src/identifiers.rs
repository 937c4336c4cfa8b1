//! Identifiers in code: where `readHttpHeader2` and `read_http_header` come apart into words.
//!
//! The index and the query use the same rules, so that part of a name finds it.

/// The words of `text`: maximal runs of letters, digits and underscores.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !(character.is_alphanumeric() || character == '_')).filter(|word| !word.is_empty())
}

/// The parts of a camelCase or `snake_case` word; the word itself if it has only one.
///
/// An upper-case run keeps together until its last letter begins a word: `HTTPServer` is `HTTP`
/// and `Server`.
pub fn parts(word: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for piece in word.split('_').filter(|piece| !piece.is_empty()) {
        let characters: Vec<(usize, char)> = piece.char_indices().collect();
        let mut start = 0;
        for window in 1..characters.len() {
            let (offset, character) = characters[window];
            let before = characters[window - 1].1;
            let after = characters.get(window + 1).map(|(_, next)| *next);
            let rises = character.is_uppercase() && !before.is_uppercase();
            let run_ends = character.is_uppercase() && before.is_uppercase() && after.is_some_and(char::is_lowercase);
            if rises || run_ends {
                parts.push(&piece[start..offset]);
                start = offset;
            }
        }
        parts.push(&piece[start..]);
    }
    parts
}

/// True for a word that only code spells: camelCase (inner upper case) or `snake_case`.
pub fn is_compound(word: &str) -> bool {
    let inner = word.trim_matches('_');
    inner.contains('_') || is_camel_case(inner)
}

fn is_camel_case(word: &str) -> bool {
    let mut before_lower = false;
    for character in word.chars() {
        if before_lower && character.is_uppercase() {
            return true;
        }
        before_lower = character.is_lowercase() || character.is_ascii_digit();
    }
    false
}

/// The split parts of every camelCase word in `text`, for the index column `ident`. The `snake_case`
/// ones are left out: the tokenizer splits at underscores by itself.
pub fn camel_case_parts(text: &str) -> String {
    let mut split = String::new();
    for word in words(text).filter(|word| is_camel_case(word)) {
        for part in parts(word) {
            if !split.is_empty() {
                split.push(' ');
            }
            split.push_str(part);
        }
    }
    split
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compounds_come_apart() {
        assert_eq!(parts("readHttpHeader2"), ["read", "Http", "Header2"]);
        assert_eq!(parts("read_http__header"), ["read", "http", "header"]);
        assert_eq!(parts("HTTPServer"), ["HTTP", "Server"]);
        assert_eq!(parts("plain"), ["plain"]);
        assert_eq!(parts("Straße"), ["Straße"]);
        assert!(parts("___").is_empty());
    }

    #[test]
    fn what_only_code_spells() {
        assert!(is_compound("camelCase") && is_compound("snake_case"));
        assert!(!is_compound("Sentence") && !is_compound("NASA") && !is_compound("_private"));
    }

    #[test]
    fn only_camel_case_goes_to_the_ident_column() {
        assert_eq!(camel_case_parts("let pageSize = page_size(maxItems);"), "page Size max Items");
    }
}
