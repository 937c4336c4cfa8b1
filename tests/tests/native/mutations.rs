//! T2: every rule that holds the protocol together is taken out in turn, of all statements and of each
//! single one that uses it, and must be missed by some history.
//!
//! `simulation/rules.txt` keeps the seeds that missed each use, the scenes ([`scenes`]) that miss what no history
//! does, and why some uses are missed by none. Where it knows none that still works, the scenes are played, a few
//! histories are searched, and what they find is printed to be kept; `make soak` (`MUTATION_SEEDS=2000`) searches
//! many, for what is allowed as well.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod rules;
mod scenes;

use std::{
    cell::RefCell,
    collections::BTreeSet,
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use test_platform::{InMemory, Mutation};
use tests::{
    report,
    rig::Rig,
    simulation::{self, Without},
};

use self::{
    rules::RULES,
    scenes::{SCENES, Scene},
};

/// Histories in which a missing rule must be missed, where no kept seed shows it.
const SEEDS_PER_RULE: u64 = 300;
/// Of the histories that `make soak` searches, one in so many is also searched for what is allowed.
const ALLOWED: u64 = 5;
/// Histories whose statements are looked at for uses of the rules, beside those of the kept seeds.
const SEEDS_FOR_STATEMENTS: u64 = 40;
/// So much of a statement says which it is, unless another of the same rule begins alike.
const BEGINNING: usize = 90;
/// What stands for every statement at once.
const EVERYWHERE: &str = "*";

/// Read when it is needed: lines are added to it without building anything.
const KNOWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/simulation/rules.txt");

/// A line of the table: what is known about a use.
#[derive(Clone, Debug)]
struct Known {
    rule: String,
    /// How its statement begins.
    beginning: String,
    verdict: Verdict,
}

#[derive(Clone, Copy, Debug)]
enum Verdict {
    /// This seed misses it.
    Seed(u64),
    /// This scene misses it.
    Scene(&'static Scene),
    /// Nothing does, for the reason given there.
    Allowed,
}

fn known() -> Vec<Known> {
    let text = std::fs::read_to_string(KNOWN).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| Known::parse(line).unwrap_or_else(|| panic!("rules.txt: {line}"))).collect()
}

impl Known {
    /// The seed that misses it, if one does.
    fn seed(&self) -> Option<u64> {
        match self.verdict {
            Verdict::Seed(seed) => Some(seed),
            Verdict::Scene(_) | Verdict::Allowed => None,
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let mut parts = line.splitn(3, " | ");
        let (verdict, rule, beginning) = (parts.next()?, parts.next()?, parts.next()?);
        let verdict = match verdict.split_once(' ')? {
            ("seed", number) => Verdict::Seed(number.parse().ok()?),
            ("scene", name) => Verdict::Scene(SCENES.iter().find(|scene| scene.name == name)?),
            ("allowed:", reason) if reason.len() > 10 => Verdict::Allowed,
            _ => return None,
        };
        Some(Self { rule: rule.to_owned(), beginning: beginning.to_owned(), verdict })
    }
}

/// A rule, and the statement it is taken out of: one, or every one.
#[derive(Clone, Debug)]
struct Use {
    rule: Mutation,
    statement: Option<String>,
    /// How the statement begins, as far as it is needed to tell it from the rule's others.
    beginning: String,
}

/// A statement on one line.
fn on_one_line(statement: &str) -> String {
    statement.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The shortest beginning that no other statement shares. It ends with no space, which editors take away.
fn beginning(statement: &str, others: &[String]) -> String {
    let is_enough = |length: &usize| {
        let begins_alike = |other: &String| other != statement && other.starts_with(clip(statement, *length));
        !others.iter().any(begins_alike)
    };
    let length = (BEGINNING..statement.len()).find(is_enough).unwrap_or(statement.len());
    clip(statement, length).trim_end().to_owned()
}

fn clip(text: &str, length: usize) -> &str {
    text.char_indices().nth(length).map_or(text, |(end, _)| &text[..end])
}

/// Every use of every rule in what the product runs, and each rule as a whole.
fn uses(table: &[Known]) -> Vec<Use> {
    let kept = table.iter().filter_map(Known::seed);
    let seeds: BTreeSet<u64> = (1..=SEEDS_FOR_STATEMENTS).chain(kept).collect();
    let seeds: Vec<u64> = seeds.into_iter().collect();
    let mut statements: BTreeSet<String> =
        side_by_side(&seeds, |seed| simulation::statements(*seed)).into_iter().flatten().collect();
    statements.extend(side_by_side(&SCENES, statements_of).into_iter().flatten());
    let mut found = Vec::new();
    for rule in RULES {
        found.push(Use { rule, statement: None, beginning: EVERYWHERE.to_owned() });
        let holding = rule.uses(&statements);
        let lines: Vec<String> = holding.iter().map(|statement| on_one_line(statement)).collect();
        assert!(!holding.is_empty(), "no statement holds the rule `{}`", rule.name);
        // What is used once is taken out of everything by the same means.
        if holding.len() > 1 {
            found.extend(holding.iter().zip(&lines).map(|(statement, line)| Use {
                rule,
                statement: Some((*statement).clone()),
                beginning: beginning(line, &lines),
            }));
        }
    }
    found
}

/// Does something with each of these, on all cores; the results in their order.
fn side_by_side<T: Sync, R: Send>(of: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let workers = thread::available_parallelism().map_or(2, usize::from);
    let mut done: Vec<(usize, R)> = thread::scope(|scope| {
        let worker = || {
            let mut done = Vec::new();
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(one) = of.get(place) else { return done };
                done.push((place, work(one)));
            }
        };
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

/// The texts of all statements that a scene runs.
fn statements_of(scene: &Scene) -> BTreeSet<String> {
    let rigs = RefCell::new(Vec::new());
    let rig = || {
        let rig = Rig::new(scenes::SEED);
        rig.memory.note_statements();
        rigs.borrow_mut().push(rig.memory.worker("statements"));
        rig
    };
    assert!(scene.is_whole(&rig), "the scene `{}` goes to pieces with every rule", scene.name);
    rigs.take().iter().flat_map(InMemory::noted_statements).collect()
}

impl Use {
    /// What the table says of it. A line says as much of a statement as it takes to tell it from the others:
    /// it is never about another that begins alike.
    fn known<'a>(&self, table: &'a [Known]) -> Option<&'a Known> {
        table.iter().find(|known| known.rule == self.rule.name && known.beginning == self.beginning)
    }

    fn without(&self, seed: u64) -> Without {
        simulation::run_without(seed, self.rule, self.statement.as_deref())
    }

    fn is_missed_by(&self, seed: u64) -> bool {
        self.without(seed) == Without::Violated
    }

    fn is_missed_in(&self, scene: &Scene) -> bool {
        let played = RefCell::new(Vec::new());
        let rig = || {
            let rig = Rig::new(scenes::SEED);
            match &self.statement {
                Some(statement) => rig.memory.mutate_only(self.rule, statement),
                None => rig.memory.mutate(self.rule),
            }
            played.borrow_mut().push(rig.memory.worker("mutated"));
            rig
        };
        let is_whole = scene.is_whole(&rig);
        let played = played.take();
        for memory in &played {
            assert_eq!(memory.broken_mutation(), None, "{}", self.rule.name);
        }
        !is_whole && played.iter().any(InMemory::has_mutated)
    }

    fn line(&self, verdict: &str) -> String {
        format!("{verdict} | {} | {}", self.rule.name, self.beginning)
    }
}

/// What a use came to.
enum Found {
    /// As the table says.
    AsKnown,
    /// This misses it, as the table would name it; it does not say so.
    By(String),
    /// Nothing misses it, and the table does not say why.
    Unwatched,
}

/// How far histories are searched for what misses a use.
#[derive(Clone, Copy, Debug)]
struct Search {
    seeds: u64,
    /// The same for what is allowed: a reason may have become untrue.
    seeds_of_allowed: u64,
}

impl Search {
    /// As the environment says; `make soak` says much.
    fn from_environment() -> Self {
        let seeds = std::env::var("MUTATION_SEEDS").ok().and_then(|text| text.parse().ok());
        Self { seeds: seeds.unwrap_or(SEEDS_PER_RULE), seeds_of_allowed: seeds.map_or(0, |seeds| seeds / ALLOWED) }
    }
}

/// Looks for a history that misses a use: the kept seed first, then those that miss the rule elsewhere.
fn look_for(one: &Use, table: &[Known], search: Search) -> Found {
    let known = one.known(table).map(|known| known.verdict);
    match known {
        Some(Verdict::Allowed) if search.seeds_of_allowed == 0 => return Found::AsKnown,
        Some(Verdict::Seed(seed)) if one.is_missed_by(seed) => return Found::AsKnown,
        Some(Verdict::Scene(scene)) if one.is_missed_in(scene) => return Found::AsKnown,
        _ => {}
    }
    if let Some(scene) = SCENES.iter().find(|scene| one.is_missed_in(scene)) {
        return Found::By(format!("scene {}", scene.name));
    }
    let elsewhere = table.iter().filter(|known| known.rule == one.rule.name).filter_map(Known::seed);
    // Each once.
    let elsewhere: BTreeSet<u64> = elsewhere.collect();
    let is_allowed = matches!(known, Some(Verdict::Allowed));
    let seeds = if is_allowed { search.seeds_of_allowed } else { search.seeds };
    match elsewhere.into_iter().chain(1..=seeds).find(|seed| one.is_missed_by(*seed)) {
        Some(seed) => Found::By(format!("seed {seed}")),
        None if matches!(known, Some(Verdict::Allowed)) => Found::AsKnown,
        None => Found::Unwatched,
    }
}

#[test]
fn every_use_of_every_rule_that_is_taken_out_is_missed() {
    let started = Instant::now();
    let search = Search::from_environment();
    let table = known();
    let uses = uses(&table);
    let found = side_by_side(&uses, |one| {
        let found = look_for(one, &table, search);
        match &found {
            Found::AsKnown => {}
            Found::By(what) => report(&format!("keep in rules.txt: {}", one.line(what))),
            Found::Unwatched => report(&format!("nothing misses: {}", one.line("allowed: why?"))),
        }
        found
    });
    report(&format!("{} uses of {} rules taken out in {} s", uses.len(), RULES.len(), started.elapsed().as_secs()));
    let is_gone =
        |known: &&Known| !uses.iter().any(|one| one.known(&table).is_some_and(|found| ptr::eq(found, *known)));
    let gone: Vec<String> =
        table.iter().filter(is_gone).map(|known| format!("{} | {}", known.rule, known.beginning)).collect();
    let unwatched: Vec<String> = uses
        .iter()
        .zip(&found)
        .filter(|(_, found)| matches!(found, Found::Unwatched))
        .map(|(one, _)| one.line("allowed: why?"))
        .collect();
    assert!(unwatched.is_empty(), "nothing misses:\n{}", unwatched.join("\n"));
    assert!(gone.is_empty(), "rules.txt knows uses that are gone:\n{}", gone.join("\n"));
}
