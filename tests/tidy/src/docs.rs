//! Documentation that says more than the name: of the ports, the store and the jobs, which everybody uses.

use syn::{
    Attribute, Expr, Ident, Lit, Meta, Visibility,
    visit::{self, Visit},
};

use crate::{Finding, sources::Sources};

/// Where documentation is held to this.
const FOLDERS: [&str; 3] = ["pipeline/src/job/", "pipeline/src/platform/", "pipeline/src/store/"];

/// A finding for each public item whose documentation is one word, or its name again. Fields do not count: what
/// one is, its name and its type say.
pub fn empty_docs(sources: &Sources) -> Vec<Finding> {
    let files = sources.shipped().filter(|(path, _)| FOLDERS.iter().any(|folder| path.starts_with(folder)));
    files
        .flat_map(|(path, file)| {
            let mut items = Items::default();
            items.visit_file(file);
            items.0.into_iter().filter(Item::says_nothing).map(move |item| {
                let what = format!("{:?} says no more than `{}`; say what it is for", item.doc, item.name);
                Finding::new(path, item.line, what)
            })
        })
        .collect()
}

/// A documented item that others may use.
#[derive(Debug)]
struct Item {
    name: String,
    doc: String,
    line: usize,
}

impl Item {
    fn says_nothing(&self) -> bool {
        let said = words(&self.doc);
        said.len() == 1 || said == words(&spaced(&self.name))
    }
}

/// `jobId` and `JobId` as `job Id`, so that they are compared word by word.
fn spaced(name: &str) -> String {
    let space_before = |letter: char| if letter.is_uppercase() { format!(" {letter}") } else { letter.to_string() };
    name.chars().map(space_before).collect()
}

/// The words that carry meaning.
fn words(text: &str) -> Vec<String> {
    let words = text.split(|letter: char| !letter.is_alphanumeric()).map(str::to_lowercase);
    words.filter(|word| !["", "a", "an", "its", "the"].contains(&word.as_str())).collect()
}

#[derive(Debug, Default)]
struct Items(Vec<Item>);

impl Items {
    fn add(&mut self, name: &Ident, attributes: &[Attribute]) {
        let doc: Vec<String> = attributes.iter().filter_map(doc_line).collect();
        // What has none at all is rustc's to complain of.
        if !doc.is_empty() {
            let line = name.span().start().line;
            self.0.push(Item { name: name.to_string(), doc: doc.join(" ").trim().to_owned(), line });
        }
    }

    fn add_public(&mut self, visibility: &Visibility, name: &Ident, attributes: &[Attribute]) {
        if matches!(visibility, Visibility::Public(_)) {
            self.add(name, attributes);
        }
    }
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else { return None };
    let Expr::Lit(value) = &pair.value else { return None };
    let Lit::Str(text) = &value.lit else { return None };
    pair.path.is_ident("doc").then(|| text.value())
}

impl<'ast> Visit<'ast> for Items {
    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.add_public(&item.vis, &item.ident, &item.attrs);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.add_public(&item.vis, &item.ident, &item.attrs);
        if matches!(item.vis, Visibility::Public(_)) {
            item.variants.iter().for_each(|variant| self.add(&variant.ident, &variant.attrs));
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.add_public(&item.vis, &item.sig.ident, &item.attrs);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.add_public(&item.vis, &item.sig.ident, &item.attrs);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.add_public(&item.vis, &item.ident, &item.attrs);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.add_public(&item.vis, &item.ident, &item.attrs);
        visit::visit_item_trait(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.add(&item.sig.ident, &item.attrs);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.add_public(&item.vis, &item.ident, &item.attrs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources;

    fn found(text: &str) -> usize {
        empty_docs(&sources::of([("pipeline/src/job/item.rs", text)])).len()
    }

    #[test]
    fn one_word_and_a_repeated_name_are_found() {
        assert_eq!(found("/// Claims.\npub fn claim() {}"), 1);
        assert_eq!(found("/// The superseded revision.\npub struct SupersededRevision;"), 1);
        assert_eq!(found("/// What may come of it.\npub enum Outcome {\n    /// Done.\n    Done,\n}"), 1);
    }

    #[test]
    fn a_sentence_fields_private_items_and_other_folders_are_fine() {
        assert_eq!(found("/// Takes an item, unless another has.\npub fn claim() {}"), 0);
        assert_eq!(found("/// Claims.\nfn claim() {}"), 0);
        assert_eq!(found("/// A thing that is done.\npub struct Thing {\n    /// Its id.\n    pub id: u8,\n}"), 0);
        let elsewhere = sources::of([("pipeline/src/ids.rs", "/// Job.\npub struct Job;")]);
        assert_eq!(empty_docs(&elsewhere), []);
    }
}
