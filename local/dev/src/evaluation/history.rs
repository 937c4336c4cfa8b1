//! What was measured before: a file with a line for each run, by which what has become worse is seen.

use std::{fs, io::Write as _, path::Path};

use serde_json::Value;

use crate::Error;

/// What a figure may fall before it is told: less is noise of ties.
const WORSE: f64 = 0.005;

/// A figure that has fallen.
#[derive(Debug, PartialEq)]
pub struct Regression {
    /// Which: set, category, and way of searching.
    pub name: String,
    /// What it was in the last run that measured it.
    pub before: f64,
    /// What it is.
    pub now: f64,
}

/// The figures of `now` that are worse than in the last run that has them. Figures are objects of nDCG@10 by name.
pub fn regressions(runs: &[Value], now: &Value) -> Vec<Regression> {
    let before = |name: &str| runs.iter().rev().find_map(|run| run["figures"][name].as_f64());
    let figures = now["figures"].as_object().into_iter().flatten();
    let worse = figures.filter_map(|(name, figure)| {
        let (before, now) = (before(name)?, figure.as_f64()?);
        (now < before - WORSE).then(|| Regression { name: name.clone(), before, now })
    });
    worse.collect()
}

/// The runs of a file, oldest first; none if it is not there.
///
/// # Errors
/// It holds something else.
pub fn read(path: &Path) -> Result<Vec<Value>, Error> {
    let Ok(text) = fs::read_to_string(path) else { return Ok(Vec::new()) };
    text.lines().map(|line| serde_json::from_str(line).map_err(Error::from)).collect()
}

/// Appends a run.
///
/// # Errors
/// The file cannot be written.
pub fn append(path: &Path, run: &Value) -> Result<(), Error> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path)?;
    writeln!(file, "{run}")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_fell_since_the_last_run_that_measured_it_is_told() {
        let runs = [json!({"figures": {"a hybrid": 0.5, "b hybrid": 0.7}}), json!({"figures": {"a hybrid": 0.6}})];
        let now = json!({"figures": {"a hybrid": 0.55, "b hybrid": 0.699, "c hybrid": 0.1}});
        let worse = regressions(&runs, &now);
        assert_eq!(worse, [Regression { name: "a hybrid".to_owned(), before: 0.6, now: 0.55 }]);
        assert!(regressions(&[], &now).is_empty());
    }

    #[test]
    fn runs_are_read_as_they_were_appended() {
        let path = std::env::temp_dir().join(format!("friend-history-{}.jsonl", std::process::id()));
        let _ = fs::remove_file(&path);
        assert!(read(&path).unwrap().is_empty());
        for figure in [0.5, 0.6] {
            append(&path, &json!({"figures": {"a": figure}})).unwrap();
        }
        assert_eq!(read(&path).unwrap().len(), 2);
        fs::write(&path, "no JSON\n").unwrap();
        assert!(read(&path).is_err());
        fs::remove_file(&path).unwrap();
    }
}
