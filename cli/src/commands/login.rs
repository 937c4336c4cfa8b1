//! `friend login` and `friend logout`: a deployment and its key, kept on this machine.

use std::io::{IsTerminal as _, Read as _};

use serde_json::json;

use crate::{
    arguments::{Global, Login},
    client::Client,
    configuration,
    failure::{Exit, Failure},
    output::{GOOD, Output, styled},
};

/// Asks for the key without an echo, tries it, keeps it.
///
/// # Errors
/// The deployment is not reached, or does not know the key.
pub fn login(arguments: &Login, output: Output) -> Result<(), Failure> {
    let url = configuration::checked_url(&arguments.url)?;
    let key = read_key(arguments, &url)?;
    let me = Client::new(&url, &key).get("/api/me")?;
    let kept_in = configuration::keep(&url, &key)?;
    let user = me["user_id"].as_str().unwrap_or_default();
    output.data(&json!({ "url": url, "user_id": user, "key_kept_in": kept_in }), || {
        anstream::println!("{} {url} as {user}; the key is kept in {kept_in}", styled(GOOD, "Logged in to"));
    });
    Ok(())
}

fn read_key(arguments: &Login, url: &str) -> Result<String, Failure> {
    let key = if arguments.key_stdin || !std::io::stdin().is_terminal() {
        let mut text = String::new();
        std::io::stdin().take(4_096).read_to_string(&mut text).map(|_| text)
    } else {
        rpassword::prompt_password(format!("API key for {url}: "))
    };
    let key = key.map_err(|error| Failure::new(Exit::Usage, format!("the key cannot be read: {error}")))?;
    match key.trim() {
        "" => {
            Err(Failure::new(Exit::Usage, "no key was given")
                .advise("who runs the deployment issues one: POST /api/keys"))
        }
        key if key.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(key.to_owned()),
        _ => Err(Failure::new(Exit::Auth, "the key holds characters that no key has")
            .advise("copy it again, whole and alone")),
    }
}

/// Forgets the key.
///
/// # Errors
/// It cannot be forgotten.
pub fn logout(global: &Global, output: Output) -> Result<(), Failure> {
    let url = configuration::url(global.url.as_deref())?;
    configuration::forget(&url)?;
    output.data(&json!({ "url": url }), || {
        anstream::println!("The key for {url} is forgotten here; `friend keys revoke` makes it worthless everywhere.");
    });
    Ok(())
}
