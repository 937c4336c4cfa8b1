//! Links between the pages of the documentation: a page that is renamed is found again.

use std::{
    collections::BTreeSet,
    path::{Component, Path, PathBuf},
};

use crate::{Finding, sources::Sources};

/// A finding for each link to a file or folder of the repository that is not there.
pub fn dead_links(sources: &Sources) -> Vec<Finding> {
    let paths = sources.texts().flat_map(|(path, _)| Path::new(path).ancestors());
    let there: BTreeSet<&Path> = paths.collect();
    let pages = sources.texts().filter(|(path, _)| Path::new(path).extension().is_some_and(|end| end == "md"));
    pages.flat_map(|(path, text)| dead_links_of(&there, path, text)).collect()
}

fn dead_links_of(there: &BTreeSet<&Path>, page: &str, text: &str) -> Vec<Finding> {
    let links = text.lines().enumerate().flat_map(|(before, line)| targets(line).map(move |target| (before, target)));
    let dead = links.filter(|(_, target)| !there.contains(place(page, target).as_path()));
    dead.map(|(before, target)| {
        Finding::new(page, before + 1, format!("links to {target}, which is not there; say where it lies now"))
    })
    .collect()
}

/// What the links of a line lead to within the repository: without those elsewhere, and within the page itself.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let paths = targets.map(|target| target.split('#').next().unwrap_or_default());
    paths.filter(|path| !path.is_empty() && !path.contains(':') && !path.contains(' '))
}

/// Where a link of a page leads, from the repository's root.
fn place(page: &str, target: &str) -> PathBuf {
    let folder = Path::new(page).parent().unwrap_or(Path::new(""));
    let mut path = PathBuf::new();
    for part in folder.join(target).components() {
        match part {
            Component::ParentDir => drop(path.pop()),
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources;

    fn found(line: &str) -> usize {
        let text = format!("# A page\n\n{line}\n");
        let files = [("docs/a.md", text.as_str()), ("docs/decisions/001-b.md", ""), ("README.md", "")];
        let found = dead_links(&sources::of(files));
        assert!(found.iter().all(|finding| finding.line == 3));
        found.len()
    }

    #[test]
    fn a_link_to_what_was_renamed_is_found() {
        assert_eq!(found("See [b](decisions/001-renamed.md) and [c](../LICENSE#x)."), 2);
        assert_eq!(found("See [b](001-b.md)."), 1, "it lies elsewhere");
    }

    #[test]
    fn a_link_to_a_page_a_folder_a_heading_or_elsewhere_is_fine() {
        assert_eq!(found("[b](decisions/001-b.md#why), [c](../README.md), [d](decisions), [e](#a-page)"), 0);
        assert_eq!(found("[f](https://example.com/x.md) `list[0](a b)`"), 0);
    }
}
