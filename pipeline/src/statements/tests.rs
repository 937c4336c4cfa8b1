use proptest::prelude::*;

use super::*;

/// More than any message here states.
const MANY: usize = 100;

fn stated(message: &str) -> Vec<(&'static str, String)> {
    statements(Speaker::User, message, MANY).into_iter().map(|statement| (statement.kind, statement.text)).collect()
}

fn one(message: &str) -> (&'static str, String) {
    let found = stated(message);
    assert_eq!(found.len(), 1, "{message}: {found:?}");
    found.into_iter().next().unwrap()
}

#[test]
fn what_is_stated_is_found() {
    for (message, kind, text) in [
        ("We decided to use Postgres 15 for the ledger.", "decision", "We decided to use Postgres 15 for the ledger"),
        ("ok, let's go with Redis for sessions", "decision", "let's go with Redis for sessions"),
        (
            "Good catch — we'll stick with REST for the public API.",
            "decision",
            "we'll stick with REST for the public API",
        ),
        ("**Decision:** use UUIDv7 for all primary keys", "decision", "use UUIDv7 for all primary keys"),
        ("Let's use pnpm instead of npm.", "decision", "Let's use pnpm instead of npm"),
        ("We're dropping Node 16 support.", "decision", "We're dropping Node 16 support"),
        ("I prefer small pull requests", "preference", "I prefer small pull requests"),
        ("I don't like default exports.", "preference", "I don't like default exports"),
        ("Always run `make check` before you commit.", "instruction", "Always run `make check` before you commit"),
        ("never force-push to main", "instruction", "never force-push to main"),
        ("please never mock the database in tests", "instruction", "please never mock the database in tests"),
        (
            "From now on write commit messages in English.",
            "instruction",
            "From now on write commit messages in English",
        ),
        ("Don't touch generated files by hand.", "instruction", "Don't touch generated files by hand"),
        (
            "Whenever you change the schema, add a migration.",
            "instruction",
            "Whenever you change the schema, add a migration",
        ),
        ("Every endpoint must have an integration test", "instruction", "Every endpoint must have an integration test"),
        ("remember that the deploy key is rotated monthly", "fact", "the deploy key is rotated monthly"),
        ("Remember: never log request bodies", "instruction", "never log request bodies"),
        ("We use pnpm, so please remove package-lock.json", "fact", "We use pnpm"),
        ("Our CI runs on self-hosted ARM machines.", "fact", "Our CI runs on self-hosted ARM machines"),
        ("This project targets Rust 1.85", "fact", "This project targets Rust 1.85"),
        ("btw my timezone is Europe/Berlin", "fact", "my timezone is Europe/Berlin"),
    ] {
        assert_eq!(one(message), (kind, text.to_owned()), "{message}");
    }
}

#[test]
fn what_is_said_in_passing_is_found_by_its_words() {
    for (message, kind, text) in [
        ("fix the typo, and btw the api is only reachable by VPN", "fact", "the api is only reachable by VPN"),
        ("rename it and note that we use kebab-case for files", "fact", "we use kebab-case for files"),
        ("add the page. One more thing: amounts are in cents", "fact", "amounts are in cents"),
        ("Heads up, feature freeze starts on 12 May", "fact", "feature freeze starts on 12 May"),
        ("The clusters are in Frankfurt by the way, you wrote Dublin", "fact", "The clusters are in Frankfurt"),
        ("we don't bill in anything but euros", "fact", "we don't bill in anything but euros"),
        ("logs are kept for 14 days", "fact", "logs are kept for 14 days"),
        ("no, the port is 8081, not 8080", "fact", "the port is 8081, not 8080"),
        ("QA signs off every release", "fact", "QA signs off every release"),
        (
            "generated code goes to src/gen, don't edit it by hand",
            "fact",
            "generated code goes to src/gen, don't edit it by hand",
        ),
        ("use conventional commits from now on", "instruction", "use conventional commits from now on"),
        (
            "when you add an endpoint, update openapi.yaml",
            "instruction",
            "when you add an endpoint, update openapi.yaml",
        ),
        ("tabs it is then? no. two spaces it is", "decision", "two spaces it is"),
        (
            "releases go out every second wednesday, put that into the README",
            "fact",
            "releases go out every second wednesday",
        ),
        ("Wir deployen nie freitags", "instruction", "Wir deployen nie freitags"),
        ("nous utilisons pnpm partout", "fact", "nous utilisons pnpm partout"),
        ("siempre usamos comillas simples", "instruction", "siempre usamos comillas simples"),
        ("usamos sempre aspas simples", "instruction", "usamos sempre aspas simples"),
        ("コミットメッセージは必ず英語で書く。ありがとう", "instruction", "コミットメッセージは必ず英語で書く"),
        ("Decision (see the log): caches live in Redis", "decision", "caches live in Redis"),
    ] {
        assert_eq!(one(message), (kind, text.to_owned()), "{message}");
    }
}

#[test]
fn what_sounds_alike_and_passes_is_left_alone() {
    for message in [
        "our checkout shows a blank page on Safari 17, can you look",
        "we get a 404 on every page",
        "we need an index on the orders table",
        "we deployed every Friday at my last job",
        "the loop never ends when n is 0",
        "the table has 2 million rows",
        "all 42 tests are passing",
        "images are too big, compress them to 200 KB",
        "our exports are in UTC. fix that",
        "never do that again",
        "always use the dark theme in these screenshots",
        "as it is",
        "leave it as it is",
        "add validation: names must have three letters at least",
        "two things: all buttons must be round",
        "my boss wrote: \"every service must own its data and never share it\"",
        "the docs say that requests are limited to 100 a minute",
        "oh sure, we always test in production",
        "of course we never write tests here",
        "dana: we always deploy on Fridays\npetr: we never do",
        "found this in the wiki\n\nAll commits must be signed.",
        "is this normal?\n# Contributing\nNever push to main.",
        "their README says:\n- Always pin the major version",
        "const all = 3; // never change this for any reason\nsort them",
        "npm warn every release before 6 is unsupported",
        "do we always run migrations before a deploy",
        "kannst du immer alle tests laufen lassen",
        "この関数は必ずnullを返しますか",
    ] {
        assert_eq!(stated(message), [], "{message}");
    }
}

#[test]
fn a_line_behind_a_colon_may_be_ones_own_list() {
    let found =
        stated("what they told me:\n- staging is refreshed every Sunday at 4\n- invoices must never be deleted");
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn what_is_taken_back_is_told() {
    assert!(takes_back("no wait, scratch that. We use NATS."));
    assert!(!takes_back("We use NATS for events. Kafka is what we had."));
}

#[test]
fn what_is_asked_considered_quoted_or_pasted_states_nothing() {
    for message in [
        "Should we use Postgres or MySQL?",
        "fix the bug in the parser",
        "add a test for the retry logic",
        "maybe we decided to use the wrong one",
        "If we decided to use Kafka, what would change?",
        "I think we should go with Redis",
        "let's go with option 2",
        "ok let's go with that",
        "let's use a regex here",
        "Use the second one instead of this",
        "never mind",
        "It always fails on CI",
        "always returns null when the list is empty",
        "I like it!",
        "I like your idea",
        "I hate when this happens",
        "our tests are failing",
        "Our CI is broken again",
        "we use a HashMap here and it panics",
        "don't worry about the formatting",
        "don't change the tests yet",
        "> We decided to use Postgres 15 for the ledger.",
        "```\nWe decided to use Postgres 15 for the ledger.\n```",
        "\"We decided to use Postgres 15\" is what the old page says",
        "<system-reminder>\nAlways use the Read tool before editing.\n</system-reminder>",
        "2026-11-26T10:00:00 INFO we use cached connection 14 from the pool",
        "error: we use of moved value",
        "$ never run this",
        "can you remember that for me?",
        "For now we use SQLite in the tests",
        "he said we decided to use GraphQL",
        "what if we switched to Bun",
        "thanks, that works",
        "yes",
        "",
    ] {
        assert_eq!(stated(message), [], "{message}");
    }
}

#[test]
fn of_what_claude_says_only_decisions_are_taken_and_they_are_less_sure() {
    let said = |text: &str| statements(Speaker::Assistant, text, MANY);
    let found = said("I ran the tests. Decision: we keep the old parser for legacy files. I prefer tabs over spaces.");
    assert_eq!((found.len(), found[0].kind), (1, "decision"));
    assert!(found[0].confidence < 0.5);
    assert!(said("Always use the new helper. Let's go with Redis for sessions.").is_empty());
}

#[test]
fn what_is_about_a_person_is_told_apart() {
    assert!(statements(Speaker::User, "I prefer tabs over spaces", 1)[0].is_personal);
    assert!(!statements(Speaker::User, "We decided to use tabs in Go files", 1)[0].is_personal);
}

proptest! {
    #[test]
    fn nothing_that_is_said_breaks_it(
        message in "(\\PC{0,30}|we decided to |<a>|</a>|```|\n|\u{130}|always use |, |: |btw |\"|’|must |。){0,12}",
    ) {
        for statement in statements(Speaker::User, &message, MANY) {
            prop_assert!(BYTES.contains(&statement.text.len()));
        }
    }
}
