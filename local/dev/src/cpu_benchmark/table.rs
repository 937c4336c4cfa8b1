//! The table, row by row as they are measured.

use serde_json::{Value, json};

use crate::cpu_profile::{Cpu, percentile};

/// Milliseconds that half of the invocations and that nearly all of them may take: the Free plan gives an
/// invocation 10, and forgives a rare excess. <https://developers.cloudflare.com/workers/platform/limits/>
const GOAL_P50: f64 = 4.0;
const GOAL_P99: f64 = 8.0;

/// What machines are compared by; it has no goal.
pub(super) const CALIBRATION: &str = "calibration: SHA-256 of 1 MB";

/// What was measured of one kind of invocation.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub name: &'static str,
    pub unit: String,
    pub costs: Vec<Cpu>,
}

impl Row {
    fn percentile(&self, percent: usize, part: impl Fn(&Cpu) -> f64) -> f64 {
        percentile(&self.costs.iter().map(part).collect::<Vec<_>>(), percent)
    }

    fn misses(&self) -> bool {
        let is_slow = self.percentile(50, Cpu::total) > GOAL_P50 || self.percentile(99, Cpu::total) > GOAL_P99;
        is_slow && self.name != CALIBRATION
    }

    fn as_json(&self) -> Value {
        json!({
            "name": self.name, "unit": self.unit, "invocations": self.costs.len(),
            "p50": self.percentile(50, Cpu::total), "p99": self.percentile(99, Cpu::total),
            "wasm": self.percentile(50, |cpu| cpu.wasm), "glue": self.percentile(50, |cpu| cpu.glue),
            "runtime": self.percentile(50, |cpu| cpu.runtime), "wrappers": self.percentile(50, |cpu| cpu.wrapper),
            "misses": self.misses(),
        })
    }
}

/// All rows so far.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Row>,
}

impl Table {
    pub(super) fn announce(invocations: usize, quick: bool) {
        let of = if quick { " (QUICK: too few for a p99)" } else { "" };
        println!(
            "CPU of the isolate, milliseconds an invocation; {invocations} of each{of}; \
             goal: p50 at most {GOAL_P50}, p99 at most {GOAL_P99}"
        );
        println!(
            "{:<34} {:<48} {:>6} {:>6}   {:>6} {:>6} {:>8} {:>10}",
            "", "largest unit", "p50", "p99", "wasm", "glue", "runtime", "(wrappers)"
        );
    }

    pub(super) fn print(&mut self, row: Row) {
        println!(
            "{:<34} {:<48} {:>6.1} {:>6.1} {} {:>6.1} {:>6.1} {:>8.1} {:>10}",
            row.name,
            row.unit,
            row.percentile(50, Cpu::total),
            row.percentile(99, Cpu::total),
            if row.misses() { '!' } else { ' ' },
            row.percentile(50, |cpu| cpu.wasm),
            row.percentile(50, |cpu| cpu.glue),
            row.percentile(50, |cpu| cpu.runtime),
            format!("({:.1})", row.percentile(50, |cpu| cpu.wrapper)),
        );
        self.rows.push(row);
    }

    pub(super) fn conclude(&self, as_json: bool) {
        let missing = self.rows.iter().filter(|row| row.misses()).count();
        let rows = self.rows.iter().filter(|row| row.name != CALIBRATION).count();
        println!("{missing} of {rows} rows miss the goal (!)");
        if as_json {
            println!("{}", Value::from(self.rows.iter().map(Row::as_json).collect::<Vec<_>>()));
        }
    }
}
