//! Which of a user's documents are meant: the same words say what is listed, what is counted, and what is deleted.

use const_format::formatcp;

use crate::{
    ids::{DocumentId, ItemId, UserId},
    platform::statement::Value,
    time::Timestamp,
};

/// What a user's documents must be, as lists show them; all are meant if nothing is set. Deleted ones never are.
#[derive(Clone, Debug, Default)]
pub struct DocumentFilter {
    /// The one that its client calls so.
    pub external_id: Option<String>,
    /// Of this type.
    pub kind: Option<String>,
    /// In this language.
    pub language: Option<String>,
    /// With this tag.
    pub tag: Option<String>,
    /// With a client's name that begins so.
    pub prefix: Option<String>,
    /// With an own date that is not before this.
    pub created_after: Option<Timestamp>,
    /// With an own date before this.
    pub created_before: Option<Timestamp>,
    /// So far.
    pub status: Option<String>,
    /// Not decided anew since this number was given out ([`super::order`]).
    pub until: Option<ItemId>,
}

impl DocumentFilter {
    /// What stands for `?1` to `?10` in statements over [`ANY_NAME`] and [`ONE_NAME`].
    pub(super) fn values(&self, user: &UserId) -> [Value; 10] {
        // The client's name for a document and its owner make its id: its row is found without a look at any other.
        let id = self.external_id.as_deref().map(|name| DocumentId::from_external_id(user, name));
        [
            user.into(),
            id.as_ref().into(),
            self.kind.as_deref().into(),
            self.language.as_deref().into(),
            self.tag.as_deref().into(),
            self.prefix.as_deref().into(),
            self.created_after.into(),
            self.created_before.into(),
            self.status.as_deref().into(),
            self.until.into(),
        ]
    }
}

/// How far the latest revision of the document `d` is. Its pack and that one's batch are looked at only where it is
/// not the one that searches see.
pub(super) const STATUS: &str = "CASE WHEN d.latest_item IS d.current_item THEN 'indexed' ELSE coalesce((
                     SELECT CASE WHEN p.state = 'failed' OR b.state IN ('failed', 'done') THEN 'failed'
                                 WHEN p.state = 'cancelled' OR b.state = 'cancelled' THEN 'cancelled' END
                     FROM job_items p LEFT JOIN job_items b ON b.id = p.batch
                     WHERE p.id = d.latest_item), 'indexing') END";

/// The document `d` is meant, whatever its client calls it. What is not said is NULL and lets everything through.
pub(super) const ANY_NAME: &str = formatcp!(
    "d.user_id = ?1 AND d.deleted_at IS NULL
               AND (?3 IS NULL OR d.type = ?3) AND (?4 IS NULL OR lower(d.language) = lower(?4))
               AND (?5 IS NULL OR EXISTS (SELECT 1 FROM json_each(d.tags) WHERE lower(value) = lower(?5)))
               AND (?6 IS NULL OR substr(d.external_id, 1, length(?6)) = ?6)
               AND (?7 IS NULL OR d.created_at >= ?7) AND (?8 IS NULL OR d.created_at < ?8)
               AND (?9 IS NULL OR {STATUS} = ?9)
               AND (?10 IS NULL OR max(d.latest_item, coalesce(d.decided, d.latest_item)) <= ?10)"
);

/// The same of the one document that its client calls so.
pub(super) const ONE_NAME: &str = formatcp!("d.id = ?2 AND {ANY_NAME}");

/// A statement over the documents `d` that a filter means, of `$beginning`, its conditions and `$end`.
macro_rules! over {
    ($filter:expr, $beginning:expr, $end:expr) => {{
        use $crate::store::documents::filter::{ANY_NAME, ONE_NAME};
        match $filter.external_id {
            None => ::const_format::concatcp!($beginning, ANY_NAME, $end),
            Some(_) => ::const_format::concatcp!($beginning, ONE_NAME, $end),
        }
    }};
}
pub(super) use over;
