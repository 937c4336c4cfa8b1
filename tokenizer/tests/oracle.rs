//! Every result is compared with tiktoken-rs, whose tables the crate is built from.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{env, fs, path::Path};

use proptest::{collection::vec, prelude::*, sample::select};
use tiktoken_rs::{CoreBPE, cl100k_base_singleton};

/// Where tiktoken-rs has tokens begin.
fn expected(text: &str) -> Vec<usize> {
    let vocabulary: &CoreBPE = cl100k_base_singleton();
    let mut at = 0;
    let mut starts = Vec::new();
    for token in vocabulary.encode_ordinary(text) {
        starts.push(at);
        at += vocabulary.decode_bytes(&[token]).unwrap().len();
    }
    starts
}

fn actual(text: &str) -> Vec<usize> {
    let mut starts = Vec::new();
    tokenizer::for_each_start(text, |start| starts.push(start));
    starts
}

/// Fails with the words around the first difference rather than with a whole file.
#[track_caller]
fn check(name: &str, text: &str) {
    let (expected, actual) = (expected(text), actual(text));
    if expected == actual {
        assert_eq!(tokenizer::count(text), actual.len());
        assert!(tokenizer::least(text) <= actual.len(), "{name}: at least {}", tokenizer::least(text));
        return;
    }
    let place = expected.iter().zip(&actual).take_while(|(left, right)| left == right).count();
    let around = expected[place.saturating_sub(4)..].iter().take(12).collect::<Vec<_>>();
    let at = expected[place.saturating_sub(1)];
    let excerpt = String::from_utf8_lossy(&text.as_bytes()[at..text.len().min(at + 40)]);
    panic!("{name}: tokens begin at {around:?}, not at {:?}: {excerpt:?}", actual.get(place));
}

/// Beside letters and digits: every kind of white space, of contraction, of mark, of line end.
const PIECES: [&str; 56] = [
    " ",
    "  ",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    "\u{b}",
    "\u{c}",
    "\u{85}",
    "\u{a0}",
    "\u{1680}",
    "\u{2003}",
    "\u{2028}",
    "\u{202f}",
    "\u{3000}",
    "\u{200b}",
    "\u{feff}",
    "'",
    "'s",
    "'S",
    "'ſ",
    "'t",
    "'LL",
    "'lL",
    "'vE",
    "'re",
    "'d",
    "'m",
    "’s",
    "\u{212a}",
    "ſ",
    "İ",
    "ß",
    "e\u{301}",
    "\u{301}",
    "1",
    "12",
    "2024",
    "½",
    "٣",
    "Ⅷ",
    "²",
    "!",
    "--",
    "{}",
    "_",
    "#",
    "😀",
    "👩\u{200d}👩\u{200d}👧",
    "漢字",
    "かな",
    "ไทย",
    "한국",
    "हिन्दी",
    "\u{10ffff}",
];

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => select(&PIECES[..]).prop_map(str::to_owned),
        3 => "[a-zA-Z]{1,12}",
        1 => "[ \\t\\r\\n]{1,6}",
        1 => "[0-9]{1,9}",
        1 => "\\p{L}{1,6}",
        1 => "\\PC{1,4}",
        1 => any::<char>().prop_map(String::from),
        1 => "[!-/:-@]{1,8}",
        1 => ("[a-z_]{1,4}|[^ ]|\\s", 1usize..120).prop_map(|(piece, times)| piece.repeat(times)),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn cases() -> u32 {
    env::var("CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(4_096)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases()) })]
    #[test]
    fn any_text_is_tokenized_as_tiktoken_does(text in text()) {
        prop_assert_eq!(actual(&text), expected(&text));
        prop_assert_eq!(tokenizer::count(&text), expected(&text).len());
    }

    #[test]
    fn a_beginning_has_no_more_tokens_than_it_may_and_is_whole_if_the_text_has_not(text in text(), most in 0usize..60) {
        let beginning = tokenizer::beginning(&text, most);
        prop_assert_eq!(beginning.bytes == text.len(), expected(&text).len() <= most);
        prop_assert!(beginning.tokens <= most && expected(&text[..beginning.bytes]).len() <= beginning.tokens);
    }
}

#[test]
fn a_beginning_is_as_long_as_its_tokens_allow() {
    let beginning = |text, most| {
        let tokenizer::Beginning { bytes, tokens } = tokenizer::beginning(text, most);
        (&text[..bytes], tokens)
    };
    assert_eq!(beginning("one two three", 2), ("one two", 2));
    assert_eq!(beginning("one two three", 3), ("one two three", 3));
    assert_eq!(beginning("one  two", 2), ("one", 1), "the second token is white space");
    assert_eq!(beginning("tokenization", 1), ("token", 1));
    assert_eq!(beginning("one", 0), ("", 0));
    assert_eq!(beginning("", 0), ("", 0));
}

/// Between what a character can be joined with: a letter, a digit, a symbol, white space, an apostrophe, itself.
#[test]
fn every_character_is_classed_as_tiktoken_does() {
    let mut text = String::new();
    for (place, character) in (char::MIN..=char::MAX).enumerate() {
        text.extend(['a', character, '1', character, character, ' ', character, '.', '\'', character, 'l', ' ']);
        if place % 65_536 == 65_535 || character == char::MAX {
            check(&format!("before U+{:X}", u32::from(character)), &text);
            text.clear();
        }
    }
}

#[test]
fn long_words_are_tokenized_whole() {
    for (piece, times) in [("a", 20_000), ("ab", 9_000), (" ", 20_000), ("漢", 5_000), ("=", 20_000), ("é", 5_000)] {
        check(piece, &piece.repeat(times));
    }
    let mixed: String = (0u32..30_000).map(|place| char::from(b'a' + (place * place / 7 % 26) as u8)).collect();
    for length in [1, 2, 63, 64, 65, 127, 128, 129, 1_000, 30_000] {
        check("mixed letters", &mixed[..length]);
    }
}

/// This repository's files, and those of the evaluation's data that are here.
#[test]
fn real_texts_are_tokenized_as_tiktoken_does() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut seen = 0;
    for folder in ["consumers", "pipeline", "producers", "retrieval", "docs", "migrations", "tests", "local/dev"] {
        seen += check_folder(&root.join(folder));
    }
    assert!(seen > 100, "{seen} files");
    let data = env::var_os("EVAL_DATA").map_or(root.join("../shared/data"), Into::into);
    check_folder(&data);
}

fn check_folder(folder: &Path) -> usize {
    /// Of a file: enough of each language, and soon done.
    const BYTES: usize = 300_000;
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let mut seen = 0;
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            seen += check_folder(&path);
        } else if let Ok(text) = fs::read_to_string(&path) {
            check(&path.display().to_string(), &text[..text.floor_char_boundary(BYTES)]);
            seen += 1;
        }
    }
    seen
}
