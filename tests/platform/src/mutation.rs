//! Rules of the SQL that are taken out, to see that something misses them.

use std::{borrow::Cow, collections::BTreeSet};

use super::InMemory;

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
    mutation: Mutation,
    only_of: Option<String>,
}

impl TakenOut {
    fn reaches(&self, sql: &str) -> bool {
        self.only_of.as_deref().is_none_or(|statement| statement == sql) && sql.contains(self.mutation.rule)
    }
}

impl InMemory {
    /// Takes a rule out of every statement from here on.
    pub fn mutate(&self, mutation: Mutation) {
        *self.taken_out.borrow_mut() = Some(TakenOut { mutation, only_of: None });
    }

    /// Takes a rule out of one statement, given by its whole text, and leaves it in all others.
    pub fn mutate_only(&self, mutation: Mutation, statement: &str) {
        *self.taken_out.borrow_mut() = Some(TakenOut { mutation, only_of: Some(statement.to_owned()) });
    }

    /// True once a statement held the rule that is taken out.
    pub fn has_mutated(&self) -> bool {
        self.has_mutated.get()
    }

    /// Notes the text of every statement from here on.
    pub fn note_statements(&self) {
        *self.noted.borrow_mut() = Some(BTreeSet::new());
    }

    /// The texts noted so far.
    pub fn noted_statements(&self) -> BTreeSet<String> {
        self.noted.borrow().clone().unwrap_or_default()
    }

    /// What is run instead of a statement.
    pub(crate) fn mutated<'a>(&self, sql: &'a str) -> Cow<'a, str> {
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
}
