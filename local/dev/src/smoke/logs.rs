//! What `wrangler tail --format json` says of invocations: the only place that names their CPU.
//!
//! The shape of an event: <https://developers.cloudflare.com/workers/runtime-apis/handlers/tail/>

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use pipeline::plan::Plan;
use serde::Deserialize;
use serde_json::Value;

use super::check::Check;

const CPU: &str = "an invocation takes less CPU than its plan gives (p99)";
const QUERIES: &str = "D1 takes the queries of an invocation, no more than its plan gives";
const ENDINGS: &str = "no invocation is stopped by the platform";
const ERRORS: &str = "no binding fails in words that are not known";
const NO_LOGS: &str = "no logs were read: sign wrangler in to this account and run it again";

/// One invocation of a Worker.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Invocation {
    /// The queue, the trigger or the route it was for.
    pub of: String,
    /// Its CPU time in milliseconds.
    pub cpu: f64,
    /// How the platform says it ended.
    pub outcome: String,
    /// Statements that it sent to D1, if its log lines say.
    pub d1_queries: Option<u64>,
    /// What it threw, and why its work was not done.
    pub errors: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    outcome: String,
    #[serde(default)]
    cpu_time: f64,
    #[serde(default)]
    event: Value,
    #[serde(default)]
    logs: Vec<Line>,
    #[serde(default)]
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    message: Value,
}

impl Line {
    /// One of our own: JSON that says what was done, and what the invocation asked for so far.
    fn ours(&self) -> Option<Value> {
        let text = self.message.as_str().or_else(|| self.message.get(0)?.as_str())?;
        serde_json::from_str(text).ok()
    }
}

#[derive(Deserialize)]
struct Exception {
    #[serde(default)]
    message: String,
}

/// The events of a tail, which are JSON one after the other; what else it printed is passed over.
pub fn read(text: &str) -> Vec<Invocation> {
    let Some(begin) = text.find('{') else { return Vec::new() };
    serde_json::Deserializer::from_str(&text[begin..])
        .into_iter::<Event>()
        .map_while(Result::ok)
        .map(Invocation::from)
        .collect()
}

impl From<Event> for Invocation {
    fn from(event: Event) -> Self {
        let lines: Vec<Value> = event.logs.iter().filter_map(Line::ours).collect();
        let route = lines.iter().map(|line| &line["route"]).find(|route| route.is_string()).unwrap_or(&Value::Null);
        let named = [&event.event["queue"], &event.event["cron"], route, &event.event["request"]["method"]];
        let whys = lines.iter().filter_map(|line| line["why"].as_str().or(line["failure"].as_str())).map(str::to_owned);
        Self {
            of: named.iter().find_map(|name| name.as_str()).unwrap_or("other").to_owned(),
            cpu: event.cpu_time,
            outcome: event.outcome,
            // The meter is the invocation's: what it says goes on from message to message of a delivery.
            d1_queries: lines.iter().filter_map(|line| line["asked"]["d1_queries"].as_u64()).max(),
            errors: event.exceptions.into_iter().map(|exception| exception.message).chain(whys).collect(),
        }
    }
}

/// Holds what was seen of invocations against what is assumed of a plan.
pub fn judge(invocations: &[Invocation], plan: Plan) -> Vec<Check> {
    if invocations.is_empty() {
        return [CPU, QUERIES, ENDINGS, ERRORS].map(|assumption| Check::unknown(assumption, NO_LOGS)).into();
    }
    vec![cpu(invocations, plan), queries(invocations, plan), endings(invocations), errors(invocations)]
}

fn cpu(invocations: &[Invocation], plan: Plan) -> Check {
    let most = plan.cpu();
    let mut by_name: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for invocation in invocations {
        by_name.entry(&invocation.of).or_default().push(invocation.cpu);
    }
    let mut holds = true;
    let mut seen = Vec::new();
    for (name, mut times) in by_name {
        times.sort_by(f64::total_cmp);
        let (middle, high) = (times[(times.len() - 1) / 2], times[(times.len() - 1) * 99 / 100]);
        holds &= Duration::from_secs_f64(high / 1_000.0) < most;
        seen.push(format!("{name} {middle:.0}/{high:.0} ms of {}", times.len()));
    }
    Check::new(CPU, holds, format!("p50/p99, of {most:?}: {}", seen.join(", ")))
}

fn queries(invocations: &[Invocation], plan: Plan) -> Check {
    let allowed = plan.d1_queries();
    let most = invocations.iter().filter_map(|invocation| invocation.d1_queries).max();
    most.map_or_else(
        || Check::unknown(QUERIES, "no log line counts them"),
        |most| Check::new(QUERIES, most <= allowed, format!("at most {most} of {allowed}")),
    )
}

fn endings(invocations: &[Invocation]) -> Check {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for invocation in invocations {
        *counts.entry(&invocation.outcome).or_default() += 1;
    }
    // A client that hangs up, or the end of a stream, is no end by the platform.
    let holds = counts.keys().all(|outcome| ["ok", "canceled", "responseStreamDisconnected"].contains(outcome));
    let seen: Vec<String> = counts.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
    Check::new(ENDINGS, holds, seen.join(", "))
}

fn errors(invocations: &[Invocation]) -> Check {
    let texts: BTreeSet<&str> =
        invocations.iter().flat_map(|invocation| &invocation.errors).map(String::as_str).collect();
    let seen = if texts.is_empty() { "none".to_owned() } else { texts.into_iter().collect::<Vec<_>>().join(" | ") };
    Check::new(ERRORS, seen == "none", seen)
}

#[cfg(test)]
mod tests {
    use pipeline::platform::asked::Asked;

    use super::{super::check::Verdict, *};

    const TAIL: &str = include_str!("tail.json");

    #[test]
    fn a_tail_is_read_whatever_stands_before_it() {
        let invocations = read(TAIL);
        assert_eq!(invocations.len(), 4);
        let of: Vec<&str> = invocations.iter().map(|invocation| invocation.of.as_str()).collect();
        assert_eq!(of, ["friend-chunk", "/api/index", "*/5 * * * *", "friend-embed"]);
        assert_eq!(invocations[3].outcome, "exceededCpu");
        assert_eq!(invocations[3].errors, ["Worker exceeded CPU time limit."]);
        assert!(read("Successfully created tail").is_empty());
        assert_eq!(read(&TAIL[..TAIL.len() - 40]).len(), 3, "a tail that was cut off has what came before");
    }

    /// The fixture's lines were written by both Workers.
    #[test]
    fn queries_are_those_that_the_workers_say_they_asked() {
        let queries: Vec<Option<u64>> = read(TAIL).iter().map(|invocation| invocation.d1_queries).collect();
        assert_eq!(queries, [Some(18), Some(15), Some(14), None], "of messages delivered together, all of them");
        let asked = serde_json::to_value(Asked::default()).unwrap();
        assert!(asked["d1_queries"].is_u64(), "as the meter is written: {asked}");
    }

    #[test]
    fn each_assumption_is_broken_by_what_breaks_it_alone() {
        let verdicts = |invocations: &[Invocation]| -> Vec<Verdict> {
            judge(invocations, Plan::Free).into_iter().map(|check| check.verdict).collect()
        };
        let (holds, broken) = (Verdict::Holds, Verdict::Broken);
        let calm = Invocation { outcome: "ok".to_owned(), cpu: 3.0, d1_queries: Some(50), ..Invocation::default() };
        assert_eq!(verdicts(std::slice::from_ref(&calm)), [holds; 4]);
        assert_eq!(verdicts(&[Invocation { cpu: 10.5, ..calm.clone() }]), [broken, holds, holds, holds]);
        assert_eq!(verdicts(&[Invocation { d1_queries: Some(51), ..calm.clone() }]), [holds, broken, holds, holds]);
        let killed = Invocation { outcome: "exceededMemory".to_owned(), ..calm.clone() };
        assert_eq!(verdicts(&[killed]), [holds, holds, broken, holds]);
        let words = Invocation { errors: vec!["VECTOR_DELETE_ERROR (code = 40007)".to_owned()], ..calm };
        assert_eq!(verdicts(&[words]), [holds, holds, holds, broken]);
        assert_eq!(verdicts(&[]), [Verdict::Unknown; 4]);
        // What Free refuses, Paid may do.
        let long = Invocation { cpu: 900.0, d1_queries: Some(400), outcome: "ok".to_owned(), ..Invocation::default() };
        let paid: Vec<Verdict> = judge(&[long], Plan::Paid).into_iter().map(|check| check.verdict).collect();
        assert_eq!(paid, [holds; 4]);
    }
}
