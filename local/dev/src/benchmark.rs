//! `make bench`.
/// Runs.
pub fn run(_quick: bool) -> Result<(), crate::Error> {
    Err("not yet".into())
}
