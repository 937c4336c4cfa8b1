//! The day's budget: what is spent, how near its end it is, and what is given up for it.
//!
//! One row of D1 (`budget`) says what the day has cost; every decision reads it with a statement it
//! runs anyway. Neurons in it are exact ([`crate::budget::ledger`]); the rest is measured by the schedule, every
//! five minutes. The published order in which things are given up, per resource:
//!
//! | Used | What happens |
//! | --- | --- |
//! | 80 % | an alert, and a header on every answer |
//! | 90 % | smaller models, no cache writes; work that is not neurons' parks the rest of indexing |
//! | 95 % of what D1 or R2 can store | indexing waits until something is deleted |
//! | 100 % | indexing waits for 00:00 UTC, search is by keyword, answers quote what was found |
//!
//! Before it comes to that a user who has had more than their share waits alone ([`super::shares`]).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    budget::{
        allowances::{Allowances, Resource},
        shares,
        usage::Totals,
    },
    constants,
    ids::UserId,
    time::Timestamp,
};

/// The end of what an item says that waits for space in D1 or R2: by it those are found that may go on when there is.
pub const WAITS_FOR_SPACE: &str = "indexing goes on after something is deleted";

/// The end of what an item says that waits for its user's next share.
pub const WAITS_FOR_SHARE: &str = "it is new at 00:00 UTC";

/// How near its end a resource is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Below 80 %.
    #[default]
    Plenty,
    /// From 80 %: announced.
    Tight,
    /// From 90 %: what is dear is given up.
    Scarce,
    /// All of it.
    Spent,
}

impl Level {
    /// The levels that are announced, and from which share of the allowance on.
    pub const THRESHOLDS: [(Self, f64); 3] = [(Self::Tight, 0.8), (Self::Scarce, 0.9), (Self::Spent, 1.0)];

    /// Its name in answers and alerts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plenty => "plenty",
            Self::Tight => "tight",
            Self::Scarce => "scarce",
            Self::Spent => "spent",
        }
    }

    /// The level of a share, 1.0 being all.
    pub fn of(share: f64) -> Self {
        Self::THRESHOLDS.into_iter().rev().find(|(_, from)| share >= *from).map_or(Self::Plenty, |(level, _)| level)
    }
}

/// The day's row of `budget`, beside what is reserved right now.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Day {
    /// Neurons spent or reserved.
    pub neurons: f64,
    /// Of them, for indexing.
    pub ingest_neurons: f64,
    /// What the schedule last measured of the rest (JSON: name to number).
    #[serde(rename = "budget_used")]
    pub used: Option<String>,
    /// Requests of keys that made many (JSON: id to number).
    #[serde(rename = "budget_keys")]
    pub requests_by_key: Option<String>,
    /// What users have had who had much (JSON: id to name to number); `None` while one is alone.
    #[serde(rename = "budget_users")]
    pub users: Option<String>,
    /// When the schedule last measured; `None` if it has not on this day.
    #[serde(rename = "budget_counted_at")]
    pub counted_at: Option<Timestamp>,
}

impl Day {
    /// What has been used of each resource.
    pub fn used(&self) -> BTreeMap<Resource, f64> {
        let mut used: BTreeMap<Resource, f64> =
            self.used.as_deref().and_then(|used| serde_json::from_str(used).ok()).unwrap_or_default();
        used.insert(Resource::Neurons, self.neurons);
        used
    }

    /// Requests a key made today, as far as they are worth counting.
    pub fn requests_of_key(&self, key: &str) -> u64 {
        let keys: BTreeMap<String, u64> =
            self.requests_by_key.as_deref().and_then(|keys| serde_json::from_str(keys).ok()).unwrap_or_default();
        keys.get(key).copied().unwrap_or(0)
    }
}

/// A day against its allowances: what every decision about spending asks.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// What the day may cost.
    pub allowances: Allowances,
    shares: BTreeMap<Resource, f64>,
    /// What the user whose work it is has had, 1.0 being all of their share.
    own: BTreeMap<Resource, f64>,
    ingest_share: f64,
}

impl Budget {
    /// The day against what it may cost.
    pub fn new(allowances: Allowances, day: &Day) -> Self {
        let mut shares = day.used();
        for (resource, used) in &mut shares {
            *used /= allowances.of(*resource);
        }
        let ingest = allowances.ingest_neurons();
        let ingest_share = if ingest > 0.0 { day.ingest_neurons / ingest } else { 1.0 };
        Self { allowances, shares, own: BTreeMap::new(), ingest_share }
    }

    /// The same for one user, who has done so much since the day was counted.
    #[must_use]
    pub fn for_user(mut self, day: &Day, user: &UserId, since: &Totals) -> Self {
        self.own = shares::of_user(&self.allowances, day.users.as_deref(), user, since);
        self
    }

    /// The used share of what the user may have of a resource, 1.0 being all.
    pub fn own_share(&self, resource: Resource) -> f64 {
        self.own.get(&resource).copied().unwrap_or(0.0)
    }

    /// What the user may have of a resource while there are others.
    pub fn own_allowance(&self, resource: Resource) -> f64 {
        self.allowances.of(resource) * self.allowances.user_share
    }

    /// The resource of which the user has had so much that nothing more is done for them today.
    pub fn refuses_user(&self) -> Option<Resource> {
        shares::held()
            .find(|resource| shares::is_needed(*resource) && self.own_share(*resource) >= shares::REFUSED_FROM)
    }

    /// That the user's share is spent, in words.
    pub fn spent_share_message(&self, resource: Resource) -> String {
        let most = self.own_allowance(resource);
        let used = self.own_share(resource) * most;
        format!("your share of today's {} is spent: {used:.0} of {most:.0}; {WAITS_FOR_SHARE}", resource.name())
    }

    /// The used share of a resource, 1.0 being all.
    pub fn share(&self, resource: Resource) -> f64 {
        self.shares.get(&resource).copied().unwrap_or(0.0)
    }

    /// How near its end a resource is.
    pub fn level(&self, resource: Resource) -> Level {
        Level::of(self.share(resource))
    }

    /// True if no neuron should be spent on a search or an answer.
    pub fn is_without_neurons(&self) -> bool {
        self.level(Resource::Neurons) == Level::Spent
    }

    /// True if the smallest route must do.
    pub fn wants_smaller_models(&self) -> bool {
        self.level(Resource::Neurons) >= Level::Scarce
    }

    /// True if caches may be written: they are the first of KV's writes to be given up, and cost D1
    /// rows too.
    pub fn may_cache(&self) -> bool {
        [Resource::KvWrites, Resource::D1RowsWritten, Resource::Neurons]
            .into_iter()
            .all(|resource| self.level(resource) < Level::Scarce)
            && self.own_share(Resource::KvWrites) < 1.0
    }

    /// Why indexing must wait for tomorrow, if it must. Neurons are not asked about here: chunking
    /// needs none, and embedding reserves its own.
    ///
    /// What everything needs stops indexing at 90 %: the rest of the day is for those who wait. A user's own share
    /// stops theirs before that. What is stored stops it at [`constants::STORED_SHARE`], and no midnight gives it
    /// back.
    pub fn parks_ingest(&self) -> Option<String> {
        if let Some(resource) = Resource::STORED.into_iter().find(|resource| self.is_nearly_full(*resource)) {
            let (percent, name) = (self.share(resource) * 100.0, resource.name());
            return Some(format!("{percent:.0}% of {name} are full; {WAITS_FOR_SPACE}"));
        }
        if let Some(resource) = self.own_spent().find(|resource| shares::is_needed(*resource)) {
            return Some(self.spent_share_message(resource));
        }
        let shared = [
            Resource::D1RowsWritten,
            Resource::D1RowsRead,
            Resource::QueueOperations,
            Resource::Requests,
            Resource::R2ClassA,
        ];
        let resource = shared.into_iter().find(|resource| self.level(*resource) >= Level::Scarce)?;
        Some(format!("{:.0}% of today's {} are used", self.share(resource) * 100.0, resource.name()))
    }

    /// Resources of which the user has had all they may.
    fn own_spent(&self) -> impl Iterator<Item = Resource> {
        shares::held().filter(|resource| self.own_share(*resource) >= 1.0)
    }

    /// True if so much is stored that indexing must wait.
    pub fn is_without_space(&self) -> bool {
        Resource::STORED.into_iter().any(|resource| self.is_nearly_full(resource))
    }

    /// True if so much is stored of it that indexing must wait.
    fn is_nearly_full(&self, resource: Resource) -> bool {
        Resource::STORED.contains(&resource) && self.share(resource) >= constants::STORED_SHARE
    }

    /// What is given up at present, in words; empty on an ordinary day.
    pub fn degradations(&self) -> Vec<String> {
        let mut notices = Vec::new();
        for resource in Resource::ALL {
            let percent = (self.share(resource) * 100.0).floor();
            let consequence = match (resource, self.level(resource)) {
                (_, Level::Plenty) => continue,
                _ if self.is_nearly_full(resource) => "indexing waits until something is deleted",
                (Resource::Neurons, Level::Spent) => "search by keyword, answers quote what is found, indexing waits",
                (Resource::Neurons, Level::Scarce) => "smaller models, no cache writes",
                (Resource::KvWrites, Level::Scarce | Level::Spent) => "no cache writes",
                (Resource::ObjectRowsWritten, Level::Scarce | Level::Spent) => "nobody says or writes in sessions",
                (
                    Resource::D1RowsWritten
                    | Resource::D1RowsRead
                    | Resource::QueueOperations
                    | Resource::Requests
                    | Resource::R2ClassA,
                    Level::Scarce | Level::Spent,
                ) => "indexing waits for 00:00 UTC",
                _ => "nothing is given up yet",
            };
            notices.push(format!("{} at {percent:.0}%: {consequence}", resource.name()));
        }
        notices.extend(self.own_spent().map(|resource| {
            let percent = (self.own_share(resource) * 100.0).floor();
            let consequence = if shares::is_needed(resource) { "indexing waits" } else { "no cache writes" };
            format!("your {} at {percent:.0}% of your share: {consequence} until 00:00 UTC", resource.name())
        }));
        // The last of a share is seldom exactly what a chunk needs.
        if Level::of(self.ingest_share) >= Level::Scarce && !self.is_without_neurons() {
            let percent = (self.ingest_share * 100.0).floor();
            notices.push(format!(
                "indexing at {percent:.0}% of its share of the neurons: what does not fit waits for 00:00 UTC"
            ));
        }
        notices
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn budget(neurons: f64, used: &str) -> Budget {
        let day = Day { neurons, ingest_neurons: neurons, used: Some(used.to_owned()), ..Day::default() };
        Budget::new(Allowances::default(), &day)
    }

    #[test]
    fn each_step_of_the_ladder_is_where_it_is_published() {
        assert!(budget(7_999.0, "{}").wants_smaller_models().eq(&false));
        assert_eq!(budget(8_000.0, "{}").level(Resource::Neurons), Level::Tight);
        assert!(budget(9_000.0, "{}").wants_smaller_models());
        assert!(!budget(9_000.0, "{}").is_without_neurons());
        assert!(budget(10_000.0, "{}").is_without_neurons());
        assert!(!budget(0.0, r#"{"kv_writes": 900}"#).may_cache());
        assert!(budget(0.0, r#"{"kv_writes": 899}"#).may_cache());
        assert!(budget(0.0, r#"{"d1_rows_written": 89999}"#).parks_ingest().is_none());
        let parked = budget(0.0, r#"{"d1_rows_written": 90000}"#).parks_ingest();
        assert_eq!(parked.as_deref(), Some("90% of today's d1_rows_written are used"));
    }

    #[test]
    fn what_is_stored_parks_indexing_before_there_is_no_space() {
        for (used, notice) in [
            (r#"{"d1_bytes": 474999999}"#, "d1_bytes at 94%: nothing is given up yet"),
            (r#"{"d1_bytes": 475000000}"#, "d1_bytes at 95%: indexing waits until something is deleted"),
            (r#"{"r2_bytes": 9499999999}"#, "r2_bytes at 94%: nothing is given up yet"),
            (r#"{"r2_bytes": 10500000000}"#, "r2_bytes at 105%: indexing waits until something is deleted"),
        ] {
            let budget = budget(0.0, used);
            assert_eq!(budget.degradations(), [notice]);
            assert_eq!(budget.parks_ingest().is_some(), notice.contains("waits"), "{used}");
        }
    }

    #[test]
    fn an_ordinary_day_tells_nothing() {
        assert!(Budget::new(Allowances::default(), &Day::default()).degradations().is_empty());
        let notices = budget(9_500.0, r#"{"kv_writes": 950}"#).degradations();
        assert_eq!(
            notices,
            [
                "neurons at 95%: smaller models, no cache writes",
                "kv_writes at 95%: no cache writes",
                "indexing at 135% of its share of the neurons: what does not fit waits for 00:00 UTC"
            ]
        );
    }

    proptest! {
        #[test]
        fn a_level_never_falls_while_the_share_grows(share in 0.0f64..2.0, more in 0.0f64..2.0) {
            prop_assert!(Level::of(share + more) >= Level::of(share));
        }
    }
}
