//! A job's states as server-sent events.

use cloudflare::Workers;
use futures_util::stream;
use pipeline::{
    budget::ledger::QUERIES_TO_RECORD,
    ids::{JobId, UserId},
    platform::ports::{Clock as _, Meter as _},
    time::Span,
};
use producers::api::jobs;

/// Between two looks at a job that has just changed; without news the pauses grow.
const FIRST_PAUSE: Span = Span::milliseconds(500);
/// The longest pause: a comment after each keeps proxies from closing the stream.
const LONGEST_PAUSE: Span = Span::seconds(15);
/// D1 queries of a look.
const QUERIES_OF_LOOK: u64 = 2;
/// What ends a stream whose invocation has no more queries: who listens comes back in a second.
const COME_BACK: &[u8] = b"retry: 1000\n\n";

struct Follow {
    platform: Workers,
    user: UserId,
    job: JobId,
    etag: String,
    pause: Span,
    ended: bool,
}

/// A job's states as server-sent events: one whenever it changed, until it is terminal or the invocation has no
/// more queries.
pub fn job_events(
    platform: Workers,
    user: UserId,
    job: JobId,
) -> impl futures_util::Stream<Item = Result<Vec<u8>, worker::Error>> {
    let follow = Follow { platform, user, job, etag: String::new(), pause: Span::ZERO, ended: false };
    stream::unfold(Box::new(follow), |mut follow| async move {
        if follow.ended {
            return None;
        }
        if follow.platform.asked().queries_left() < QUERIES_OF_LOOK + QUERIES_TO_RECORD {
            follow.ended = true;
            return Some((Ok(COME_BACK.to_vec()), follow));
        }
        follow.platform.sleep(follow.pause).await;
        match jobs::event(&follow.platform, &follow.user, &follow.job).await {
            Ok(Some(event)) if event.etag != follow.etag => {
                follow.etag = event.etag;
                follow.ended = event.is_last;
                follow.pause = FIRST_PAUSE;
                Some((Ok(event.text.into_bytes()), follow))
            }
            Ok(None) => None,
            // Unchanged, or D1 did not answer this time.
            Ok(Some(_)) | Err(_) => {
                follow.pause = (3 * follow.pause / 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
                Some((Ok(b": still there\n\n".to_vec()), follow))
            }
        }
    })
}
