//! What a deployment on one machine refuses because production would: requests beyond an invocation's limits,
//! and, on demand, every request to a service that is out. In production the platform refuses by itself.

use pipeline::{failure::Failure, plan::Plan, time::Timestamp};
use serde::Deserialize;
use worker::Env;

/// How strict a deployment is: not at all, unless it is local and its variables say so.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strictness {
    holds_limits: bool,
    outages: Vec<Outage>,
    database_bytes: u64,
}

/// One of the variable `OUTAGES`: a service that does not answer for a while.
#[derive(Clone, Debug, Deserialize)]
struct Outage {
    /// `D1`, `R2`, `KV`, `Queues`, `Vectorize`, `AI`, `Durable Objects` or `Rate limiting`.
    service: String,
    /// Milliseconds since 1970.
    from: i64,
    /// Milliseconds since 1970.
    until: i64,
}

impl Strictness {
    /// As the variables `STRICT` and `OUTAGES` of a local deployment say.
    pub(crate) fn of(env: &Env, plan: Plan) -> Self {
        let variable = |name: &str| env.var(name).map(|value| value.to_string()).unwrap_or_default();
        if variable("ENVIRONMENT") != "local" {
            return Self::default();
        }
        Self {
            holds_limits: variable("STRICT") == "true",
            outages: serde_json::from_str(&variable("OUTAGES")).unwrap_or_default(),
            database_bytes: variable("D1_BYTES").parse().unwrap_or(plan.d1_database_bytes()),
        }
    }

    /// Refuses a write to a database of so many bytes, if it is full; where nothing is held D1 does it itself.
    pub(crate) fn admit_write(&self, database_size: u64) -> Result<(), Failure> {
        if self.holds_limits && database_size > self.database_bytes {
            return Err(Failure::exhausted("D1: D1_ERROR: Exceeded maximum DB size"));
        }
        Ok(())
    }

    /// Refuses a request that was counted as `admitted`, if production would.
    pub(crate) fn admit(&self, service: &str, admitted: Result<(), Failure>, now: Timestamp) -> Result<(), Failure> {
        if self.holds_limits {
            admitted?;
        }
        if self.outages.iter().any(|outage| outage.service == service && outage.is_on(now)) {
            return Err(Failure::transient(format!("{service}: Service Unavailable (503)")));
        }
        Ok(())
    }
}

impl Outage {
    fn is_on(&self, now: Timestamp) -> bool {
        (self.from..self.until).contains(&now.milliseconds())
    }
}
