//! Child processes that end with us, their own children included.

use std::{
    fs::File,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Mutex,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use crate::Error;

/// How long a process may take to end by itself.
const GRACE: Duration = Duration::from_secs(5);

/// A cold start of wrangler takes minutes where much else computes. One that ends is seen at once.
pub(crate) const START_DEADLINE: Duration = Duration::from_mins(10);

/// Groups of the processes that run, for [`stop_all`].
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// Ends every process this program started: what Ctrl-C does in the middle of anything.
pub fn stop_all() {
    let Ok(running) = RUNNING.lock() else { return };
    for group in running.iter().filter_map(|group| i32::try_from(*group).ok()) {
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
}

/// A running process and whatever it started.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts a process in a group of its own; what it prints goes to `log`.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self, Error> {
        let file = File::options().create(true).append(true).open(log)?;
        let child = command.process_group(0).stdin(Stdio::null()).stderr(file.try_clone()?).stdout(file).spawn()?;
        if let Ok(mut running) = RUNNING.lock() {
            running.push(child.id());
        }
        Ok(Self { child })
    }

    /// Starts a server and waits until it says in its log where it listens.
    pub(crate) fn start_server(command: &mut Command, log: &Path, says: &str) -> Result<(Self, String), Error> {
        std::fs::write(log, "")?;
        let mut process = Self::start(command, log)?;
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            let text = std::fs::read_to_string(log)?;
            if let Some(address) = text.lines().find_map(|line| line.strip_prefix(says)) {
                return Ok((process, address.trim().to_owned()));
            }
            if !process.is_running() || Instant::now() > deadline {
                return Err(format!("a server did not start: {text}").into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The process group, which is also the first process's id.
    pub fn group(&self) -> u32 {
        self.child.id()
    }

    /// True while the first process runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Kills the group without a chance to tidy up.
    pub fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        let _ = self.child.wait();
        if let Ok(mut running) = RUNNING.lock() {
            running.retain(|group| *group != self.child.id());
        }
    }

    /// Asks the group to end, and kills what has not after a while.
    pub fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        let deadline = Instant::now() + GRACE;
        while self.is_running() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.kill();
    }

    fn signal(&self, signal: Signal) {
        if let Ok(group) = i32::try_from(self.child.id()) {
            // A group that is gone already is what was wanted.
            let _ = killpg(Pid::from_raw(group), signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}
