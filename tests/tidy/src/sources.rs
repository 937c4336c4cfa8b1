//! The files that are looked at: their texts, and the syntax of those in Rust.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fs,
    path::Path,
    process::Command,
};

use syn::Item;

use crate::syntax;

/// Files by path from the repository's root.
pub struct Sources {
    texts: BTreeMap<String, String>,
    parsed: BTreeMap<String, syn::File>,
    shipped: BTreeMap<String, syn::File>,
}

impl Sources {
    /// Parses what is Rust.
    ///
    /// # Errors
    ///
    /// A file of Rust that does not parse.
    pub fn new(texts: BTreeMap<String, String>) -> Result<Self, syn::Error> {
        let rust = texts.iter().filter(|(path, _)| is_rust(path));
        let parsed = rust
            .map(|(path, text)| Ok((path.clone(), syn::parse_file(text)?)))
            .collect::<Result<BTreeMap<_, _>, syn::Error>>()?;
        let tests = test_modules(&parsed);
        let shipped = parsed
            .iter()
            .filter(|(path, _)| !is_test(path) && !tests.contains(path.as_str()))
            .map(|(path, file)| (path.clone(), without_tests(file)))
            .collect();
        Ok(Self { texts, parsed, shipped })
    }

    /// Reads what git tracks in this repository, or would.
    ///
    /// # Errors
    ///
    /// git does not run, or a file of Rust does not parse.
    pub fn read(root: &Path) -> Result<Self, Box<dyn Error>> {
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()?;
        if !listed.status.success() {
            return Err(String::from_utf8_lossy(&listed.stderr).into());
        }
        let paths = String::from_utf8(listed.stdout)?;
        // Binary files are of no interest, files that were removed but are still tracked are gone.
        let read = |path: &str| Some((path.to_owned(), fs::read_to_string(root.join(path)).ok()?));
        Ok(Self::new(paths.split_terminator('\0').filter_map(read).collect())?)
    }

    /// All texts.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The text of one file.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    /// Files of Rust, whole.
    pub fn rust(&self) -> impl Iterator<Item = (&str, &syn::File)> {
        self.parsed.iter().map(|(path, file)| (path.as_str(), file))
    }

    /// Files of Rust without their tests.
    pub fn shipped(&self) -> impl Iterator<Item = (&str, &syn::File)> {
        self.shipped.iter().map(|(path, file)| (path.as_str(), file))
    }

    /// One file of Rust without its tests.
    pub fn shipped_file(&self, path: &str) -> Option<&syn::File> {
        self.shipped.get(path)
    }
}

/// A file of Rust.
pub fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "rs")
}

/// One of the files that Cargo builds as a test.
pub fn is_test(path: &str) -> bool {
    path.contains("/tests/")
}

/// The files of modules that are declared for tests only.
fn test_modules(files: &BTreeMap<String, syn::File>) -> BTreeSet<String> {
    files.iter().flat_map(|(path, file)| file.items.iter().filter_map(|item| test_module(path, item))).collect()
}

fn test_module(path: &str, item: &Item) -> Option<String> {
    let Item::Mod(module) = item else { return None };
    let is_declared = module.content.is_none() && module.attrs.iter().any(syntax::is_test_only);
    is_declared.then(|| format!("{}/{}.rs", folder_of_children(path), module.ident))
}

/// Where the files of a file's modules lie.
fn folder_of_children(path: &str) -> &str {
    let name_aside = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let is_root = ["lib.rs", "main.rs", "mod.rs"].iter().any(|name| path.ends_with(&format!("/{name}")));
    if is_root { name_aside } else { path.trim_end_matches(".rs") }
}

fn without_tests(file: &syn::File) -> syn::File {
    syn::File { items: shipped_items(&file.items), ..file.clone() }
}

fn shipped_items(items: &[Item]) -> Vec<Item> {
    let shipped = items.iter().filter(|item| !syntax::attributes(item).iter().any(syntax::is_test_only));
    shipped
        .map(|item| match item {
            Item::Mod(module) => {
                let content = module.content.as_ref().map(|(brace, items)| (*brace, shipped_items(items)));
                Item::Mod(syn::ItemMod { content, ..module.clone() })
            }
            other => other.clone(),
        })
        .collect()
}

/// A few files, for the tests of the rules.
#[cfg(test)]
pub(crate) fn of<const N: usize>(files: [(&str, &str); N]) -> Sources {
    Sources::new(files.map(|(path, text)| (path.to_owned(), text.to_owned())).into()).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_is_declared_for_tests_is_not_shipped() {
        let sources = of([
            ("a/src/lib.rs", "#[cfg(test)]\nmod fixture;\nmod one;"),
            ("a/src/fixture.rs", ""),
            ("a/src/one.rs", "#[cfg(test)]\nmod inner;"),
            ("a/src/one/inner.rs", ""),
        ]);
        let shipped: Vec<&str> = sources.shipped().map(|(path, _)| path).collect();
        assert_eq!(shipped, ["a/src/lib.rs", "a/src/one.rs"]);
    }
}
