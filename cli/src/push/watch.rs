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

/// The pause before a push that failed is tried again, doubled after each failure.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// Which state of the files is there, and when one that is not is tried again.
#[derive(Debug, Default)]
struct Tries {
    /// What was pushed last, or tried.
    last: Option<Signature>,
    /// How often that has failed.
    failures: u32,
    /// When it failed last.
    failed_at: Option<Instant>,
}

impl Tries {
    /// True for a state that is to be pushed now.
    fn is_due(&self, now: &Signature, at: Instant) -> bool {
        if self.last.as_ref() != Some(now) {
            return true;
        }
        let pause = FIRST_PAUSE.saturating_mul(2u32.saturating_pow(self.failures.saturating_sub(1))).min(LONGEST_PAUSE);
        self.failed_at.is_some_and(|failed| at.duration_since(failed) >= pause)
    }

    /// Notes how the push of a state ended. What the server refuses for what is in a file it refuses until that is
    /// changed.
    fn note(&mut self, pushed: Signature, result: &Result<(), Failure>, at: Instant) {
        let is_to_be_repeated =
            result.as_ref().is_err_and(|failure| matches!(failure.exit, Exit::Failed | Exit::Quota));
        self.failures = if is_to_be_repeated { self.failures + 1 } else { 0 };
        self.failed_at = is_to_be_repeated.then_some(at);
        self.last = Some(pushed);
    }
}

/// Pushes, and again after each change that has come to rest, until somebody presses Ctrl-C. A push that failed is
/// tried again, changed or not.
///
/// # Errors
/// The key is not valid any more, or a path is not part of the project.
pub fn watch(project: &Project, paths: &[PathBuf], arguments: &Push, context: &Context) -> Result<(), Failure> {
    let mut tries = Tries::default();
    let mut seen = signature(project, paths, arguments)?;
    loop {
        let began = Instant::now();
        let now = signature(project, paths, arguments)?;
        // An editor writes several files, git thousands: it is pushed when two looks see the same.
        if now == seen && tries.is_due(&now, began) {
            let is_first = tries.last.is_none();
            if !is_first {
                context.output.say(&format!("changed, {}", clock::text(clock::now())));
            }
            let result = once::push(project, paths, arguments, context);
            tries.note(now.clone(), &result, Instant::now());
            tolerate(result, context)?;
            if is_first {
                context.output.say("watching; Ctrl-C ends it");
            }
        }
        seen = now;
        std::thread::sleep(SHORTEST.max(began.elapsed() * SHARE));
    }
}

/// What a push that failed in part, or for now, says, also to who wants to see nothing else.
fn tolerate(result: Result<(), Failure>, context: &Context) -> Result<(), Failure> {
    let Err(failure) = result else { return Ok(()) };
    if matches!(failure.exit, Exit::Auth | Exit::Usage) {
        return Err(failure);
    }
    failure.say(context.output.json);
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_that_failed_is_tried_again_ever_more_rarely_and_one_that_was_done_is_not() {
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        let (one, other) = (vec![("a.md".to_owned(), None, 1)], vec![("a.md".to_owned(), None, 2)]);
        let failed = |exit| Err(Failure::new(exit, "why"));
        let mut tries = Tries::default();
        assert!(tries.is_due(&one, begin));
        tries.note(one.clone(), &failed(Exit::Failed), begin);
        assert!(!tries.is_due(&one, after(1)) && tries.is_due(&one, after(2)) && tries.is_due(&other, begin));
        tries.note(one.clone(), &failed(Exit::Quota), begin);
        assert!(!tries.is_due(&one, after(3)) && tries.is_due(&one, after(4)));
        for result in [Ok(()), failed(Exit::Partial)] {
            tries.note(one.clone(), &result, begin);
            assert!(!tries.is_due(&one, after(10_000)), "{result:?}");
        }
        for _ in 0..100 {
            tries.note(one.clone(), &failed(Exit::Failed), begin);
        }
        assert!(tries.is_due(&one, after(300)));
    }
}
