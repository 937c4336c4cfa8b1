//! What a profile of an isolate says of the invocation that ran meanwhile: pure sums over V8's samples.
//!
//! V8 samples an isolate only while its thread runs it. The time before a sample is therefore taken for CPU
//! only if it is about as long as the interval between two samples; after a longer pause the isolate has
//! run for an interval, half of it before the pause and half after it, if one does not know better.

use std::{collections::HashMap, iter};

use serde::Deserialize;

/// Microseconds between two samples. Shorter ones would cost the isolate more than they show.
pub const SAMPLING_INTERVAL: i64 = 100;
/// A pause that is longer than this was spent outside of the isolate.
const LONGEST_STEP: i64 = 2 * SAMPLING_INTERVAL;

/// Where a sample was taken, as the platform would see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Our wasm.
    Wasm,
    /// Our JavaScript: what wasm-bindgen generates, and `cloudflare/instance.js`.
    Glue,
    /// The runtime's own: its JavaScript behind bindings, garbage collection, native code.
    Runtime,
    /// What the local tool puts around a Worker. A deployed one has none of it.
    Wrapper,
    /// Nothing ran.
    Idle,
}

/// Milliseconds of CPU of an isolate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cpu {
    /// In our wasm.
    pub wasm: f64,
    /// In our JavaScript.
    pub glue: f64,
    /// In the runtime on our behalf.
    pub runtime: f64,
    /// In the local tool's wrappers; no part of the total.
    pub wrapper: f64,
}

impl Cpu {
    /// What the platform would count.
    pub fn total(&self) -> f64 {
        self.wasm + self.glue + self.runtime
    }
}

/// A profile as the inspector sends it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    nodes: Vec<Node>,
    samples: Vec<u64>,
    time_deltas: Vec<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    id: u64,
    call_frame: CallFrame,
    #[serde(default)]
    children: Vec<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CallFrame {
    function_name: String,
    url: String,
    /// Of the function's beginning, from 0.
    line_number: i64,
}

impl Profile {
    /// Sums the samples up.
    #[expect(clippy::cast_precision_loss, reason = "microseconds of one invocation")]
    pub fn cpu(&self, bundle: &Bundle) -> Cpu {
        let parts = self.parts(bundle);
        let mut cpu = Cpu::default();
        for (sample, delta) in iter::zip(&self.samples, &self.time_deltas) {
            let milliseconds = step(*delta) as f64 / 1_000.0;
            match parts.get(sample).unwrap_or(&Part::Idle) {
                Part::Wasm => cpu.wasm += milliseconds,
                Part::Glue => cpu.glue += milliseconds,
                Part::Runtime => cpu.runtime += milliseconds,
                Part::Wrapper => cpu.wrapper += milliseconds,
                Part::Idle => {}
            }
        }
        cpu
    }

    /// The part of every node. A native function works for whoever called it.
    fn parts(&self, bundle: &Bundle) -> HashMap<u64, Part> {
        let nodes: HashMap<u64, &Node> = self.nodes.iter().map(|node| (node.id, node)).collect();
        let mut parts = HashMap::new();
        let mut open: Vec<(u64, Part)> = self.nodes.first().map(|root| (root.id, Part::Runtime)).into_iter().collect();
        while let Some((id, caller)) = open.pop() {
            let Some(node) = nodes.get(&id) else { continue };
            let part = node.call_frame.part(bundle).unwrap_or(caller);
            parts.insert(id, part);
            open.extend(node.children.iter().map(|child| (*child, part)));
        }
        parts
    }
}

/// The CPU that a sample stands for, in microseconds.
fn step(delta: i64) -> i64 {
    if delta > LONGEST_STEP { SAMPLING_INTERVAL } else { delta.max(0) }
}

impl CallFrame {
    /// `None` for native functions, which have no script.
    fn part(&self, bundle: &Bundle) -> Option<Part> {
        if self.function_name == "(idle)" {
            return Some(Part::Idle);
        }
        if self.url.is_empty() {
            return None;
        }
        if self.url.starts_with("wasm:") {
            return Some(Part::Wasm);
        }
        if ["cloudflare-internal:", "node-internal:", "workerd:"].iter().any(|scheme| self.url.starts_with(scheme)) {
            return Some(Part::Runtime);
        }
        Some(if self.url.ends_with("index.js") && bundle.is_ours(self.line_number) {
            Part::Glue
        } else {
            Part::Wrapper
        })
    }
}

/// The script of a Worker as wrangler bundles it: ours and wrangler's own sources, one after another, each
/// after a comment that names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle {
    /// Where sources begin, and whether they are ours.
    sources: Vec<(i64, bool)>,
}

impl Bundle {
    /// Reads the comments of a bundle.
    pub fn of(script: &str) -> Self {
        let source = |line: &str| {
            let path = line.strip_prefix("// ")?;
            let is_source = [".js", ".ts"].iter().any(|extension| path.ends_with(extension));
            is_source.then(|| path.ends_with("/build/index.js"))
        };
        let sources = iter::zip(0.., script.lines()).filter_map(|(line, text)| Some((line, source(text)?)));
        Self { sources: sources.collect() }
    }

    /// True for a line, counted from 0, that stands in one of our sources.
    fn is_ours(&self, line: i64) -> bool {
        self.sources.iter().rev().find(|(start, _)| *start <= line).is_some_and(|(_, is_ours)| *is_ours)
    }
}

/// The smallest value that so many in a hundred do not exceed.
pub fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the sources of the recorded profile's bundle begin.
    const SCRIPT: &str = "\
var __name = (target, value) => target;

// ../../node_modules/wrangler/templates/middleware/middleware-patch-console-prefix.ts
console.log = new Proxy(console.log, {});

// ../../cloudflare/gateway/build/index.js
// a remark of ours
import wasm from \"./bindings_bg.wasm\";

// .wrangler/tmp/bundle-oc7fzp/middleware-loader.entry.ts
export default middleware;
";

    fn recorded() -> Profile {
        serde_json::from_str(include_str!("cpu_profile/recorded.json")).unwrap()
    }

    fn profile(nodes: &[(u64, &str, &str, &[u64])], samples: &[(u64, i64)]) -> Profile {
        let node = |(id, name, url, children): &(u64, &str, &str, &[u64])| Node {
            id: *id,
            call_frame: CallFrame { function_name: (*name).to_owned(), url: (*url).to_owned(), line_number: 0 },
            children: children.to_vec(),
        };
        Profile {
            nodes: nodes.iter().map(node).collect(),
            samples: samples.iter().map(|(id, _)| *id).collect(),
            time_deltas: samples.iter().map(|(_, delta)| *delta).collect(),
        }
    }

    fn rounded(cpu: Cpu) -> [i64; 4] {
        #[expect(clippy::cast_possible_truncation, reason = "a few thousand microseconds")]
        [cpu.wasm, cpu.glue, cpu.runtime, cpu.wrapper].map(|milliseconds| (milliseconds * 1_000.0).round() as i64)
    }

    #[test]
    fn a_recorded_request_is_kept_apart_from_what_the_local_tool_adds() {
        // GET /api/jobs: ten samples with long pauses between them, in which D1 answered.
        let bundle = Bundle { sources: vec![(6, false), (15, true), (1_331, false)] };
        assert_eq!(rounded(recorded().cpu(&bundle)), [300, 100, 400, 100]);
    }

    #[test]
    fn lines_belong_to_the_source_that_is_named_before_them() {
        let bundle = Bundle::of(SCRIPT);
        let ours: Vec<i64> = (0..12).filter(|line| bundle.is_ours(*line)).collect();
        assert_eq!(ours, [5, 6, 7, 8]);
    }

    #[test]
    fn a_native_function_works_for_its_caller() {
        let nodes: &[(u64, &str, &str, &[u64])] = &[
            (1, "(root)", "", &[2, 4, 5]),
            (2, "handler", "wasm://wasm/gateway.wasm-1", &[3]),
            (3, "digest", "", &[]),
            (4, "(garbage collector)", "", &[]),
            (5, "(idle)", "", &[]),
        ];
        let profile = profile(nodes, &[(3, 110), (4, 90), (5, 5_000), (2, 100)]);
        assert_eq!(rounded(profile.cpu(&Bundle::default())), [210, 0, 90, 0]);
    }

    #[test]
    fn a_pause_is_not_taken_for_work() {
        let nodes: &[(u64, &str, &str, &[u64])] =
            &[(1, "(root)", "", &[2]), (2, "handler", "wasm://wasm/gateway.wasm-1", &[])];
        let cpu = profile(nodes, &[(2, 90), (2, 60_000), (2, 110)]).cpu(&Bundle::default());
        assert_eq!(rounded(cpu), [300, 0, 0, 0]);
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=50).rev().map(f64::from).collect();
        for (percent, expected) in [(50, 25.0), (98, 49.0), (99, 50.0), (100, 50.0)] {
            assert!((percentile(&values, percent) - expected).abs() < 1e-9, "{percent}");
        }
        assert!((percentile(&[7.0], 50) - 7.0).abs() < 1e-9 && percentile(&[], 99).abs() < 1e-9);
    }
}
