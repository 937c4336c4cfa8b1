//! Folders that lie side by side do not reach into each other: what both need lies below both.

use crate::{Finding, modules::Modules, sources::Sources};

/// The root of a crate, and two folders of it that know nothing of each other.
const APART: [(&str, &str, &str); 1] = [("producers/src/lib.rs", "producers/src/api", "producers/src/schedule")];

/// A finding for each file of one such folder that uses the other.
pub fn reaching_across(sources: &Sources) -> Vec<Finding> {
    APART.iter().flat_map(|(root, one, other)| reaching(sources, root, [one, other])).collect()
}

fn reaching(sources: &Sources, root: &str, folders: [&str; 2]) -> Vec<Finding> {
    let dependencies = Modules::of(sources, root).dependencies();
    let folder = |file: &str| folders.iter().position(|folder| lies_in(file, folder));
    let across = dependencies.into_iter().filter(|dependency| {
        let places = folder(&dependency.from).zip(folder(&dependency.to));
        places.is_some_and(|(from, to)| from != to)
    });
    across
        .map(|dependency| {
            let advice = "move what both need to where neither is";
            Finding::new(&dependency.from, dependency.line, format!("uses {}; {advice}", dependency.to))
        })
        .collect()
}

/// True for a file of the folder, and for the module that declares them.
fn lies_in(file: &str, folder: &str) -> bool {
    file.strip_prefix(folder).is_some_and(|rest| rest.starts_with(['/', '.']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources;

    fn found(step: &str) -> Vec<Finding> {
        let sources = sources::of([
            ("producers/src/lib.rs", "pub mod api; pub mod remove; pub mod schedule;"),
            ("producers/src/api.rs", "pub mod documents;"),
            ("producers/src/api/documents.rs", "use crate::remove;"),
            ("producers/src/remove.rs", "pub fn document() {}"),
            ("producers/src/schedule.rs", "pub mod retention;"),
            ("producers/src/schedule/retention.rs", step),
        ]);
        reaching_across(&sources)
    }

    #[test]
    fn a_step_of_the_schedule_that_uses_a_handler_is_found() {
        let found = found("use crate::api::documents;");
        assert_eq!((found.len(), found[0].file.as_str()), (1, "producers/src/schedule/retention.rs"));
    }

    #[test]
    fn what_lies_below_both_may_be_used_by_both() {
        assert_eq!(found("use crate::remove;"), []);
        assert_eq!(found("#[cfg(test)] mod tests { use crate::api::documents; }"), []);
    }
}
