//! Where a user's vectors lie: there may be more users than an index has namespaces.
//!
//! The first users have a namespace of their own, named like them; those after them share a few, separated by
//! the user in each vector's metadata, by which every query filters. Which it is stands in the user's row from
//! their first day on, so that no vector ever has to move. What Vectorize says is read in D1 again either way.

use crate::ids::UserId;

/// A user's part of the vector index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    name: String,
    owner: Option<UserId>,
}

impl Namespace {
    /// Of a user, who has it to themselves unless `shared` is the number of one that is shared.
    pub fn of(user: &UserId, shared: Option<i64>) -> Self {
        match shared {
            None => Self { name: user.to_string(), owner: None },
            Some(number) => Self { name: format!("shared-{number}"), owner: Some(user.clone()) },
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whose vectors are meant, where others' lie beside them.
    pub const fn owner(&self) -> Option<&UserId> {
        self.owner.as_ref()
    }
}
