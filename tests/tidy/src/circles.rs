//! Files of a crate that use each other in a circle can only be understood, moved and tested together.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{
    Finding,
    modules::{Dependency, Modules},
    sources::Sources,
};

/// A finding for each circle of files in a crate. That a module declares its children counts for nothing;
/// that it uses them does.
pub fn circles(sources: &Sources) -> Vec<Finding> {
    let roots = sources.shipped().map(|(path, _)| path).filter(|path| is_root(path));
    roots.flat_map(|root| circles_of(&Modules::of(sources, root).dependencies())).collect()
}

/// Where Cargo begins to read a library or a program.
fn is_root(path: &str) -> bool {
    path.ends_with("src/lib.rs") || path.ends_with("src/main.rs") || path.contains("src/bin/")
}

fn circles_of(dependencies: &[Dependency]) -> Vec<Finding> {
    let mut needs: BTreeMap<&str, Vec<&Dependency>> = BTreeMap::new();
    for dependency in dependencies {
        needs.entry(&dependency.from).or_default().push(dependency);
    }
    let mut reported: BTreeSet<&str> = BTreeSet::new();
    let mut findings = Vec::new();
    for file in needs.keys() {
        let Some(circle) = shortest_circle(file, &needs).filter(|_| !reported.contains(file)) else { continue };
        reported.extend(circle.iter().map(|dependency| dependency.from.as_str()));
        findings.push(finding(&circle));
    }
    findings
}

/// The fewest steps that lead from a file back to it.
fn shortest_circle<'a>(start: &str, needs: &BTreeMap<&str, Vec<&'a Dependency>>) -> Option<Vec<&'a Dependency>> {
    let mut came_by: BTreeMap<&str, &Dependency> = BTreeMap::new();
    let mut waiting = VecDeque::from([start]);
    while let Some(file) = waiting.pop_front() {
        for dependency in needs.get(file).into_iter().flatten().copied() {
            if came_by.contains_key(dependency.to.as_str()) {
                continue;
            }
            came_by.insert(&dependency.to, dependency);
            waiting.push_back(&dependency.to);
        }
    }
    let mut circle = vec![*came_by.get(start)?];
    while circle.last()?.from != start {
        circle.push(came_by.get(circle.last()?.from.as_str())?);
    }
    circle.reverse();
    Some(circle)
}

fn finding(circle: &[&Dependency]) -> Finding {
    let steps: Vec<String> =
        circle.iter().map(|step| format!("    {}:{} uses {}", step.from, step.line, step.to)).collect();
    let advice = "files use each other in a circle; move what they share into a module of its own";
    let what = format!("{advice}:\n{}", steps.join("\n"));
    Finding::new(&circle[0].from, circle[0].line, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources;

    #[test]
    fn a_circle_of_three_files_is_found_once_and_printed() {
        let sources = sources::of([
            ("a/src/lib.rs", "mod one; mod two; mod three;"),
            ("a/src/one.rs", "use crate::two::Two;"),
            ("a/src/two.rs", "\nfn f() { super::three::work() }"),
            ("a/src/three.rs", "use super::one;"),
        ]);
        let found = circles(&sources);
        assert_eq!(found.len(), 1);
        assert!(found[0].what.contains("a/src/two.rs:2 uses a/src/three.rs"), "{}", found[0]);
    }

    #[test]
    fn a_parent_and_a_child_that_use_each_other_are_a_circle() {
        let sources = sources::of([
            ("a/src/lib.rs", "mod one;"),
            ("a/src/one.rs", "mod inner; pub struct One; fn f() { inner::work() }"),
            ("a/src/one/inner.rs", "use super::One;"),
        ]);
        assert_eq!(circles(&sources).len(), 1);
    }

    #[test]
    fn a_tree_of_files_is_fine() {
        let sources = sources::of([
            ("a/src/lib.rs", "mod one; mod two; pub use one::One;"),
            ("a/src/one.rs", "mod inner; pub struct One; fn f() { inner::work() }"),
            ("a/src/one/inner.rs", "use crate::two::Two; #[cfg(test)] mod tests { use super::super::One; }"),
            ("a/src/two.rs", "pub struct Two;"),
        ]);
        assert_eq!(circles(&sources), []);
    }
}
