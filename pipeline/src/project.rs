//! Projects: what memories and documents belong to, called the same on every machine.
//!
//! A project is its git remote in one form (`github.com/owner/name`), or the name that its owner gives it. It is never
//! a path: that of one machine says nothing on another, and tells strangers what a home is called. A document belongs
//! to the project that its external id begins with (`{project}/{path}`); no row says it a second time.

/// Longest name of a project, in bytes.
pub const NAME_BYTES: usize = 200;

const TOO_LONG: &str = "it has more than 200 bytes";
const LOCAL: &str = "it is a path of this machine";

/// A git remote as `host/path`: without scheme, user, port, `.git` and a slash at its end, the host in lower case.
/// `None` for one that is a folder of this machine: nobody else would call it so.
pub fn normalised(remote: &str) -> Option<String> {
    let remote = remote.trim();
    let (host, path) = match remote.split_once("://") {
        Some(("file", _)) => return None,
        Some((_, rest)) => rest.split_once('/')?,
        // As ssh writes it: user@host:path. A letter before the colon is a drive of Windows.
        None => remote.split_once(':').filter(|(host, _)| host.len() > 1 && !host.contains('/'))?,
    };
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    // The last colon parts a port, unless it is inside of an address of IPv6.
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/');
    if host.is_empty() || path.is_empty() {
        return None;
    }
    plain(&format!("{}/{path}", host.to_lowercase())).ok()
}

/// The project that is meant by a name or a remote, however it is written: what it is called is called so again.
///
/// # Errors
/// Why it is none.
pub fn checked(name: &str) -> Result<String, &'static str> {
    let project = once_checked(name)?;
    // What stood behind a slash or before `.git` may itself end so.
    if project == name { Ok(project) } else { checked(&project) }
}

fn once_checked(name: &str) -> Result<String, &'static str> {
    // With the white space around it, as the description counts.
    if name.len() > NAME_BYTES {
        return Err(TOO_LONG);
    }
    let name = name.trim();
    if name.starts_with('/') {
        return Err(LOCAL);
    }
    let name = name.trim_end_matches('/');
    let is_remote = name.contains("://") || name.split_once(':').is_some_and(|(host, _)| host.contains('@'));
    if is_remote {
        return normalised(name).ok_or(LOCAL);
    }
    match name.split_once('/') {
        // A host and what lies there.
        Some((host, path)) if host.contains('.') && !host.starts_with('.') => {
            plain(&format!("{}/{}", host.to_lowercase(), path.strip_suffix(".git").unwrap_or(path)))
        }
        _ => plain(name),
    }
}

fn plain(name: &str) -> Result<String, &'static str> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.len() > NAME_BYTES {
        return Err(TOO_LONG);
    }
    if name.chars().any(char::is_control) {
        return Err("it is more than one line");
    }
    let is_drive = name.as_bytes().get(1) == Some(&b':');
    let is_relative = [".", ".."].contains(&name) || name.starts_with("./") || name.starts_with("../");
    if name.starts_with(['/', '~']) || name.contains('\\') || is_drive || is_relative {
        return Err(LOCAL);
    }
    Ok(name.to_owned())
}

/// A document's path in a project, if its external id says that it belongs to it.
pub fn path_in<'a>(project: &str, external_id: &'a str) -> Option<&'a str> {
    external_id.strip_prefix(project)?.strip_prefix('/')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_remote_names_the_same_project_however_it_is_written() {
        for remote in [
            "https://github.com/owner/name.git",
            "https://GitHub.com/owner/name/",
            "https://ada:secret@github.com/owner/name",
            "git@github.com:owner/name.git",
            "ssh://git@github.com:22/owner/name.git",
            "git://github.com/owner/name",
        ] {
            assert_eq!(normalised(remote).as_deref(), Some("github.com/owner/name"), "{remote}");
            assert_eq!(checked(remote).as_deref(), Ok("github.com/owner/name"), "{remote}");
        }
        for name in ["GitHub.com/owner/name.git", " github.com/owner/name/ "] {
            assert_eq!(checked(name).as_deref(), Ok("github.com/owner/name"), "{name}");
        }
        assert_eq!(checked("notes").as_deref(), Ok("notes"));
    }

    #[test]
    fn a_folder_of_this_machine_names_no_project() {
        for remote in ["/srv/git/name.git", "../name", "file:///srv/name.git", "C:/git/name", "", "https://host"] {
            assert_eq!(normalised(remote), None, "{remote}");
        }
        assert_eq!(checked("/"), Err(LOCAL));
        for name in ["/home/ada/x", "", "a\nb", "~/x", "C:\\x", "C:/x", "file:///x", "..", "./x", "../x"] {
            assert!(checked(name).is_err(), "{name:?}");
        }
        assert!(checked(&"x".repeat(NAME_BYTES + 1)).is_err());
        assert_eq!((checked("0 /").as_deref(), checked("a.b/c /.git").as_deref()), (Ok("0"), Ok("a.b/c")));
        assert_eq!(checked(&format!("{}x", " ".repeat(NAME_BYTES))), Err(TOO_LONG));
    }

    #[test]
    fn a_document_belongs_to_the_project_that_its_name_begins_with() {
        assert_eq!(path_in("a.b/c", "a.b/c/src/lib.rs"), Some("src/lib.rs"));
        assert_eq!([path_in("a.b/c", "a.b/cd/lib.rs"), path_in("a.b/c", "a.b/c")], [None, None]);
    }

    proptest! {
        #[test]
        fn what_names_a_project_names_it_again(name in "\\PC{0,40}") {
            if let Ok(project) = checked(&name) {
                prop_assert_eq!(checked(&project), Ok(project.clone()));
            }
        }
    }
}
