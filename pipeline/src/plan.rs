//! The Workers plan that a deployment runs on: the variable `PLAN`, `free` or `paid`.
//!
//! It decides how much one invocation does at once, how often it may ask the platform, and what a day may cost.
//! Nothing that is stored depends on it, so it can be changed at any time: what was begun in small units is finished
//! in large ones.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::constants::{self, paid};

/// A plan of Cloudflare Workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// Workers Free: 10 ms of CPU an invocation, and allowances that end at their end.
    #[default]
    Free,
    /// Workers Paid: seconds of CPU, and allowances beyond which use is billed.
    Paid,
}

/// How much one invocation does at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Units {
    /// Source text in one pack, and in one slice of a document that is longer.
    pub pack_bytes: usize,
    /// Source text in one batch of packs.
    pub batch_bytes: usize,
    /// Bytes of a streamed upload that one unpack message reads.
    pub range_bytes: u64,
    /// Windows that one embed message sends to the model.
    pub windows: usize,
    /// Vectors that one purge message removes.
    pub purged_vectors: usize,
    /// Superseded revisions that one purge message looks at.
    pub purged_revisions: i64,
    /// The longest pause between two looks of a `Prefer: wait`, as a share of the wait: of a minute, 4 s on Free and
    /// 1 s on Paid.
    pub longest_pause_share: f64,
}

impl Plan {
    /// The plan of this name.
    ///
    /// # Errors
    /// No plan has this name.
    pub fn parse(name: &str) -> Result<Self, String> {
        match name.trim() {
            "" | "free" => Ok(Self::Free),
            "paid" => Ok(Self::Paid),
            other => Err(format!("{other:?} is no plan; expected free or paid")),
        }
    }

    /// How much one invocation does at once.
    pub const fn units(self) -> Units {
        match self {
            Self::Free => Units {
                pack_bytes: constants::PACK_BYTES,
                batch_bytes: constants::BATCH_BYTES,
                range_bytes: constants::RANGE_BYTES,
                windows: constants::WINDOWS_PER_MESSAGE,
                purged_vectors: constants::VECTORS_PER_DELETE,
                purged_revisions: constants::PURGED_PER_MESSAGE,
                longest_pause_share: constants::LONGEST_PAUSE_SHARE,
            },
            Self::Paid => Units {
                pack_bytes: paid::PACK_BYTES,
                batch_bytes: paid::BATCH_BYTES,
                range_bytes: paid::RANGE_BYTES,
                windows: paid::WINDOWS_PER_MESSAGE,
                purged_vectors: paid::VECTORS_PER_PURGE,
                purged_revisions: paid::PURGED_PER_MESSAGE,
                longest_pause_share: paid::LONGEST_PAUSE_SHARE,
            },
        }
    }

    /// CPU time that one invocation may take; on Paid by default.
    pub const fn cpu(self) -> Duration {
        match self {
            Self::Free => constants::CPU_OF_AN_INVOCATION,
            Self::Paid => paid::CPU_OF_AN_INVOCATION,
        }
    }

    /// D1 queries that one invocation may make.
    pub const fn d1_queries(self) -> u64 {
        match self {
            Self::Free => constants::D1_QUERIES_PER_INVOCATION,
            Self::Paid => paid::D1_QUERIES_PER_INVOCATION,
        }
    }

    /// Requests to Cloudflare's services that one invocation may make.
    pub const fn subrequests(self) -> u64 {
        match self {
            Self::Free => constants::SUBREQUESTS_PER_INVOCATION,
            Self::Paid => paid::SUBREQUESTS_PER_INVOCATION,
        }
    }

    /// Requests to servers of others that one invocation may make.
    pub const fn outside(self) -> u64 {
        match self {
            Self::Free => constants::OUTSIDE_REQUESTS_PER_INVOCATION,
            Self::Paid => paid::SUBREQUESTS_PER_INVOCATION,
        }
    }

    /// Bytes that D1's database may have.
    pub const fn d1_database_bytes(self) -> u64 {
        match self {
            Self::Free => constants::D1_DATABASE_BYTES,
            Self::Paid => paid::D1_DATABASE_BYTES,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_has_a_name_and_no_other() {
        assert_eq!(Plan::parse(""), Ok(Plan::Free));
        assert_eq!(Plan::parse("free"), Ok(Plan::Free));
        assert_eq!(Plan::parse("paid"), Ok(Plan::Paid));
        assert!(Plan::parse("Paid").is_err() && Plan::parse("enterprise").is_err());
    }

    #[test]
    fn units_of_a_plan_fit_each_other_and_the_platform() {
        for plan in [Plan::Free, Plan::Paid] {
            let units = plan.units();
            assert!(units.batch_bytes % units.pack_bytes == 0 && units.range_bytes >= units.batch_bytes as u64);
            assert!(units.range_bytes < constants::WRITTEN_DOCUMENT_BYTES);
            // A look is a query; what begins and ends the request takes some beside.
            let longest_pause = units.longest_pause_share * constants::WAIT;
            let looks = u64::try_from(constants::WAIT / longest_pause).unwrap() + 10;
            assert!(looks + 20 < plan.d1_queries(), "{plan:?}: {looks} looks");
        }
    }
}
