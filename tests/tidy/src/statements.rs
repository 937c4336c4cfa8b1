//! Every table has one owner: SQL is in the stores alone, and what must not drift apart is said once.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};

use crate::{
    Finding,
    sources::Sources,
    syntax::{self, Literal},
};

/// Where the tables of D1 are written and read, a module for a table or a family.
const STORE: &str = "pipeline/src/store/";

/// Other files and folders that make statements, each with a database of its own or none.
const OTHER_STORES: [(&str, &str); 4] = [
    ("cloudflare/gateway/src/channel_log.rs", "a Durable Object's own SQLite, which D1 does not see"),
    ("local/dev/src/", "migrates and reads the simulators' files, and fills them for benchmarks"),
    ("local/models/src/index.rs", "the vectors of the local Vectorize"),
    ("pipeline/src/platform/transaction.rs", "makes a statement of whatever text the store gives it"),
];

/// The crates that ship, and the development kit.
const HELD: [&str; 7] = ["cloudflare/", "consumers/", "local/", "pipeline/", "producers/", "retrieval/", "uploads/"];

/// How a statement or a part of one is recognised: words in capitals, as prose does not write them.
const SQL: [&str; 14] = [
    "ALTER TABLE ",
    "CREATE ",
    "DELETE FROM ",
    "EXISTS (",
    "INSERT INTO ",
    "INSERT OR ",
    "JOIN ",
    "ON CONFLICT",
    "ORDER BY ",
    "PRAGMA ",
    "SELECT ",
    "UPDATE ",
    "VALUES (",
    "WHERE ",
];

/// What must stand once.
struct Once {
    text: &'static str,
    what: &'static str,
    /// True if the text, between what stands before and behind it, is what is meant.
    is_meant: fn(&str, &str) -> bool,
}

/// What must stand once in all that ships, and why.
const ONCE: [Once; 3] = [
    Once { text: "token = ", what: "the fence around a write of a claim", is_meant: is_compared },
    Once { text: "OR (state = 'running' AND lease < ", what: "that nobody holds an item", is_meant: is_always },
    Once { text: "('done', 'failed', 'cancelled')", what: "the states in which an item stays", is_meant: is_always },
];

/// What tests must not say again either: what they insert is what the product would.
const ONCE_WITH_TESTS: [Once; 1] =
    [Once { text: "INSERT INTO job_items", what: "how an item begins", is_meant: is_always }];

fn is_always(_: &str, _: &str) -> bool {
    true
}

/// A column that is compared with a parameter, whichever it is: bound, or still to be put in by a macro. What follows
/// SET or a comma is assigned.
fn is_compared(before: &str, behind: &str) -> bool {
    let is_whole_name = !before.ends_with(|letter| !is_no_name(letter));
    let is_assigned = before.trim_end().ends_with("SET") || before.trim_end().ends_with(',');
    is_whole_name && !is_assigned && (behind.is_empty() || behind.starts_with(['?', '{']))
}

/// The only files that call something `at`, and why.
const BY_POSITION: [(&str, &str); 1] = [("producers/src/http/routing.rs", "a router is asked what is at a path")];

fn held(sources: &Sources) -> impl Iterator<Item = (&str, &syn::File)> {
    sources.shipped().filter(|(path, _)| HELD.iter().any(|folder| path.starts_with(folder)))
}

/// A finding for each statement, and for each part of one, outside of the stores.
pub fn outside_of_stores(sources: &Sources) -> Vec<Finding> {
    let others = held(sources).filter(|(path, _)| !path.starts_with(STORE) && !is_other_store(path));
    others
        .flat_map(|(path, file)| {
            let literals = syntax::literals(file).into_iter().filter(is_sql).map(|literal| literal.line);
            let made = syntax::paths(file).into_iter().filter(|path| path.segments.ends_with(&statement_new()));
            let lines: BTreeSet<usize> = literals.chain(made.map(|path| path.line)).collect();
            let what = format!("SQL outside of {STORE}; move the statement to the module that owns its table");
            lines.into_iter().map(move |line| Finding::new(path, line, what.as_str()))
        })
        .collect()
}

fn is_other_store(path: &str) -> bool {
    OTHER_STORES.iter().any(|(store, _)| path.starts_with(store))
}

fn statement_new() -> [String; 2] {
    ["Statement".to_owned(), "new".to_owned()]
}

fn is_sql(literal: &Literal) -> bool {
    SQL.iter().any(|word| {
        let mut places = literal.text.match_indices(word).map(|(place, _)| place);
        places.any(|place| !literal.text[..place].ends_with(char::is_alphanumeric))
    })
}

/// A finding for each table that more than one module writes.
pub fn tables_of_several_owners(sources: &Sources) -> Vec<Finding> {
    let mut writers: BTreeMap<String, BTreeMap<String, usize>> =
        tables(sources).into_iter().map(|table| (table, BTreeMap::new())).collect();
    for (path, file) in held(sources).filter(|(path, _)| !is_other_store(path)) {
        for literal in syntax::literals(file) {
            for table in written(&literal.text) {
                let Some(writers) = writers.get_mut(&table) else { continue };
                writers.entry(owner(path)).or_insert(literal.line);
            }
        }
    }
    let shared = writers.into_iter().filter(|(_, writers)| writers.len() > 1);
    shared
        .map(|(table, writers)| {
            let names: Vec<&str> = writers.keys().map(String::as_str).collect();
            let what = format!("{table} is written by {}; leave that to one of them", names.join(", "));
            Finding::new(names[0], writers[names[0]], what)
        })
        .collect()
}

/// The module of the store that a file belongs to, or the file.
fn owner(path: &str) -> String {
    let module = path.strip_prefix(STORE).and_then(|rest| rest.split(['/', '.']).next());
    module.map_or_else(|| path.to_owned(), |module| format!("{STORE}{module}"))
}

/// The tables that the migrations create, and those that the store makes for each user, named up to their number.
fn tables(sources: &Sources) -> BTreeSet<String> {
    let migrations = sources.texts().filter(|(path, _)| path.starts_with("migrations/"));
    let of_migrations = migrations.flat_map(|(_, text)| created(text));
    let store = sources.shipped().filter(|(path, _)| path.starts_with(STORE));
    let of_users = store.flat_map(|(_, file)| syntax::literals(file)).flat_map(|literal| created(&literal.text));
    of_migrations.chain(of_users).collect()
}

/// The tables that a statement creates.
fn created(sql: &str) -> Vec<String> {
    names_after(sql, &["CREATE TABLE", "CREATE VIRTUAL TABLE"])
}

/// The tables that a statement writes.
fn written(sql: &str) -> Vec<String> {
    names_after(
        sql,
        &["INSERT INTO", "INSERT OR IGNORE INTO", "INSERT OR REPLACE INTO", "REPLACE INTO", "UPDATE", "DELETE FROM"],
    )
}

fn names_after(sql: &str, words: &[&str]) -> Vec<String> {
    let rests = words.iter().flat_map(|word| sql.split(&format!("{word} ")).skip(1).collect::<Vec<_>>());
    let name =
        |rest: &str| rest.trim_start().trim_start_matches("IF NOT EXISTS ").split(is_no_name).next().map(str::to_owned);
    rests.filter_map(name).collect()
}

fn is_no_name(letter: char) -> bool {
    !letter.is_alphanumeric() && letter != '_'
}

/// A finding for each text that must stand once and does not.
pub fn said_more_than_once(sources: &Sources) -> Vec<Finding> {
    let with_tests = || sources.rust().filter(|(path, _)| !path.starts_with("tests/tidy/"));
    let shipped = ONCE.iter().flat_map(|once| once.said(held(sources)));
    shipped.chain(ONCE_WITH_TESTS.iter().flat_map(|once| once.said(with_tests()))).collect()
}

impl Once {
    fn said<'a>(&self, files: impl Iterator<Item = (&'a str, &'a syn::File)>) -> Vec<Finding> {
        let Self { text, what, .. } = self;
        let places: Vec<(&str, usize)> = files
            .flat_map(|(path, file)| syntax::literals(file).into_iter().map(move |literal| (path, literal)))
            .flat_map(|(path, literal)| vec![(path, literal.line); self.count(&literal.text)])
            .collect();
        if places.is_empty() {
            let what = format!("{text:?}, {what}, is said nowhere; if it is said otherwise now, say so in this test");
            return vec![Finding::new("tests/tidy/src/statements.rs", 0, what)];
        }
        let again = format!("{text:?}, {what}, is said {} times; use the one in {STORE}", places.len());
        let findings = places.iter().map(|(path, line)| Finding::new(path, *line, again.as_str()));
        if places.len() == 1 { Vec::new() } else { findings.collect() }
    }

    fn count(&self, literal: &str) -> usize {
        let places = literal.match_indices(self.text);
        places.filter(|(place, text)| (self.is_meant)(&literal[..*place], &literal[place + text.len()..])).count()
    }
}

/// A finding for each answer of a transaction that is read by its position.
pub fn answers_by_position(sources: &Sources) -> Vec<Finding> {
    let others = held(sources).filter(|(path, _)| !BY_POSITION.iter().any(|(file, _)| file == path));
    others
        .flat_map(|(path, file)| {
            let mut calls = CallsOfAt::default();
            calls.visit_file(file);
            let what = "an answer read by its position; keep the handle that the statement was added with";
            calls.0.into_iter().map(move |line| Finding::new(path, line, what))
        })
        .collect()
}

#[derive(Debug, Default)]
struct CallsOfAt(Vec<usize>);

impl<'ast> Visit<'ast> for CallsOfAt {
    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if call.method == "at" {
            self.0.push(call.method.span().start().line);
        }
        visit::visit_expr_method_call(self, call);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources;

    fn outside(path: &str, text: &str) -> usize {
        outside_of_stores(&sources::of([(path, text)])).len()
    }

    #[test]
    fn statements_and_parts_of_them_outside_of_the_store_are_found() {
        assert_eq!(outside("consumers/src/chunk.rs", "const SQL: &str = \"SELECT 1\";"), 1);
        assert_eq!(outside("consumers/src/chunk.rs", "fn f() { claim.fenced(\"\n  UPDATE jobs SET state = 1\") }"), 1);
        assert_eq!(outside("producers/src/api/me.rs", "fn f() { format!(\"{start} WHERE id = ?1\") }"), 1);
        assert_eq!(outside("producers/src/api/me.rs", "fn f() { Statement::new(sql) }"), 1);
    }

    #[test]
    fn stores_prose_and_tests_are_fine() {
        assert_eq!(outside("pipeline/src/store/jobs.rs", "const SQL: &str = \"SELECT 1\";"), 0);
        assert_eq!(outside("cloudflare/gateway/src/channel_log.rs", "const SQL: &str = \"SELECT 1\";"), 0);
        assert_eq!(
            outside("pipeline/src/time.rs", "/// SELECT 1\nconst TEXT: &str = \"Select one; MISSELECT it\";"),
            0
        );
        assert_eq!(outside("pipeline/src/time.rs", "#[cfg(test)]\nmod tests { const SQL: &str = \"SELECT 1\"; }"), 0);
    }

    const MIGRATION: (&str, &str) =
        ("migrations/0001.sql", "CREATE TABLE jobs (id TEXT);\nCREATE VIRTUAL TABLE words USING fts5 (text);");

    #[test]
    fn a_table_with_two_owners_is_found() {
        let sources = sources::of([
            MIGRATION,
            ("pipeline/src/store/jobs.rs", "const A: &str = \"INSERT INTO jobs (id) VALUES (?1)\";"),
            ("pipeline/src/store/usage.rs", "const B: &str = \"UPDATE jobs SET id = ?1\";"),
        ]);
        let found = tables_of_several_owners(&sources);
        assert_eq!(found.len(), 1);
        assert!(found[0].what.contains("jobs is written by pipeline/src/store/jobs, pipeline/src/store/usage"));
    }

    #[test]
    fn a_table_of_each_user_with_two_owners_is_found() {
        let create = "const A: &str = \"CREATE VIRTUAL TABLE IF NOT EXISTS words_@user USING fts5 (text)\";";
        let sources = sources::of([
            MIGRATION,
            ("pipeline/src/store/users/words.rs", create),
            ("pipeline/src/store/jobs.rs", "const B: &str = \"INSERT INTO words_@user (text) VALUES (?1)\";"),
            ("pipeline/src/store/usage.rs", "const C: &str = \"DELETE FROM words_@user\";"),
            ("pipeline/src/store/keys.rs", "const D: &str = \"DELETE FROM words\";"),
        ]);
        let found = tables_of_several_owners(&sources);
        assert_eq!(found.len(), 1);
        assert!(found[0].what.contains("words_ is written by pipeline/src/store/jobs, pipeline/src/store/usage"));
    }

    #[test]
    fn a_table_with_one_owner_of_two_files_is_fine() {
        let sources = sources::of([
            MIGRATION,
            ("pipeline/src/store/jobs.rs", "const A: &str = \"INSERT INTO jobs (id) VALUES (?1)\";"),
            ("pipeline/src/store/jobs/end.rs", "const B: &str = \"DELETE FROM jobs\";"),
            ("pipeline/src/store/usage.rs", "const C: &str = \"SELECT id FROM jobs\";"),
        ]);
        assert_eq!(tables_of_several_owners(&sources), []);
    }

    const ALL_ONCE: &str = "const A: &str = \"INSERT INTO job_items\"; const B: &str = \"(SELECT 1 WHERE token = ?2)\";
                            const C: &str = \"('done', 'failed', 'cancelled')\";
                            const D: &str = concat!(\"OR (state = 'running' AND lease < \", $now, \")\");
                            const E: &str = \"SET lease = ?1, token = ?2, consistency_token = ?3\";";

    fn said_again(path: &str, again: &str) -> usize {
        let again = format!("const A: &str = \"{again}\";");
        said_more_than_once(&sources::of([("pipeline/src/store/jobs.rs", ALL_ONCE), (path, &again)])).len()
    }

    #[test]
    fn what_is_said_twice_or_nowhere_is_found() {
        for fence in
            ["EXISTS (SELECT 1 WHERE token = ?2)", "id = ?5 AND token = ?6", "i.token = {TOKEN}", " AND token = "]
        {
            assert_eq!(said_again("pipeline/src/store/uploads.rs", fence), 2, "{fence}");
            assert_eq!(said_again("consumers/src/chunk.rs", fence), 2, "{fence}");
        }
        assert_eq!(said_again("pipeline/src/store/uploads.rs", "0 OR (state = 'running' AND lease < ?3)"), 2);
        assert_eq!(said_again("tests/tests/native/flow.rs", "INSERT INTO job_items (id) VALUES (1)"), 2);
        assert_eq!(said_more_than_once(&sources::of([])).len(), 4);
    }

    #[test]
    fn what_is_said_once_is_fine() {
        assert_eq!(said_more_than_once(&sources::of([("pipeline/src/store/jobs.rs", ALL_ONCE)])), []);
    }

    #[test]
    fn an_answer_by_position_is_found() {
        let text = "fn f() { answers.at(0)?.first() }";
        assert_eq!(answers_by_position(&sources::of([("consumers/src/chunk.rs", text)])).len(), 1);
        assert_eq!(answers_by_position(&sources::of([("producers/src/http/routing.rs", text)])), []);
    }
}
