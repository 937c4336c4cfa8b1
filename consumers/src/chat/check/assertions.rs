//! What a sentence asserts that can be looked up: names, numbers, and what only code, commands and paths spell.

use pipeline::identifiers;

/// Something that stands in a source, or was invented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assertion {
    /// Spelt exactly so: a command, a path, an identifier, an address. In lower case, blanks made one.
    Literal(String),
    /// A number, without what groups its digits.
    Number(String),
    /// A name, in lower case.
    Name(String),
}

impl Assertion {
    /// As it is told to people.
    pub fn text(&self) -> &str {
        match self {
            Self::Literal(text) | Self::Number(text) | Self::Name(text) => text,
        }
    }
}

/// Written with a capital whatever they are about.
const NO_NAMES: &str = "i i'm i'll i've i'd january february march april may june july august september october \
                        november december monday tuesday wednesday thursday friday saturday sunday ok yes no";
/// Numbers that are written out as often as not, from zero.
const UNITS: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
/// The same of tens, from twenty.
const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
/// What a number before them is multiplied by: so many zeros.
const MULTIPLIERS: [(&str, usize); 5] =
    [("hundred", 2), ("thousand", 3), ("million", 6), ("billion", 9), ("trillion", 12)];
/// From here on a number that is written out says how many; "one" and "two" say that as often as not.
const TOLD: usize = 3;

/// What a sentence asserts, each once, in its order.
pub fn assertions(sentence: &str) -> Vec<Assertion> {
    let mut found = Vec::new();
    for (place, part) in without_mark(sentence).split('`').enumerate() {
        if place % 2 == 1 {
            found.extend(literal(part));
        } else {
            of_prose(part, place == 0, &mut found);
        }
    }
    let mut once: Vec<Assertion> = Vec::with_capacity(found.len());
    for assertion in found {
        if !once.contains(&assertion) {
            once.push(assertion);
        }
    }
    once
}

/// A sentence without the mark of a list before it, whose number asserts nothing.
pub fn without_mark(sentence: &str) -> &str {
    let sentence = sentence.trim_start_matches(|mark: char| mark.is_whitespace() || "#>*-+•".contains(mark));
    let digits = sentence.bytes().take_while(u8::is_ascii_digit).count();
    let rest = sentence[digits..].strip_prefix(['.', ')']).filter(|rest| digits > 0 && rest.starts_with(' '));
    rest.unwrap_or(sentence).trim_start()
}

fn of_prose(text: &str, is_beginning: bool, found: &mut Vec<Assertion>) {
    let mut may_be_capital = is_beginning;
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let bare = bare(word);
        let more = zeros(words.peek());
        if !bare.is_empty() {
            of_word(bare, more, may_be_capital, found);
        }
        // What multiplies a number is none of its own.
        let is_number = bare.starts_with(|first: char| first.is_ascii_digit() || "$€£~.".contains(first));
        if more > 0 && (is_number || number_of_word(&bare.to_lowercase()).is_some()) {
            words.next();
        }
        // What is quoted, or follows a colon, begins as a sentence does.
        let open = word.trim_end_matches(['*', '_']);
        may_be_capital = open.ends_with([':', '"', '“', '(', '—']) || (bare.is_empty() && may_be_capital);
    }
}

/// A word without the marks around it that are none of its own.
fn bare(word: &str) -> &str {
    let bare = word.trim_matches(|mark: char| !mark.is_alphanumeric() && !"/~-_$@%".contains(mark));
    bare.trim_end_matches(['-', '/', '%'])
}

fn of_word(word: &str, zeros: usize, may_be_capital: bool, found: &mut Vec<Assertion>) {
    if is_literal(word) {
        found.extend(literal(word));
    } else if word.starts_with(|first: char| first.is_ascii_digit() || "$€£~.".contains(first)) {
        found.extend(numbers(word).map(|number| Assertion::Number(multiplied(&number, zeros))));
    } else if let Some(number) = number_of_word(&word.to_lowercase()) {
        let is_told = number >= TOLD || zeros > 0;
        found.extend(is_told.then(|| Assertion::Number(multiplied(&number.to_string(), zeros))));
    } else {
        for part in word.split(['/', '-', '–', '—']) {
            found.extend(name(part, may_be_capital));
        }
    }
}

/// A name is written with a capital where no sentence begins, in capitals, or with digits in it.
fn name(word: &str, may_be_capital: bool) -> Option<Assertion> {
    let word = word.trim_end_matches("'s").trim_end_matches("’s");
    let word = word.trim_matches(|mark: char| !mark.is_alphanumeric());
    let is_abbreviation = word.chars().count() > 1 && !word.chars().any(char::is_lowercase);
    let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
    let is_capital = word.starts_with(char::is_uppercase);
    let lower = word.to_lowercase();
    let is_name = (is_capital && (!may_be_capital || is_abbreviation)) || (has_digit && !word.is_empty());
    (is_name && word.chars().any(char::is_alphabetic) && !NO_NAMES.split(' ').any(|known| known == lower))
        .then_some(Assertion::Name(lower))
}

/// Spelt as only code, paths, flags and addresses are.
fn is_literal(word: &str) -> bool {
    let is_flag = word.starts_with("--") && word.len() > 3;
    let is_path = word.contains('/')
        && (word.starts_with(['/', '~']) || word.matches('/').count() > 1 || word.contains(['.', '_']))
        && word.chars().any(char::is_alphabetic);
    let is_dotted = word.split_once('.').is_some_and(|(before, after)| {
        before.chars().any(char::is_alphabetic) && after.chars().count() > 1 && after.starts_with(char::is_alphabetic)
    });
    let is_code = ["::", "()", "://", "->", "@"].iter().any(|mark| word.contains(mark));
    is_flag || is_path || is_dotted || is_code || identifiers::words(word).any(identifiers::is_compound)
}

fn literal(text: &str) -> Option<Assertion> {
    let text = collapsed(text);
    let bare = text.trim_end_matches(['.', ',', ';', ':', '!', '?']).trim_end_matches("()");
    bare.chars().any(char::is_alphanumeric).then(|| Assertion::Literal(bare.to_owned()))
}

/// In lower case, with one blank for each run of white space.
pub fn collapsed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// All numbers in a text, in digits or words: `1.2 million` is 1200000, and 1.2 as well.
pub fn numbers_of_text(text: &str) -> impl Iterator<Item = String> {
    let mut words = text.split_whitespace().peekable();
    std::iter::from_fn(move || {
        let word = words.next()?;
        let written = number_of_word(&bare(word).to_lowercase()).map(|number| number.to_string());
        let found: Vec<String> = numbers(word).chain(written).collect();
        // Most words are no number, and nothing multiplies them.
        if found.is_empty() {
            return Some(found);
        }
        let zeros = zeros(words.peek());
        let more = found.iter().filter(|_| zeros > 0).map(|number| multiplied(number, zeros));
        Some(more.chain(found.iter().cloned()).collect::<Vec<_>>())
    })
    .flatten()
}

/// The zeros by which a word multiplies the number before it.
fn zeros(word: Option<&&str>) -> usize {
    let word = word.map(|word| bare(word).to_lowercase()).unwrap_or_default();
    let word = word.split('-').next().unwrap_or_default();
    MULTIPLIERS.iter().find(|(name, _)| *name == word.trim_end_matches('s')).map_or(0, |(_, zeros)| *zeros)
}

/// A number with its point moved.
fn multiplied(number: &str, zeros: usize) -> String {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let moved: String = part.chars().chain(std::iter::repeat('0')).take(zeros).collect();
    let rest = part.get(zeros..).unwrap_or_default();
    plain(&if rest.is_empty() { format!("{whole}{moved}") } else { format!("{whole}{moved}.{rest}") })
}

/// True for digits that belong to a name: "base64" says nothing of 64.
fn is_of_name(word: &str, at: usize) -> bool {
    let before = word[..at].trim_end_matches(|digit: char| digit.is_ascii_digit());
    let behind = word[at..].trim_start_matches(|digit: char| digit.is_ascii_digit());
    let has_part = behind.strip_prefix('.').is_some_and(|part| part.starts_with(|digit: char| digit.is_ascii_digit()));
    before.chars().rev().take_while(|letter| letter.is_alphabetic()).count() >= 2 && !has_part
}

/// The numbers in a word: `10:30` are two, `1,000`, `3.5` and `.5` are one.
fn numbers(word: &str) -> impl Iterator<Item = String> {
    let is_digit = |at: usize| word.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    let joins = move |at: usize, mark: char| match mark {
        '.' => is_digit(at + 1) && (at == 0 || is_digit(at - 1)),
        ',' | '_' => is_digit(at + 1) && is_digit(at + 2) && is_digit(at + 3) && !is_digit(at + 4),
        _ => mark.is_ascii_digit(),
    };
    let mut rest = word.char_indices();
    std::iter::from_fn(move || {
        let mut number = String::new();
        for (at, mark) in rest.by_ref() {
            let begins = mark.is_ascii_digit() && !is_of_name(word, at) || mark == '.';
            if (begins || !number.is_empty()) && joins(at, mark) {
                if mark != ',' && mark != '_' {
                    number.push(mark);
                }
            } else if !number.is_empty() {
                break;
            }
        }
        (!number.is_empty()).then(|| plain(&number))
    })
}

/// Without zeros that say nothing: `05` is `5`, and `2.0` is `2`.
fn plain(number: &str) -> String {
    let number = number.trim_start_matches('0');
    let number = if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number };
    if number.is_empty() || number.starts_with('.') { format!("0{number}") } else { number.to_owned() }
}

/// The number that a word in lower case stands for: `seven`, `sixty`, `twenty-four`, `hundred`.
fn number_of_word(word: &str) -> Option<usize> {
    let unit = |word: &str| UNITS.iter().position(|known| *known == word);
    let ten = |word: &str| TENS.iter().position(|known| *known == word).map(|place| 10 * (place + 2));
    match word.split_once('-') {
        Some((tens, units)) => Some(ten(tens)? + unit(units)?),
        None if word == "hundred" || word == "thousand" => Some(if word == "hundred" { 100 } else { 1_000 }),
        None => unit(word).or_else(|| ten(word)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sentence: &str) -> Vec<String> {
        assertions(sentence).iter().map(|assertion| assertion.text().to_owned()).collect()
    }

    #[test]
    fn names_numbers_and_what_code_spells() {
        assert_eq!(texts("You start it by `heroku  run-server`."), ["heroku run-server"]);
        assert_eq!(texts("Since Rust 1.74 the flag --locked works."), ["rust", "1.74", "--locked"]);
        assert_eq!(texts("D1 keeps it in src/main.rs for 1,000 days."), ["d1", "src/main.rs", "1000"]);
        assert_eq!(
            texts("It calls readFile() and os.path, at 10:30 on 2026-07-05."),
            ["readfile", "os.path", "10", "30", "2026", "7", "5"]
        );
        assert_eq!(texts("See https://example.com/a, or ask Ada's friend."), ["https://example.com/a", "ada"]);
    }

    #[test]
    fn how_a_sentence_begins_asserts_nothing() {
        assert_eq!(texts("Queues hold messages."), [""; 0]);
        assert_eq!(texts("1. Queues hold messages: They wait."), [""; 0]);
        assert_eq!(texts("- **Bold** and/or plain, in May, I think."), [""; 0]);
        assert_eq!(texts("NASA said so."), ["nasa"]);
        assert_eq!(texts("12) It took 12 days"), ["12"]);
        assert!(texts("").is_empty() && texts("``").is_empty() && texts("— … !").is_empty());
    }

    #[test]
    fn a_number_is_the_same_however_it_is_written() {
        let all = |word: &str| numbers(word).collect::<Vec<_>>();
        assert_eq!(all("1,000,000"), ["1000000"]);
        assert_eq!(all("1_000"), ["1000"]);
        assert_eq!(all("1,2"), ["1", "2"]);
        assert_eq!(all("v1.50-2.0"), ["1.5", "2"]);
        assert_eq!(all("python3.11"), ["3.11"]);
        assert!(all("base64").is_empty() && all("SHA256(x)").is_empty(), "part of a name");
        assert_eq!(all("007"), ["7"]);
        assert_eq!(all("0.05%"), ["0.05"]);
        assert_eq!(all("3."), ["3"]);
        assert!(all("none").is_empty());
        assert_eq!(all(".720"), ["0.72"]);
        assert_eq!(
            (number_of_word("seven"), number_of_word("twenty-four"), number_of_word("x")),
            (Some(7), Some(24), None)
        );
    }

    #[test]
    fn numbers_in_words_and_with_multipliers() {
        assert_eq!(texts("It waits thirty seconds, or twenty-four hours."), ["30", "24"]);
        assert_eq!(texts("It costs $1.235 billion and 30 thousand operations, one of two."), ["1235000000", "30000"]);
        let all: Vec<String> = numbers_of_text("a thousand of 200 million, .5").collect();
        assert_eq!(all, ["1000", "200000000", "200", "0.5"]);
    }
}
