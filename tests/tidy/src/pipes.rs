//! Pipes of the scripts: whoever writes into one is read to its end.

use crate::{Finding, sources::Sources};

/// What stops reading before its input ends: who writes on is killed, which `set -o pipefail` makes a failure. It is a
/// race: a short text fits into the pipe, and the script passes on every quiet machine.
const STOP_READING: [&str; 2] = ["head", "grep -q"];

/// A finding for each pipe of a shell script that is left before its end.
pub fn left_early(sources: &Sources) -> Vec<Finding> {
    let scripts = sources.texts().filter(|(_, text)| text.starts_with("#!") && text.contains("pipefail"));
    scripts.flat_map(|(path, text)| left_early_in(path, text)).collect()
}

fn left_early_in(path: &str, text: &str) -> Vec<Finding> {
    let is_left = |line: &str| line.replace("||", ";").split('|').skip(1).any(stops_reading);
    let lines = text.lines().enumerate().filter(|(_, line)| is_left(line));
    let what = "the pipe is left before its end, and pipefail fails; read all of it: awk 'NR <= 10', grep >/dev/null";
    lines.map(|(before, _)| Finding::new(path, before + 1, what)).collect()
}

fn stops_reading(command: &str) -> bool {
    STOP_READING.iter().any(|start| command.trim_start().starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources;

    #[test]
    fn a_pipe_into_head_or_a_quiet_grep_is_left_early() {
        let script = |line: &str| format!("#!/usr/bin/env bash\nset -euo pipefail\n{line}\n");
        for line in ["sort -rn log | head -n 10", "ls |grep -q it && echo", "a | b | head >&2"] {
            let found = left_early(&sources::of([("a/all.sh", &script(line))]));
            assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [3], "{line}");
        }
        for fine in ["sort -rn log | awk 'NR <= 10'", "grep -q it log || head -n 1 log", "head -n 1 log | sort"] {
            assert_eq!(left_early(&sources::of([("a/all.sh", &script(fine))])), [], "{fine}");
        }
        assert_eq!(left_early(&sources::of([("a/all.sh", "#!/bin/sh\nls | head\n")])), []);
    }
}
