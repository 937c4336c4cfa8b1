//! The modules of a crate: which file each is in, and which other each of its paths leads to.

use std::collections::BTreeMap;

use syn::{
    Item, Macro,
    visit::{self, Visit},
};

use crate::{
    sources::Sources,
    syntax::{self, PathAt},
};

/// A module's path from the root of its crate.
type ModulePath = Vec<String>;

/// How many imports are followed from one to the next.
const MOST_IMPORTS: usize = 8;

#[derive(Debug, Default)]
struct Module {
    file: String,
    /// Names that a `use` brought into scope, and where each leads.
    imports: BTreeMap<String, Vec<String>>,
    paths: Vec<PathAt>,
}

/// The modules of one crate.
#[derive(Debug, Default)]
pub(crate) struct Modules(BTreeMap<ModulePath, Module>);

/// That one file needs another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) line: usize,
}

impl Modules {
    /// Follows `mod` from the root of a crate.
    pub(crate) fn of(sources: &Sources, root: &str) -> Self {
        let mut modules = Self::default();
        let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
        modules.add_file(sources, root, folder, Vec::new());
        modules
    }

    fn add_file(&mut self, sources: &Sources, file: &str, folder: &str, path: ModulePath) {
        let Some(syntax) = sources.shipped_file(file) else { return };
        self.add_items(sources, &syntax.items, file, folder, path);
    }

    fn add_items(&mut self, sources: &Sources, items: &[Item], file: &str, folder: &str, path: ModulePath) {
        let mut module = Module { file: file.to_owned(), ..Module::default() };
        for item in items {
            let Item::Mod(child) = item else {
                module.visit_item(item);
                continue;
            };
            let name = child.ident.to_string();
            let child_path: ModulePath = path.iter().cloned().chain([name.clone()]).collect();
            let child_folder = format!("{folder}/{name}");
            if let Some((_, items)) = &child.content {
                self.add_items(sources, items, file, &child_folder, child_path);
                continue;
            }
            let files = [format!("{child_folder}.rs"), format!("{child_folder}/mod.rs")];
            if let Some(file) = files.iter().find(|file| sources.text(file).is_some()) {
                self.add_file(sources, file, &child_folder, child_path);
            }
        }
        self.0.insert(path, module);
    }

    /// Which file needs which, with the line of the first path that says so.
    pub(crate) fn dependencies(&self) -> Vec<Dependency> {
        let mut found: Vec<Dependency> = Vec::new();
        for (module_path, module) in &self.0 {
            for path in &module.paths {
                let Some(target) = self.resolve(module_path, &path.segments, MOST_IMPORTS) else { continue };
                let Some(to) = self.0.get(&target).map(|target| &target.file) else { continue };
                let known = found.iter().any(|dependency| dependency.from == module.file && dependency.to == *to);
                if *to != module.file && !known {
                    found.push(Dependency { from: module.file.clone(), to: to.clone(), line: path.line });
                }
            }
        }
        found
    }

    /// The module that a path leads into; `None` for one into another crate or a type in scope.
    fn resolve(&self, from: &ModulePath, path: &[String], imports_left: usize) -> Option<ModulePath> {
        let (first, rest) = path.split_first()?;
        let mut current = match first.as_str() {
            "crate" => Vec::new(),
            "self" => from.clone(),
            "super" => parent(from)?,
            name => self.child(from, name).or_else(|| {
                // A module of this crate under a name that a `use` gave it.
                let import = self.0.get(from)?.imports.get(name)?;
                let is_other = import != path;
                (is_other && imports_left > 0).then(|| self.resolve(from, import, imports_left - 1))?
            })?,
        };
        for segment in rest {
            let next = if segment == "super" { parent(&current) } else { self.child(&current, segment) };
            let Some(next) = next else { break };
            current = next;
        }
        Some(current)
    }

    fn child(&self, module: &ModulePath, name: &str) -> Option<ModulePath> {
        let child: ModulePath = module.iter().cloned().chain([name.to_owned()]).collect();
        self.0.contains_key(&child).then_some(child)
    }
}

fn parent(module: &ModulePath) -> Option<ModulePath> {
    module.split_last().map(|(_, parent)| parent.to_vec())
}

impl<'ast> Visit<'ast> for Module {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        for import in syntax::imports(item) {
            self.imports.insert(import.name, import.path.segments.clone());
            self.paths.push(import.path);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() && path.segments.len() > 1 {
            self.paths.push(syntax::path_at(path));
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.paths.extend(syntax::paths_in_tokens(call.tokens.clone()));
        visit::visit_macro(self, call);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources;

    /// What `one.rs` of a crate of three files needs.
    fn needs(one: &str) -> Vec<String> {
        let sources = sources::of([
            ("a/src/lib.rs", "pub mod one; pub mod two; pub struct Root;"),
            ("a/src/one.rs", one),
            ("a/src/two.rs", "pub mod inner;"),
            ("a/src/two/inner.rs", "pub fn work() {}"),
        ]);
        let dependencies = Modules::of(&sources, "a/src/lib.rs").dependencies();
        dependencies.into_iter().filter(|found| found.from == "a/src/one.rs").map(|found| found.to).collect()
    }

    #[test]
    fn paths_of_every_kind_lead_to_their_file() {
        assert_eq!(needs("use crate::two::Thing;"), ["a/src/two.rs"]);
        assert_eq!(needs("use super::two::{inner::{self, work}};"), ["a/src/two/inner.rs"]);
        assert_eq!(needs("use super::Root;"), ["a/src/lib.rs"]);
        assert_eq!(needs("fn f() { crate::two::inner::work() }"), ["a/src/two/inner.rs"]);
        assert_eq!(
            needs("use super::two as other; fn f() { other::inner::work() }"),
            ["a/src/two.rs", "a/src/two/inner.rs"]
        );
        assert_eq!(needs("fn f() { println!(\"{}\", crate::two::inner::work()) }"), ["a/src/two/inner.rs"]);
    }

    #[test]
    fn other_crates_comments_and_tests_lead_nowhere() {
        assert_eq!(needs("use two::Thing; use ::two::inner; use std::two;"), Vec::<String>::new());
        assert_eq!(needs("// crate::two\n/// [`crate::two::inner`]\nfn f() {}"), Vec::<String>::new());
        assert_eq!(needs("#[cfg(test)]\nmod tests { use crate::two::Thing; }"), Vec::<String>::new());
    }
}
