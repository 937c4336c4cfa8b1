//! Rules of the SQL that are taken out, to see that something misses them.

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
    pub(crate) fn reaches(&self, sql: &str) -> bool {
        self.only_of.as_deref().is_none_or(|statement| statement == sql) && sql.contains(self.mutation.rule)
    }
}
