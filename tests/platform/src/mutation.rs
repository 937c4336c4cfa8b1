//! Rules of the SQL that are taken out, to see that something misses them.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::BTreeSet,
};

use crate::in_memory::InMemory;

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
struct TakenOut {
    mutation: Mutation,
    only_of: Option<String>,
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
    taken_out: RefCell<Option<TakenOut>>,
    has_mutated: Cell<bool>,
    broken: RefCell<Option<String>>,
    noted: RefCell<Option<BTreeSet<String>>>,
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

impl InMemory {
    /// Takes a rule out of every statement from here on.
    pub fn mutate(&self, mutation: Mutation) {
        *self.watched.taken_out.borrow_mut() = Some(TakenOut { mutation, only_of: None });
    }

    /// Takes a rule out of one statement, given by its whole text, and leaves it in all others.
    pub fn mutate_only(&self, mutation: Mutation, statement: &str) {
        *self.watched.taken_out.borrow_mut() = Some(TakenOut { mutation, only_of: Some(statement.to_owned()) });
    }

    /// True once a statement held the rule that is taken out.
    pub fn has_mutated(&self) -> bool {
        self.watched.has_mutated.get()
    }

    /// What the database said of a statement without its rule that is no SQL any more.
    pub fn broken_mutation(&self) -> Option<String> {
        self.watched.broken.borrow().clone()
    }

    /// Notes the text of every statement from here on.
    pub fn note_statements(&self) {
        *self.watched.noted.borrow_mut() = Some(BTreeSet::new());
    }

    /// The texts noted so far.
    pub fn noted_statements(&self) -> BTreeSet<String> {
        self.watched.noted.borrow().clone().unwrap_or_default()
    }
}
