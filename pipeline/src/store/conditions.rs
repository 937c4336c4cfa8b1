//! Conditions that statements of several tables share, each said once.
//!
//! Parameters differ from statement to statement, so the conditions that need them are macros over the
//! parameters' names; [`const_format::formatcp!`] puts them into a statement at compile time.

/// The states that only an owner's retry leaves, as an SQL list.
pub const TERMINAL: &str = "('done', 'failed', 'cancelled')";

/// The item `$item` is held with the token `$token`; nothing is where they are NULL.
macro_rules! claimed_as {
    ($item:literal, $token:literal) => {
        concat!("id = ", $item, " AND token = ", $token)
    };
}
pub(in crate::store) use claimed_as;

/// As [`HELD`], of the claim bound as `$item` and `$token`; of no claim at all where they are NULL.
macro_rules! held_as {
    ($item:literal, $token:literal) => {
        concat!("EXISTS (SELECT 1 FROM job_items WHERE ", $crate::store::conditions::claimed_as!($item, $token), ")")
    };
}
pub(in crate::store) use held_as;

/// The fence: the claim bound as `?1` (item) and `?2` (token) still holds.
///
/// Every write of a stage carries it and shares one transaction with the move that gives the claim up,
/// so that a writer whose lease ran out, or whose job was cancelled, changes nothing.
pub const HELD: &str = held_as!("?1", "?2");

/// The fence of a write to the claimed item itself.
pub const CLAIMED: &str = claimed_as!("?1", "?2");

/// The job `$job` was accepted at the time `$now`: by this very transaction, since its time is its own.
macro_rules! accepted_at {
    ($job:literal, $now:literal) => {
        concat!("EXISTS (SELECT 1 FROM jobs WHERE id = ", $job, " AND accepted_at = ", $now, ")")
    };
}
pub(in crate::store) use accepted_at;

/// The idempotency key `$key` of the user `$user` belongs to the job `$job`.
macro_rules! key_held_by {
    ($user:literal, $key:literal, $job:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM idempotency_keys WHERE user_id = ",
            $user,
            " AND key = ",
            $key,
            " AND job_id = ",
            $job,
            ")"
        )
    };
}
pub(in crate::store) use key_held_by;

/// At `$now` nobody holds the item at hand, and somebody may: a claim that ran out holds no more.
macro_rules! is_claimable {
    ($now:literal) => {
        concat!("(state IN ('queued', 'parked') OR (state = 'running' AND lease < ", $now, "))")
    };
}
pub(in crate::store) use is_claimable;

/// The item `$item` of `$user` has no attempts left of `$attempts`, and at `$now` nobody holds it.
macro_rules! is_spent {
    ($item:literal, $user:literal, $attempts:literal, $now:literal) => {
        concat!(
            "id = ",
            $item,
            " AND user_id = ",
            $user,
            " AND attempts >= ",
            $attempts,
            " AND ",
            $crate::store::conditions::is_claimable!($now)
        )
    };
}
pub(in crate::store) use is_spent;

/// Why the last attempt of the item at hand came to nothing: for the reason it gave, or, if it gave none, for
/// `$stopped`.
macro_rules! why_spent {
    ($stopped:literal) => {
        concat!("CASE state WHEN 'running' THEN ", $stopped, " ELSE coalesce(error, ", $stopped, ") END")
    };
}
pub(in crate::store) use why_spent;

/// The number that the next job item will get: revisions that become superseded name the purge item that
/// the same transaction makes for them.
pub const NEXT_ITEM: &str = "(SELECT value + 1 FROM counters WHERE name = 'item')";

/// The number that the last job item got: whoever decides now what a document holds decides with it
/// ([`crate::store::documents::order`]).
pub const LAST_ITEM: &str = "(SELECT value FROM counters WHERE name = 'item')";
