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

/// Why a state of the files is pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// Nothing was pushed before.
    First,
    /// Something else was pushed before.
    Changed,
    /// It was pushed before, and has not arrived.
    Failed,
}

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
    /// Why a state is to be pushed now, if it is.
    fn due(&self, now: &Signature, at: Instant) -> Option<Why> {
        let Some(last) = &self.last else { return Some(Why::First) };
        if last != now {
            return Some(Why::Changed);
        }
        let pause = FIRST_PAUSE.saturating_mul(2u32.saturating_pow(self.failures.saturating_sub(1))).min(LONGEST_PAUSE);
        self.failed_at.is_some_and(|failed| at.duration_since(failed) >= pause).then_some(Why::Failed)
    }

    /// Notes how the push of a state ended. What has arrived is not sent again: what waits there goes on by itself, and
    /// what the server refuses for what is in a file it refuses until that is changed.
    fn note<T>(&mut self, pushed: Signature, sent: &Result<T, Failure>, at: Instant) {
        let is_to_be_repeated = sent.as_ref().is_err_and(|failure| matches!(failure.exit, Exit::Failed | Exit::Quota));
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
        if let Some(why) = tries.due(&now, began).filter(|_| now == seen) {
            match why {
                Why::First => {}
                Why::Changed => context.output.say(&format!("changed, {}", clock::text(clock::now()))),
                Why::Failed => context.output.say(&format!("trying again, {}", clock::text(clock::now()))),
            }
            let sent = once::push(project, paths, arguments, context);
            tries.note(now.clone(), &sent, Instant::now());
            tolerate(sent.and_then(|report| report.outcome()), context)?;
            if why == Why::First {
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
        assert_eq!(tries.due(&one, begin), Some(Why::First));
        tries.note(one.clone(), &failed(Exit::Failed), begin);
        let found = (tries.due(&one, after(1)), tries.due(&one, after(2)), tries.due(&other, begin));
        assert_eq!(found, (None, Some(Why::Failed), Some(Why::Changed)));
        tries.note(one.clone(), &failed(Exit::Quota), begin);
        assert_eq!((tries.due(&one, after(3)), tries.due(&one, after(4))), (None, Some(Why::Failed)));
        for result in [Ok(()), failed(Exit::Partial)] {
            tries.note(one.clone(), &result, begin);
            assert_eq!(tries.due(&one, after(10_000)), None, "{result:?}");
        }
        for _ in 0..100 {
            tries.note(one.clone(), &failed(Exit::Failed), begin);
        }
        assert_eq!(tries.due(&one, after(300)), Some(Why::Failed));
    }
}
