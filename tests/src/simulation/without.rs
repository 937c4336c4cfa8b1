//! Histories without a rule of the SQL: something is to miss it.

use std::collections::BTreeSet;

use test_platform::Mutation;

use super::history::Simulation;

/// What a history without a rule came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    /// No statement of it held the rule.
    Unused,
    /// Nothing was violated.
    Unnoticed,
    /// Something was violated, or went to pieces.
    Violated,
}

/// Runs one history without a rule: without every use of it, or without the one in this statement.
///
/// # Panics
/// If a statement without the rule is no SQL any more: that anything notices.
pub fn run_without(seed: u64, mutation: Mutation, statement: Option<&str>) -> Without {
    let mut simulation = Simulation::new(seed);
    match statement {
        Some(statement) => simulation.rig.memory.mutate_only(mutation, statement),
        None => simulation.rig.memory.mutate(mutation),
    }
    let kept = simulation.caught().is_ok();
    assert_eq!(simulation.rig.memory.broken_mutation(), None, "{}", mutation.name);
    match (simulation.rig.memory.has_mutated(), kept) {
        (false, _) => Without::Unused,
        (true, true) => Without::Unnoticed,
        (true, false) => Without::Violated,
    }
}

/// The texts of all statements that a history runs.
pub fn statements(seed: u64) -> BTreeSet<String> {
    let mut simulation = Simulation::new(seed);
    simulation.rig.memory.note_statements();
    // Whether it keeps its promises is for others to say.
    let _ = simulation.caught();
    simulation.rig.memory.noted_statements()
}
