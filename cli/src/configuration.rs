//! Which deployment is meant, and with which key: arguments and environment first, then what `friend login` kept.

use std::{
    collections::BTreeMap,
    fs, io,
    net::{IpAddr, Ipv6Addr},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    failure::{Exit, Failure},
    keyring,
};

/// Where the keyring is not asked: tests, and machines whose keyring asks back.
const NO_KEYRING: &str = "FRIEND_NO_KEYRING";
/// Where a network is trusted with keys that are not encrypted.
const ALLOW_HTTP: &str = "FRIEND_ALLOW_HTTP";

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

/// True if a variable says yes. `0`, `false` and nothing say no, as who sets them means.
fn says_yes(variable: &str) -> bool {
    std::env::var(variable).is_ok_and(|value| ["1", "true"].contains(&value.as_str()))
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
    let kept = match configuration_folder() {
        Ok(folder) => read(&folder.join("config.toml"))?,
        Err(_) => Kept::default(),
    };
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
    let host = host(rest);
    if host.is_empty() || host.contains('@') || host.contains(char::is_whitespace) {
        return Err(usage(format!("{url:?} names no host")));
    }
    match scheme {
        "https" => Ok(url.to_owned()),
        "http" if is_loopback(host) || says_yes(ALLOW_HTTP) => Ok(url.to_owned()),
        "http" => {
            Err(Failure::new(Exit::Usage, format!("{url} is not encrypted: everybody on the way could read the key"))
                .advise("use https, or set FRIEND_ALLOW_HTTP=1 in a network that you trust"))
        }
        _ => Err(usage(format!("{url:?} is neither https nor http"))),
    }
}

/// The host, with its port, of what stands behind the scheme of a URL.
fn host(rest: &str) -> &str {
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// True for a URL of this machine: what is sent there passes no network, and no proxy.
pub fn is_of_this_machine(url: &str) -> bool {
    url.split_once("://").is_some_and(|(_, rest)| is_loopback(host(rest)))
}

fn is_loopback(host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        let address = rest.split_once(']').filter(|(_, port)| port.is_empty() || port.starts_with(':'));
        return address
            .and_then(|(address, _)| address.parse().ok())
            .is_some_and(|address: Ipv6Addr| address.is_loopback());
    }
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name).to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// The key for a deployment: `FRIEND_KEY`, or as `friend login` kept it.
///
/// # Errors
/// There is none.
pub fn key(url: &str) -> Result<String, Failure> {
    let given = std::env::var("FRIEND_KEY").ok().map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
    let key = match given {
        Some(key) => Some(key),
        None => kept_key(url)?,
    };
    let key = key.ok_or_else(|| {
        Failure::new(Exit::Auth, format!("there is no key for {url}"))
            .advise(format!("run `friend login {url}`, or set FRIEND_KEY"))
    })?;
    if key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(key);
    }
    Err(Failure::new(Exit::Auth, "the key holds characters that no key has").advise("copy it again, whole and alone"))
}

/// The key that `friend login` kept.
fn kept_key(url: &str) -> Result<Option<String>, Failure> {
    if let Some(key) = uses_keyring().then(|| keyring::load(url)).flatten() {
        return Ok(Some(key));
    }
    let Ok(folder) = configuration_folder() else { return Ok(None) };
    let mut credentials: Credentials = read(&folder.join("credentials.toml"))?;
    Ok(credentials.keys.remove(url))
}

fn uses_keyring() -> bool {
    !says_yes(NO_KEYRING)
}

/// Keeps a deployment and its key; answers where the key lies.
///
/// # Errors
/// The folder cannot be written to, or other keys lie there that cannot be read.
pub fn keep(url: &str, key: &str) -> Result<String, Failure> {
    let folder = configuration_folder()?;
    fs::create_dir_all(&folder).map_err(|error| Failure::of_file(&folder, &error))?;
    let file = folder.join("credentials.toml");
    let mut credentials: Credentials = read(&file)?;
    write(&folder.join("config.toml"), &Kept { url: Some(url.to_owned()) })?;
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
/// The file cannot be read or written to.
pub fn forget(url: &str) -> Result<(), Failure> {
    if uses_keyring() {
        keyring::forget(url);
    }
    let file = configuration_folder()?.join("credentials.toml");
    let mut credentials: Credentials = read(&file)?;
    if credentials.keys.remove(url).is_none() {
        return Ok(());
    }
    write_private(&file, &credentials)
}

/// What a file holds; nothing if it is not there. What cannot be read may hold keys, which nobody shall overwrite.
fn read<T: for<'de> Deserialize<'de> + Default>(file: &Path) -> Result<T, Failure> {
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(T::default()),
        read => read.map_err(|error| Failure::of_file(file, &error))?,
    };
    // What the parser says would show what stands there, such as a key.
    toml::from_str(&text).map_err(|_| {
        Failure::new(Exit::Failed, format!("{} is not as `friend login` writes it", file.display()))
            .advise("mend it, or take it away and log in again")
    })
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

    #[test]
    fn this_machine_is_known_by_its_addresses_and_not_by_how_a_name_begins() {
        for url in ["http://LOCALHOST:1/x", "https://127.1.2.3", "http://[::1]", "http://127.0.0.1:8787"] {
            assert!(is_of_this_machine(url), "{url}");
        }
        for url in [
            "http://127.evil.example",
            "http://127.0.0.1.evil.example:80",
            "http://[::1]evil.example",
            "http://[::2]",
            "http://localhost.evil.example",
            "http://notlocalhost",
        ] {
            assert!(!is_of_this_machine(url), "{url}");
            assert_eq!(checked_url(url).unwrap_err().exit, Exit::Usage, "{url}");
        }
    }
}
