//! ARCHITECTURE's map is where a stranger begins, so it names every folder that holds sources.

use std::collections::BTreeSet;

use crate::{Finding, sources::Sources};

const ARCHITECTURE: &str = "ARCHITECTURE.md";
const HEADING: &str = "## The map";
/// What a folder that the map names holds files of.
const SOURCE_EXTENSIONS: [&str; 6] = [".rs", ".js", ".py", ".sh", ".sql", ".tsv"];

/// A finding for each folder that holds sources and is not named.
///
/// The map is the first indented block under its heading. A line that is indented like the first belongs
/// to the folder of the workspace that it begins with, and so do the lines below it that are indented
/// further. A folder is named if among those is a word that ends in `/` and is the end of its path:
/// `index/` or `api/index/` in the lines of `producers/`. `src`, `tests` and `bin` inside of a crate are
/// Cargo's names and may be left out.
pub fn unnamed_folders(sources: &Sources) -> Vec<Finding> {
    let Some(text) = sources.text(ARCHITECTURE) else {
        return vec![Finding::new(ARCHITECTURE, 0, "is missing: it holds the map of the folders")];
    };
    let Some(heading) = text.lines().position(|line| line == HEADING) else {
        return vec![Finding::new(ARCHITECTURE, 0, format!("has no heading {HEADING:?} any more"))];
    };
    let names = names(text.lines().skip(heading + 1));
    let unnamed = folders(sources).into_iter().filter(|(_, folder)| !names.iter().any(|name| name.is_of(folder)));
    unnamed
        .map(|(path, _)| {
            let what = format!("the map does not name {path}/; add the folder under its parent, with what is in it");
            Finding::new(ARCHITECTURE, heading + 1, what)
        })
        .collect()
}

/// A folder's name as the map says it.
#[derive(Debug)]
struct Name<'a> {
    /// The folder of the workspace in whose lines it stands.
    top: &'a str,
    words: Vec<&'a str>,
}

impl Name<'_> {
    fn is_of(&self, folder: &[&str]) -> bool {
        folder.first() == Some(&self.top) && folder.ends_with(&self.words)
    }
}

fn names<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Name<'a>> {
    let block = lines.skip_while(|line| line.is_empty()).take_while(|line| line.starts_with(' ') || line.is_empty());
    let mut outermost = None;
    let mut top = "";
    let mut names = Vec::new();
    for line in block.filter(|line| !line.is_empty()) {
        let indentation = line.len() - line.trim_start().len();
        if indentation == *outermost.get_or_insert(indentation) {
            top = line.trim_start().split([' ', '/']).next().unwrap_or_default();
        }
        let words = line.split([' ', ',', ';', '(', ')']).filter_map(|word| word.strip_suffix('/'));
        names.extend(words.map(|word| Name { top, words: folder_of(word) }));
    }
    names
}

/// The folders that hold sources: as they are, and as the map may name them.
fn folders(sources: &Sources) -> BTreeSet<(&str, Vec<&str>)> {
    let is_source = |path: &str| SOURCE_EXTENSIONS.iter().any(|extension| path.ends_with(extension));
    let paths = sources.texts().map(|(path, _)| path).filter(|path| is_source(path));
    let folders = paths.filter_map(|path| path.rsplit_once('/')).map(|(folder, _)| folder);
    folders.map(|folder| (folder, folder_of(folder))).collect()
}

/// The names on the way to a folder, without those that Cargo gives.
fn folder_of(path: &str) -> Vec<&str> {
    let mut names = path.split('/');
    let top = names.next();
    top.into_iter().chain(names.filter(|name| !["src", "tests", "bin"].contains(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources;

    const MAP: &str = "# Tour\n\n## The map\n\n    pipeline/   the vocabulary\n                job/ (items), chat/\n\
                       \x20   \
                       producers/  routes in api/index/\n\nThe rest is prose about store/.\n";

    fn check(path: &str) -> Vec<Finding> {
        unnamed_folders(&sources::of([(ARCHITECTURE, MAP), (path, "")]))
    }

    #[test]
    fn a_folder_that_the_map_does_not_name_is_found() {
        assert!(check("pipeline/src/store/jobs.rs")[0].what.contains("pipeline/src/store/"));
        assert_eq!(check("producers/src/job/view.rs").len(), 1, "named, but in another crate");
        assert_eq!(check("retrieval/src/lib.rs").len(), 1);
    }

    #[test]
    fn a_folder_that_the_map_names_is_fine() {
        assert_eq!(check("pipeline/src/lib.rs"), []);
        assert_eq!(check("pipeline/src/job/item.rs"), []);
        assert_eq!(check("producers/src/api/index/accept.rs"), []);
    }
}
