//! Rules of the SQL that are taken out, to see that something misses them.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::BTreeSet,
};

/// A rule of the SQL, taken out: a proof that something watches over it.
#[derive(Clone, Copy, Debug)]
pub struct Mutation {
    /// What is taken out.
    pub name: &'static str,
    /// Its text.
    pub rule: &'static str,
    /// What stands there instead.
    pub instead: &'static str,
}

impl Mutation {
    /// The statements that hold the rule: each is a use of it.
    pub fn uses<'a>(&self, statements: impl IntoIterator<Item = &'a String>) -> Vec<&'a String> {
        statements.into_iter().filter(|statement| statement.contains(self.rule)).collect()
    }
}

/// A rule that is taken out, and of which statement: of every one, if none is named.
#[derive(Clone, Debug)]
pub(crate) struct TakenOut {
    pub(crate) mutation: Mutation,
    pub(crate) only_of: Option<String>,
}

impl TakenOut {
    /// True if this statement is to be without the rule.
    fn reaches(&self, sql: &str) -> bool {
        self.only_of.as_deref().is_none_or(|statement| statement == sql) && sql.contains(self.mutation.rule)
    }
}

/// The statements on their way to the database.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    pub(crate) taken_out: RefCell<Option<TakenOut>>,
    pub(crate) has_mutated: Cell<bool>,
    pub(crate) broken: RefCell<Option<String>>,
    pub(crate) noted: RefCell<Option<BTreeSet<String>>>,
}

impl Watched {
    /// What is run instead of a statement.
    pub(crate) fn text_of<'a>(&self, sql: &'a str) -> Cow<'a, str> {
        if let Some(noted) = self.noted.borrow_mut().as_mut().filter(|noted| !noted.contains(sql)) {
            noted.insert(sql.to_owned());
        }
        match self.taken_out.borrow().as_ref().filter(|taken_out| taken_out.reaches(sql)) {
            None => Cow::Borrowed(sql),
            Some(TakenOut { mutation, .. }) => {
                self.has_mutated.set(true);
                Cow::Owned(sql.replace(mutation.rule, mutation.instead))
            }
        }
    }

    /// Notes what the database said of what was run instead of a statement.
    pub(crate) fn note_broken(&self, sql: &str, run: &str, error: &rusqlite::Error) {
        if sql != run {
            *self.broken.borrow_mut() = Some(format!("{error} in {run}"));
        }
    }
}
