//! A history that breaks a promise, explained: what it came to last, and how little of it is enough.
//!
//! An operation that is left out must not change what the others draw. So a history is first run
//! once more with the draws noted that each of its operations began with; whatever is left of it
//! begins them with the same.

use std::fmt;

use test_platform::Mutation;

use super::{
    draw::Draw,
    history::Simulation,
    plan::{OPERATIONS, Plan},
    trace::Trace,
};

/// Operations that are shown of a history.
const SHOWN: usize = 40;
/// Histories that are run to find a shorter one: half a minute at most.
const TRIES: usize = 400;

/// A promise that was broken, and what happened before.
pub struct Broken {
    violation: String,
    whole: Vec<String>,
    /// Operations that are enough to break it.
    pub operations: usize,
    needs_no_faults: bool,
    shrunk: Vec<String>,
}

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}\nthe last {SHOWN} operations:", self.violation)?;
        self.whole.iter().try_for_each(|line| writeln!(formatter, "{line}"))?;
        let faults = if self.needs_no_faults { ", and no faults" } else { "" };
        writeln!(formatter, "{} of its {OPERATIONS} operations are enough{faults}:", self.operations)?;
        self.shrunk.iter().try_for_each(|line| writeln!(formatter, "{line}"))
    }
}

/// A run whose lines were written.
struct Attempt {
    violation: Option<String>,
    begun_with: Vec<(usize, Option<Draw>)>,
    trace: Trace,
}

/// Runs a part of a history; what it violated, and its lines.
fn attempt(seed: u64, mutation: Option<Mutation>, plan: Plan) -> Attempt {
    let mut simulation = Simulation::new(seed);
    simulation.trace = Trace::written();
    simulation.plan = plan;
    if let Some(mutation) = mutation {
        simulation.rig.memory.mutate(mutation);
    }
    let violation = simulation.caught().err();
    Attempt { violation, begun_with: simulation.begun_with, trace: simulation.trace }
}

/// What was violated, without the details that differ from run to run.
fn kind(violation: &str) -> String {
    let what = violation.split(": ").nth(1).unwrap_or(violation);
    what.chars().take_while(|character| character.is_alphabetic() || *character == ' ').collect()
}

/// The lines of one whole history, and what it came to.
pub fn replay(seed: u64) -> String {
    let attempt = attempt(seed, None, Plan::default());
    let end = attempt.violation.unwrap_or_else(|| format!("seed {seed}: every promise is kept"));
    format!("{}\n{end}", attempt.trace.of_last(OPERATIONS).join("\n"))
}

/// Runs a history that breaks a promise again, with as little of it as is cheap to find out. `None` if
/// it breaks none.
pub fn explain(seed: u64, mutation: Option<Mutation>) -> Option<Broken> {
    let whole = attempt(seed, mutation, Plan::default());
    whole.violation.clone().map(|violation| {
        let shrinking = Shrinking { seed, mutation, kind: kind(&violation), tries: TRIES };
        let plan = Plan { operations: whole.begun_with, ..Plan::default() };
        let (plan, shrunk) = shrinking.shrunk(plan);
        Broken {
            violation,
            whole: whole.trace.of_last(SHOWN),
            operations: plan.operations.len(),
            needs_no_faults: plan.is_calm,
            shrunk: shrunk.map(|trace| trace.of_last(SHOWN)).unwrap_or_default(),
        }
    })
}

/// The search for a shorter history that violates the same.
struct Shrinking {
    seed: u64,
    mutation: Option<Mutation>,
    kind: String,
    tries: usize,
}

impl Shrinking {
    /// The lines of a plan that violates the same.
    fn still_fails(&mut self, plan: &Plan) -> Option<Trace> {
        self.tries = self.tries.checked_sub(1)?;
        let attempt = attempt(self.seed, self.mutation, plan.clone());
        attempt.violation.is_some_and(|violation| kind(&violation) == self.kind).then_some(attempt.trace)
    }

    fn shrunk(mut self, plan: Plan) -> (Plan, Option<Trace>) {
        let mut best = (plan, None);
        self.without_end(&mut best);
        self.without_parts(&mut best);
        let calm = Plan { is_calm: true, ..best.0.clone() };
        if let Some(trace) = self.still_fails(&calm) {
            best = (calm, Some(trace));
        }
        best
    }

    /// The shortest beginning found by halving.
    fn without_end(&mut self, best: &mut (Plan, Option<Trace>)) {
        let (mut too_short, mut enough) = (0, best.0.operations.len());
        while enough - too_short > 1 {
            let middle = usize::midpoint(too_short, enough);
            let shorter = Plan { operations: best.0.operations[..middle].to_vec(), ..best.0.clone() };
            if let Some(trace) = self.still_fails(&shorter) {
                *best = (shorter, Some(trace));
                enough = middle;
            } else {
                too_short = middle;
            }
        }
    }

    /// Leaves out ever smaller parts.
    fn without_parts(&mut self, best: &mut (Plan, Option<Trace>)) {
        for size in [32, 16, 8, 4, 2, 1] {
            let mut start = 0;
            while start < best.0.operations.len() {
                let end = (start + size).min(best.0.operations.len());
                let mut fewer = best.0.clone();
                fewer.operations.drain(start..end);
                match self.still_fails(&fewer) {
                    Some(trace) => *best = (fewer, Some(trace)),
                    None => start = end,
                }
            }
        }
    }
}
