//! The day as it is for one user: what everybody has left of it, and what the user's share is.

use crate::{
    budget::{
        allowances::Allowances,
        day::{Budget, Day},
    },
    ids::UserId,
    platform::ports::{Clock, Deployment, Isolate, KeyValue},
};

/// The day as it is for one user.
pub async fn budget_for<P>(ports: &P, day: &Day, user: &UserId) -> Budget
where
    P: KeyValue + Deployment + Isolate + Clock,
{
    let allowances = Allowances::load(ports).await.allowances;
    let counted_at = day.counted_at.unwrap_or_else(|| ports.now().start_of_day());
    let since = ports.with_memory(|memory| memory.done_since(user, counted_at));
    Budget::new(allowances, day).for_user(day, user, &since)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{
        allowances::Resource,
        usage::{Totals, Usage},
    };

    const USER: &str = "usr_00000000000000000000000001";

    fn budget(users: Option<&str>, read_since: u64) -> Budget {
        let day = Day { users: users.map(str::to_owned), ..Day::default() };
        let usage = Usage { d1_rows_read: read_since, kv_writes: read_since / 5_000, ..Usage::default() };
        let user = UserId::parse(USER).unwrap();
        Budget::new(Allowances::default(), &day).for_user(&day, &user, &Totals { invocations: 1, usage })
    }

    #[test]
    fn whoever_is_alone_has_no_share() {
        let alone = budget(None, 4_400_000);
        assert_eq!((alone.parks_ingest(), alone.refuses_user()), (None, None));
    }

    #[test]
    fn a_share_parks_and_a_fifth_more_refuses() {
        let read = |rows| budget(Some("{}"), rows);
        assert_eq!(read(2_499_999).parks_ingest(), None);
        let parks = read(2_500_000).parks_ingest().unwrap();
        assert_eq!(parks, "your share of today's d1_rows_read is spent: 2500000 of 2500000; it is new at 00:00 UTC");
        assert_eq!(read(2_999_999).refuses_user(), None);
        assert_eq!(read(3_000_000).refuses_user(), Some(Resource::D1RowsRead));
        assert!(read(2_500_000).degradations()[0].starts_with("your d1_rows_read at 100%"));
    }

    #[test]
    fn what_was_counted_and_what_was_done_since_are_added() {
        let counted = format!(r#"{{"{USER}": {{"d1_rows_read": 2000000}}, "usr_x": {{"d1_rows_read": 5000000}}}}"#);
        assert_eq!(budget(Some(&counted), 499_999).parks_ingest(), None);
        assert!(budget(Some(&counted), 500_000).parks_ingest().is_some());
    }

    #[test]
    fn of_kv_writes_caches_are_given_up_and_nothing_else() {
        // 600 of the 500 that one user may do of 1,000; of rows no more than 3 of 5 million.
        let counted = format!(r#"{{"{USER}": {{"kv_writes": 600}}}}"#);
        let budget = budget(Some(&counted), 0);
        assert!(!budget.may_cache());
        assert_eq!((budget.parks_ingest(), budget.refuses_user()), (None, None));
    }
}
