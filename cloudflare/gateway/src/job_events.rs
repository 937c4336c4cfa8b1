//! A job's states as server-sent events.

use cloudflare::Workers;
use futures_util::stream;
use pipeline::{
    ids::{JobId, UserId},
    platform::ports::Clock as _,
    time::Span,
};
use producers::api::jobs;

/// Between two looks at a job.
const LOOK_EVERY: Span = Span::milliseconds(500);
/// Looks without news after which a comment keeps proxies from closing the stream.
const QUIET_LOOKS: u32 = 30;

struct Follow {
    platform: Workers,
    user: UserId,
    job: JobId,
    etag: String,
    quiet: u32,
    ended: bool,
}

/// A job's states as server-sent events: one whenever it changed, until it is terminal.
pub fn job_events(
    platform: Workers,
    user: UserId,
    job: JobId,
) -> impl futures_util::Stream<Item = Result<Vec<u8>, worker::Error>> {
    let follow = Follow { platform, user, job, etag: String::new(), quiet: 0, ended: false };
    stream::unfold(Box::new(follow), |mut follow| async move {
        if follow.ended {
            return None;
        }
        loop {
            match jobs::event(&follow.platform, &follow.user, &follow.job).await {
                Ok(Some(event)) if event.etag != follow.etag => {
                    follow.etag = event.etag;
                    follow.ended = event.is_last;
                    follow.quiet = 0;
                    return Some((Ok(event.text.into_bytes()), follow));
                }
                Ok(None) => return None,
                // Unchanged, or D1 did not answer this time.
                Ok(Some(_)) | Err(_) => follow.quiet += 1,
            }
            if follow.quiet.is_multiple_of(QUIET_LOOKS) {
                follow.platform.sleep(LOOK_EVERY).await;
                follow.quiet += 1;
                return Some((Ok(b": still there\n\n".to_vec()), follow));
            }
            follow.platform.sleep(LOOK_EVERY).await;
        }
    })
}
