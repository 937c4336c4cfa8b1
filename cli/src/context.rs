//! What a command works with.

use crate::{arguments::Global, client::Client, configuration, failure::Failure, output::Output};

/// A deployment, and how to show what it answers.
#[derive(Clone)]
pub struct Context {
    /// The deployment.
    pub client: Client,
    /// How to show it.
    pub output: Output,
}

impl Context {
    /// The deployment that is meant, with the key for it.
    ///
    /// # Errors
    /// None is named, or there is no key for it.
    pub fn new(global: &Global, output: Output) -> Result<Self, Failure> {
        let url = configuration::url(global.url.as_deref())?;
        let key = configuration::key(&url)?;
        Ok(Self { client: Client::new(&url, &key), output })
    }

    /// The deployment that is meant, for who has no key and needs none.
    ///
    /// # Errors
    /// None is named.
    pub fn without_key(global: &Global, output: Output) -> Result<Self, Failure> {
        let url = configuration::url(global.url.as_deref())?;
        Ok(Self { client: Client::new(&url, ""), output })
    }
}
