//! Which deployment is meant, and with which key: arguments and environment first, then what `friend login` kept.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    failure::{Exit, Failure},
    keyring,
};

/// Where the keyring is not asked: tests, and machines whose keyring asks back.
const NO_KEYRING: &str = "FRIEND_NO_KEYRING";

/// What `friend login` keeps in `config.toml`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    url: Option<String>,
}

/// What it keeps in `credentials.toml`, which its owner alone may read, where there is no keyring.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Credentials {
    #[serde(default)]
    keys: BTreeMap<String, String>,
}

/// A folder of the XDG base directories: the variable, or what stands for it under the home folder.
fn folder(variable: &str, below_home: &str) -> Option<PathBuf> {
    let given = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE")).map(PathBuf::from);
    given.or_else(|| Some(home()?.join(below_home))).map(|path| path.join("friend"))
}

fn configuration_folder() -> Result<PathBuf, Failure> {
    folder("XDG_CONFIG_HOME", ".config").ok_or_else(|| {
        Failure::new(Exit::Failed, "there is no home folder to keep configuration in")
            .advise("set FRIEND_URL and FRIEND_KEY, or HOME")
    })
}

/// Where what was done last is noted, such as the conversation that `friend ask --continue` goes on with.
pub fn state_file(name: &str) -> Option<PathBuf> {
    Some(folder("XDG_STATE_HOME", ".local/state")?.join(name))
}

/// The deployment's URL: as given, or as `friend login` kept it.
///
/// # Errors
/// There is none, or it is no URL of a deployment.
pub fn url(given: Option<&str>) -> Result<String, Failure> {
    if let Some(url) = given.filter(|url| !url.is_empty()) {
        return checked_url(url);
    }
    let kept: Kept = configuration_folder().ok().map_or_else(Kept::default, |folder| read(&folder.join("config.toml")));
    let url = kept.url.ok_or_else(|| {
        Failure::new(Exit::Auth, "no deployment is named")
            .advise("run `friend login URL`, or set FRIEND_URL and FRIEND_KEY")
    })?;
    checked_url(&url)
}

/// A URL without what may stand behind it. A key is not sent where everybody on the way can read it.
///
/// # Errors
/// It is none, or a foreign one that is not encrypted.
pub fn checked_url(url: &str) -> Result<String, Failure> {
    let url = url.trim().trim_end_matches('/');
    let usage =
        |said: String| Failure::new(Exit::Usage, said).advise("it looks like https://friend.example.workers.dev");
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(usage(format!("{url:?} is no URL")));
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() || host.contains('@') || host.contains(char::is_whitespace) {
        return Err(usage(format!("{url:?} names no host")));
    }
    match scheme {
        "https" => Ok(url.to_owned()),
        "http" if is_loopback(host) || std::env::var_os("FRIEND_ALLOW_HTTP").is_some() => Ok(url.to_owned()),
        "http" => {
            Err(Failure::new(Exit::Usage, format!("{url} is not encrypted: everybody on the way could read the key"))
                .advise("use https, or set FRIEND_ALLOW_HTTP=1 in a network that you trust"))
        }
        _ => Err(usage(format!("{url:?} is neither https nor http"))),
    }
}

fn is_loopback(host: &str) -> bool {
    let name = host.strip_prefix('[').map_or_else(
        || host.rsplit_once(':').map_or(host, |(name, _)| name),
        |rest| rest.split(']').next().unwrap_or_default(),
    );
    name == "localhost" || name == "::1" || name.starts_with("127.") || name.ends_with(".localhost")
}

/// The key for a deployment: `FRIEND_KEY`, or as `friend login` kept it.
///
/// # Errors
/// There is none.
pub fn key(url: &str) -> Result<String, Failure> {
    let given = std::env::var("FRIEND_KEY").ok().map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
    let kept = || {
        let in_file = || {
            let credentials: Credentials = read(&configuration_folder().ok()?.join("credentials.toml"));
            credentials.keys.get(url).cloned()
        };
        (uses_keyring().then(|| keyring::load(url)).flatten()).or_else(in_file)
    };
    let key = given.or_else(kept).ok_or_else(|| {
        Failure::new(Exit::Auth, format!("there is no key for {url}"))
            .advise(format!("run `friend login {url}`, or set FRIEND_KEY"))
    })?;
    if key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(key);
    }
    Err(Failure::new(Exit::Auth, "the key holds characters that no key has").advise("copy it again, whole and alone"))
}

fn uses_keyring() -> bool {
    std::env::var_os(NO_KEYRING).is_none()
}

/// Keeps a deployment and its key; answers where the key lies.
///
/// # Errors
/// The folder cannot be written to.
pub fn keep(url: &str, key: &str) -> Result<String, Failure> {
    let folder = configuration_folder()?;
    fs::create_dir_all(&folder).map_err(|error| Failure::of_file(&folder, &error))?;
    write(&folder.join("config.toml"), &Kept { url: Some(url.to_owned()) })?;
    let file = folder.join("credentials.toml");
    let mut credentials: Credentials = read(&file);
    if uses_keyring() && keyring::store(url, key) {
        // An older key in the file would be found by nobody, and lie there for ever.
        if credentials.keys.remove(url).is_some() {
            write_private(&file, &credentials)?;
        }
        return Ok("the system's keyring".to_owned());
    }
    credentials.keys.insert(url.to_owned(), key.to_owned());
    write_private(&file, &credentials)?;
    Ok(file.display().to_string())
}

/// Forgets the key of a deployment.
///
/// # Errors
/// The file cannot be written to.
pub fn forget(url: &str) -> Result<(), Failure> {
    if uses_keyring() {
        keyring::forget(url);
    }
    let file = configuration_folder()?.join("credentials.toml");
    let mut credentials: Credentials = read(&file);
    if credentials.keys.remove(url).is_none() {
        return Ok(());
    }
    write_private(&file, &credentials)
}

/// What a file holds; nothing if it is not there or cannot be read, which is asked for again.
fn read<T: for<'de> Deserialize<'de> + Default>(file: &Path) -> T {
    fs::read_to_string(file).ok().and_then(|text| toml::from_str(&text).ok()).unwrap_or_default()
}

fn write(file: &Path, value: &impl Serialize) -> Result<(), Failure> {
    let text = toml::to_string(value).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    fs::write(file, text).map_err(|error| Failure::of_file(file, &error))
}

/// Written beside it and moved there: at no time does anybody else read it, or anybody half of it.
fn write_private(file: &Path, value: &impl Serialize) -> Result<(), Failure> {
    let text = toml::to_string(value).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    let beside = file.with_extension("new");
    let _ = fs::remove_file(&beside);
    private_file(&beside)
        .and_then(|mut new| io::Write::write_all(&mut new, text.as_bytes()))
        .and_then(|()| fs::rename(&beside, file))
        .map_err(|error| Failure::of_file(file, &error))
}

/// A new file that its owner alone may read.
fn private_file(file: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_one_of_a_deployment_and_no_key_goes_unencrypted_to_strangers() {
        assert_eq!(checked_url(" https://friend.example/ ").unwrap(), "https://friend.example");
        for url in ["http://localhost:8787", "http://127.0.0.1:1", "http://[::1]:8787", "http://a.localhost"] {
            assert_eq!(checked_url(url).unwrap(), url);
        }
        for url in ["", "friend.example", "ftp://friend.example", "https://", "http://friend.example", "https://a@b"] {
            assert_eq!(checked_url(url).unwrap_err().exit, Exit::Usage, "{url:?}");
        }
    }
}
