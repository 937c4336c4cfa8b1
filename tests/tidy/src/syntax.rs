//! What rules look for in the syntax of a file: paths, and the texts of literals.

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, Item, Macro, UseTree,
    spanned::Spanned as _,
    visit::{self, Visit},
};

/// `a::b::c` as it is written somewhere, with its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathAt {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
}

/// What a `use` brings into scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Import {
    pub(crate) name: String,
    pub(crate) path: PathAt,
}

/// A literal's text, with the line where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Literal {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// The attributes of the items that are ever for tests only.
pub(crate) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// `#[cfg(test)]`.
pub(crate) fn is_test_only(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
}

/// What a `use` brings into scope, one import for each name.
pub(crate) fn imports(item: &syn::ItemUse) -> Vec<Import> {
    let mut imports = Vec::new();
    // `::name` is another crate, whatever modules there are.
    if item.leading_colon.is_none() {
        collect_imports(&item.tree, &mut Vec::new(), &mut imports);
    }
    imports
}

fn collect_imports(tree: &UseTree, before: &mut Vec<String>, imports: &mut Vec<Import>) {
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            collect_imports(&path.tree, before, imports);
            before.pop();
        }
        UseTree::Name(name) if name.ident == "self" => {
            let name_before = before.last().cloned().unwrap_or_default();
            imports.push(Import { name: name_before, path: at(before.clone(), &name.ident) });
        }
        UseTree::Name(name) => {
            let ident = name.ident.to_string();
            imports.push(Import { path: at(joined(before, &ident), &name.ident), name: ident });
        }
        UseTree::Rename(rename) => {
            let path = at(joined(before, &rename.ident.to_string()), &rename.ident);
            imports.push(Import { name: rename.rename.to_string(), path });
        }
        UseTree::Glob(glob) => {
            let line = glob.star_token.spans[0].start().line;
            imports.push(Import { name: "*".to_owned(), path: PathAt { segments: before.clone(), line } });
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| collect_imports(tree, before, imports)),
    }
}

fn joined(before: &[String], last: &str) -> Vec<String> {
    before.iter().cloned().chain([last.to_owned()]).collect()
}

fn at(segments: Vec<String>, ident: &syn::Ident) -> PathAt {
    PathAt { segments, line: ident.span().start().line }
}

/// A path as it is written.
pub(crate) fn path_at(path: &syn::Path) -> PathAt {
    let segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    PathAt { segments, line: path.segments.first().map_or(0, |segment| segment.ident.span().start().line) }
}

/// The paths among the arguments of a macro, which are not syntax yet: `a::b`, and what follows.
pub(crate) fn paths_in_tokens(tokens: TokenStream) -> Vec<PathAt> {
    let mut paths = Vec::new();
    let mut current = PathAt { segments: Vec::new(), line: 0 };
    let mut colons = 0;
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                if colons != 2 {
                    paths.push(std::mem::replace(&mut current, at(Vec::new(), &ident)));
                }
                current.segments.push(ident.to_string());
                colons = 0;
            }
            TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
            TokenTree::Group(group) => {
                paths.extend(paths_in_tokens(group.stream()));
                colons = 0;
            }
            _ => colons = 0,
        }
    }
    paths.push(current);
    paths.retain(|path| path.segments.len() > 1);
    paths
}

/// All literals of text in a file, those among the arguments of macros too; documentation is none.
pub(crate) fn literals(file: &syn::File) -> Vec<Literal> {
    #[derive(Default)]
    struct Literals(Vec<Literal>);
    impl Literals {
        fn add(&mut self, literal: &syn::LitStr) {
            self.0.push(Literal { text: literal.value(), line: literal.span().start().line });
        }
        fn add_tokens(&mut self, tokens: TokenStream) {
            for token in tokens {
                match token {
                    TokenTree::Group(group) => self.add_tokens(group.stream()),
                    TokenTree::Literal(literal) => {
                        if let syn::Lit::Str(text) = syn::Lit::new(literal) {
                            self.add(&text);
                        }
                    }
                    _ => {}
                }
            }
        }
    }
    impl<'ast> Visit<'ast> for Literals {
        fn visit_lit_str(&mut self, literal: &'ast syn::LitStr) {
            self.add(literal);
        }
        fn visit_macro(&mut self, call: &'ast Macro) {
            self.add_tokens(call.tokens.clone());
        }
        fn visit_attribute(&mut self, _: &'ast Attribute) {}
    }
    let mut found = Literals::default();
    found.visit_file(file);
    found.0
}

/// All paths of two segments or more in a file, those of `use` and of macros' arguments too.
pub(crate) fn paths(file: &syn::File) -> Vec<PathAt> {
    #[derive(Default)]
    struct Paths(Vec<PathAt>);
    impl<'ast> Visit<'ast> for Paths {
        fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
            self.0.extend(imports(item).into_iter().map(|import| import.path));
        }
        fn visit_path(&mut self, path: &'ast syn::Path) {
            self.0.push(path_at(path));
            visit::visit_path(self, path);
        }
        fn visit_macro(&mut self, call: &'ast Macro) {
            self.0.extend(paths_in_tokens(call.tokens.clone()));
            visit::visit_macro(self, call);
        }
    }
    let mut found = Paths::default();
    found.visit_file(file);
    found.0.retain(|path| path.segments.len() > 1);
    found.0
}

/// First and last line of an item in its file.
pub(crate) fn lines(item: &Item) -> (usize, usize) {
    let span = item.span();
    (span.start().line, span.end().line)
}
