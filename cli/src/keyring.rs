//! The system's keyring, by the program that comes with it: `secret-tool` where there is a Secret Service, `security`
//! on a Mac. Where there is none, or it is locked, the caller keeps the key in a file.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

const SERVICE: &str = "claudes-friend";

/// Keeps a key; false if there is no keyring that takes it.
pub fn store(url: &str, key: &str) -> bool {
    if cfg!(target_os = "macos") {
        // By standard input: what stands on a command line is seen by everybody.
        let command = format!("add-generic-password -U -a {} -s {SERVICE} -w {}\n", quoted(url), quoted(key));
        return run("security", &["-i"], &command).is_some();
    }
    has_secret_service()
        && run("secret-tool", &["store", "--label", SERVICE, "service", SERVICE, "url", url], key).is_some()
}

/// The key that was kept for a deployment.
pub fn load(url: &str) -> Option<String> {
    let found = if cfg!(target_os = "macos") {
        run("security", &["find-generic-password", "-a", url, "-s", SERVICE, "-w"], "")
    } else if has_secret_service() {
        run("secret-tool", &["lookup", "service", SERVICE, "url", url], "")
    } else {
        None
    };
    found.map(|key| key.trim().to_owned()).filter(|key| !key.is_empty())
}

/// Forgets a key.
pub fn forget(url: &str) {
    if cfg!(target_os = "macos") {
        run("security", &["delete-generic-password", "-a", url, "-s", SERVICE], "");
    } else if has_secret_service() {
        run("secret-tool", &["clear", "service", SERVICE, "url", url], "");
    }
}

/// Without a session's bus `secret-tool` would start one of its own, which nobody unlocks.
fn has_secret_service() -> bool {
    std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_some_and(|address| !address.is_empty())
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn run(program: &str, arguments: &[&str], input: &str) -> Option<String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    child.stdin.take()?.write_all(input.as_bytes()).ok()?;
    let output = child.wait_with_output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
