//! Files that are read in one sitting, lines that fit beside each other.

use syn::Item;

use crate::{Finding, sources::Sources, sources::is_test, syntax};

/// Most lines of a file of Rust, its tests aside.
const MOST_LINES: usize = 400;
/// Most columns of a line: what rustfmt holds code to; it leaves long texts alone.
const MOST_COLUMNS: usize = 120;

/// What lines are read by people: the names of files end so.
const SOURCES: [&str; 8] = [".rs", ".js", ".py", ".sh", ".sql", ".toml", ".yml", "Makefile"];

/// A finding for each file that is too long.
pub fn long_files(sources: &Sources) -> Vec<Finding> {
    let lengths = sources.rust().filter(|(path, _)| !is_test(path)).filter_map(|(path, file)| {
        let all = sources.text(path)?.lines().count();
        Some((path, all.saturating_sub(test_lines(&file.items))))
    });
    let what = |lines| format!("{lines} lines without tests, at most {MOST_LINES}; split it where its subject changes");
    lengths.filter(|(_, lines)| *lines > MOST_LINES).map(|(path, lines)| Finding::new(path, 0, what(lines))).collect()
}

fn test_lines(items: &[Item]) -> usize {
    let tests = items.iter().filter(|item| syntax::attributes(item).iter().any(syntax::is_test_only));
    tests.map(syntax::lines).map(|(first, last)| last - first + 1).sum()
}

/// Messages and a database as earlier versions wrote them: dumps, which must stay as they are.
const GOLDEN: &str = "tests/golden/";

/// A finding for each line that is too long.
pub fn long_lines(sources: &Sources) -> Vec<Finding> {
    let is_source = |path: &str| SOURCES.iter().any(|end| path.ends_with(end));
    let files = sources.texts().filter(|(path, _)| is_source(path) && !path.starts_with(GOLDEN));
    files.flat_map(|(path, text)| long_lines_of(path, text)).collect()
}

fn long_lines_of(path: &str, text: &str) -> Vec<Finding> {
    let columns = text.lines().map(|line| line.chars().count());
    let too_long = columns.enumerate().filter(|(_, columns)| *columns > MOST_COLUMNS);
    let what = |columns| format!("{columns} columns, at most {MOST_COLUMNS}; break a long text with a \\ at its end");
    too_long.map(|(before, columns)| Finding::new(path, before + 1, what(columns))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources;

    #[test]
    fn a_file_is_too_long_by_its_lines_without_tests() {
        let items = "const X: u8 = 1;\n".repeat(399);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "// a test\n".repeat(100));
        let fine = format!("{items}{tests}");
        let long = format!("{items}\n\n{tests}");
        assert_eq!(long_files(&sources::of([("a/src/lib.rs", &fine)])), []);
        assert_eq!(long_files(&sources::of([("a/src/lib.rs", &long)])).len(), 1);
        assert_eq!(long_files(&sources::of([("a/tests/all.rs", &long)])), []);
    }

    #[test]
    fn a_line_is_too_long_by_its_characters() {
        let fine = format!("// {}", "é".repeat(117));
        let long = format!("\n{fine}é");
        assert_eq!(long_lines(&sources::of([("a/src/lib.rs", &fine)])), []);
        let found = long_lines(&sources::of([("a/src/lib.rs", &long)]));
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [2]);
        for path in ["Makefile", ".github/workflows/ci.yml", "wrangler.toml", "local/setup/build.sh"] {
            assert_eq!(long_lines(&sources::of([(path, &fine)])), [], "{path}");
            assert_eq!(long_lines(&sources::of([(path, &long)])).len(), 1, "{path}");
        }
        assert_eq!(long_lines(&sources::of([("a/vocabulary.tsv", &long)])), []);
        assert_eq!(long_lines(&sources::of([("tests/golden/database.sql", &long)])), []);
    }
}
