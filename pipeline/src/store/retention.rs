//! What users do not want to keep any longer: how it is found, the same for each kind of it.

use serde::Deserialize;

use crate::{
    ids::UserId,
    platform::transaction::Query,
    time::{DAY, Timestamp},
};

/// From the table `$table`, under the name `old`: what of each user is older, counted from `$since`, than as many
/// days as their profile keeps of it (`retention.$days`). `$now` is now, `$day` the milliseconds of a day. Those who
/// never said are passed over without a look at what they have.
macro_rules! past_retention {
    ($table:literal, $since:expr, $days:literal, $now:literal, $day:literal) => {
        concat!(
            "FROM users u CROSS JOIN ",
            $table,
            " old ON old.user_id = u.id
             WHERE u.profile ->> '$.retention.",
            $days,
            "' > 0 AND ",
            $since,
            " < ",
            $now,
            " - (u.profile ->> '$.retention.",
            $days,
            "') * ",
            $day
        )
    };
}
pub(in crate::store) use past_retention;

/// Something that its owner does not want to keep any longer.
#[derive(Clone, Debug, Deserialize)]
pub struct Old<Id> {
    /// Its owner.
    pub user_id: UserId,
    /// Which it is.
    pub id: Id,
}

/// At most `limit` (`?3`) of what a statement over [`past_retention!`] finds.
pub(in crate::store) fn old<Id>(sql: &'static str, now: Timestamp, limit: i64) -> Query<Old<Id>> {
    Query::new(sql).bind(now).bind(DAY).bind(limit)
}
