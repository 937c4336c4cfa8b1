//! Pushing whatever changes. The files are looked at again and again rather than listened to: that works on every file
//! system, shared and mounted ones as well, and costs a walk.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant, SystemTime},
};

use super::{files, once};
use crate::{
    arguments::Push,
    clock,
    context::Context,
    failure::{Exit, Failure},
    project::Project,
};

/// Shortest pause between two looks; a large repository is looked at more rarely.
const SHORTEST: Duration = Duration::from_secs(1);
/// Of the time at most this part is spent looking.
const SHARE: u32 = 20;

/// What tells one state of the files from another, without reading them.
type Signature = Vec<(String, Option<SystemTime>, u64)>;

/// Pushes, and again after each change that has come to rest, until somebody presses Ctrl-C.
///
/// # Errors
/// The first push fails, or the key is not valid any more.
pub fn watch(project: &Project, paths: &[PathBuf], arguments: &Push, context: &Context) -> Result<(), Failure> {
    let mut pushed = signature(project, paths, arguments)?;
    tolerate(once::push(project, paths, arguments, context), context)?;
    context.output.say("watching; Ctrl-C ends it");
    let mut seen = pushed.clone();
    loop {
        let began = Instant::now();
        let now = signature(project, paths, arguments)?;
        // An editor writes several files, git thousands: it is pushed when two looks see the same.
        if now != pushed && now == seen {
            context.output.say(&format!("changed, {}", clock::text(clock::now())));
            tolerate(once::push(project, paths, arguments, context), context)?;
            pushed.clone_from(&now);
        }
        seen = now;
        std::thread::sleep(SHORTEST.max(began.elapsed() * SHARE));
    }
}

/// What a push that failed in part, or for now, says: the next one tries again.
fn tolerate(result: Result<(), Failure>, context: &Context) -> Result<(), Failure> {
    match result {
        Err(failure) if matches!(failure.exit, Exit::Auth | Exit::Usage) => Err(failure),
        Err(failure) => {
            context.output.say(&failure.text());
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn signature(project: &Project, paths: &[PathBuf], arguments: &Push) -> Result<Signature, Failure> {
    let candidates = files::candidates(project, paths, arguments.into(), &files::no_notes())?;
    let signed = candidates.into_iter().map(|(name, path)| {
        let metadata = fs::metadata(path).ok();
        let modified = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
        (name, modified, metadata.map_or(0, |metadata| metadata.len()))
    });
    Ok(signed.collect())
}
