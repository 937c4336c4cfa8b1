//! What `wrangler deploy` printed of a Worker: the only place that names how long it takes to start.

use std::time::Duration;

use pipeline::constants;

use super::check::Check;

const STARTS: &str = "a Worker starts within its limit";
/// What stands before the milliseconds: "Worker Startup Time: 23 ms".
const SAYS: &str = "Worker Startup Time: ";

/// How long each Worker took to start, in the order of what was printed.
fn times(printed: &str) -> Vec<Duration> {
    let number = |line: &str| line.split_once(SAYS)?.1.split_whitespace().next()?.parse().ok();
    printed.lines().filter_map(number).map(Duration::from_millis).collect()
}

/// Holds what was printed when the Workers were deployed against how long one may take to start.
pub fn judge(printed: &[String]) -> Check {
    let times: Vec<Duration> = printed.iter().flat_map(|printed| times(printed)).collect();
    let Some(longest) = times.iter().max() else {
        return Check::unknown(STARTS, "wrangler says it when it deploys: run make deploy from here before");
    };
    let seen = format!("at most {longest:?} of {:?}, of {} Workers", constants::START_OF_A_WORKER, times.len());
    Check::new(STARTS, *longest < constants::START_OF_A_WORKER, seen)
}

#[cfg(test)]
mod tests {
    use super::{super::check::Verdict, *};

    /// As wrangler 4 prints it.
    fn printed(milliseconds: u64) -> String {
        format!(
            "Total Upload: 3841.10 KiB / gzip: 1402.66 KiB\nWorker Startup Time: {milliseconds} ms\n\
             Your Worker has access to the following bindings:\n"
        )
    }

    #[test]
    fn the_slowest_worker_decides_and_nothing_printed_decides_nothing() {
        let verdict = |printed: &[String]| judge(printed).verdict;
        assert_eq!(verdict(&[printed(23), printed(999)]), Verdict::Holds);
        assert_eq!(verdict(&[printed(1_000), printed(23)]), Verdict::Broken);
        assert_eq!(verdict(&["Total Upload: 3841.10 KiB".to_owned()]), Verdict::Unknown);
        assert_eq!(verdict(&[]), Verdict::Unknown);
        assert!(judge(&[printed(23), printed(41)]).seen.starts_with("at most 41ms of 1s, of 2"));
    }
}
