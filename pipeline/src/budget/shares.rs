//! What one user may have of the day: a share of each resource while there are others, all of it for whoever is
//! alone: there are others if they have a key and used it today or yesterday.
//!
//! Neurons are held to it before they are spent ([`super::ledger::reserve`]), as soon as another has a key. The rest is
//! known after: as the schedule last counted it, every five minutes, and from then on as far as this isolate has seen.
//! So several isolates may let a user have a little more than their share, and nothing is asked of D1 for it.
//!
//! | Of the share | What happens |
//! | --- | --- |
//! | 100 % | the user's indexing waits for 00:00 UTC |
//! | 120 % | the user's requests are refused until then, but for deletes, cancels and `GET /api/usage` |
//!
//! Of KV writes, which only caches do, the user's are given up instead.

use std::collections::BTreeMap;

use crate::{
    budget::{
        allowances::{Allowances, Resource},
        usage::Totals,
    },
    ids::UserId,
};

/// Of which part of a share on what a user had is kept for those who decide. Below it an isolate knows enough.
const KEPT_FROM: f64 = 0.2;

/// Of which part of a share on a user's requests are refused: enough to ask, to delete and to wait for the end of
/// what is under way when indexing waits already.
pub const REFUSED_FROM: f64 = 1.2;

/// Resources that are held to a share here: of each day, and known when they are spent.
pub fn held() -> impl Iterator<Item = Resource> {
    Resource::ALL.into_iter().filter(|resource| *resource != Resource::Neurons && !Resource::STORED.contains(resource))
}

/// True if nobody is answered, or not for nothing, when it is spent.
pub fn is_needed(resource: Resource) -> bool {
    resource != Resource::KvWrites
}

/// From how much of a resource on what a user had of it is kept.
pub fn kept_from(allowances: &Allowances, resource: Resource) -> f64 {
    KEPT_FROM * allowances.of(resource) * allowances.user_share
}

/// What of it is kept of a user.
pub fn kept(allowances: &Allowances, totals: &Totals) -> BTreeMap<Resource, f64> {
    let mut kept = BTreeMap::new();
    for resource in held() {
        let used = resource.used(&totals.usage, totals.invocations);
        if used >= kept_from(allowances, resource) {
            kept.insert(resource, used);
        }
    }
    kept
}

/// What a user has had of each resource, 1.0 being all of their share; nothing while nobody else is there.
/// `counted` is what the day says of users who had much (JSON).
pub(super) fn of_user(
    allowances: &Allowances,
    counted: Option<&str>,
    user: &UserId,
    since: &Totals,
) -> BTreeMap<Resource, f64> {
    let Some(counted) = counted else { return BTreeMap::new() };
    let mut counted: BTreeMap<String, BTreeMap<Resource, f64>> = serde_json::from_str(counted).unwrap_or_default();
    let counted = counted.remove(user.as_str()).unwrap_or_default();
    let mut shares = BTreeMap::new();
    for resource in held() {
        let used = counted.get(&resource).copied().unwrap_or(0.0) + resource.used(&since.usage, since.invocations);
        shares.insert(resource, used / (allowances.of(resource) * allowances.user_share));
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::usage::Usage;

    #[test]
    fn little_is_not_kept() {
        let allowances = Allowances::default();
        let usage = Usage { d1_rows_read: 500_000, d1_rows_written: 9_999, ..Usage::default() };
        let kept = kept(&allowances, &Totals { invocations: 10_000, usage });
        assert_eq!(kept.keys().copied().collect::<Vec<_>>(), [Resource::Requests, Resource::D1RowsRead]);
    }
}
