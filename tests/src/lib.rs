//! What the tests share: the whole product over ports in memory, and checks of what is stored.

pub mod corpus;
pub mod freeplan;
pub mod rig;
pub mod simulation;
pub mod socket;
pub mod stored;

/// Says a measured figure where a test runner does not swallow it: it is part of the result.
pub fn report(figure: &str) {
    use std::io::Write as _;
    // A closed stderr has nobody to tell.
    let _ = writeln!(std::io::stderr(), "    {figure}");
}
