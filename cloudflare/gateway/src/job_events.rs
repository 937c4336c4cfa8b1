//! A job's states as server-sent events.

use cloudflare::Workers;
use futures_util::stream;
use pipeline::{
    ids::{JobId, UserId},
    platform::ports::{Clock as _, Meter as _},
};
use producers::api::jobs::follow::{Followed, News, QUERIES_OF_STEP};

struct Follow {
    platform: Workers,
    job: Followed,
    ended: bool,
}

/// A job's states as server-sent events: one whenever it changed, until it is terminal, or the invocation has no
/// more queries or has read enough.
pub fn job_events(
    platform: Workers,
    user: UserId,
    job: JobId,
) -> impl futures_util::Stream<Item = Result<Vec<u8>, worker::Error>> {
    let follow = Follow { platform, job: Followed::new(user, job), ended: false };
    stream::unfold(Box::new(follow), |mut follow| async move {
        if follow.ended {
            return None;
        }
        let text = follow.next().await?;
        Some((Ok(text.into_bytes()), follow))
    })
}

impl Follow {
    /// What is sent next; nothing about a job that is gone.
    async fn next(&mut self) -> Option<String> {
        if self.platform.asked().queries_left() < QUERIES_OF_STEP {
            self.ended = true;
            return Some(self.job.come_back());
        }
        self.platform.sleep(self.job.pause(self.platform.now())).await;
        match self.job.step(&self.platform).await {
            Ok(News::State { text, is_last }) => {
                self.ended = is_last;
                Some(text)
            }
            Ok(News::Enough) => {
                self.ended = true;
                Some(self.job.come_back())
            }
            Ok(News::Gone) => None,
            // Unchanged, or D1 did not answer this time.
            Ok(News::Nothing) | Err(_) => Some(": still there\n\n".to_owned()),
        }
    }
}
