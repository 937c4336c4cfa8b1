//! `make eval`.
/// Runs.
pub fn run(_data: &std::path::Path, _sets: &[String]) -> Result<(), crate::Error> {
    Err("not yet".into())
}
