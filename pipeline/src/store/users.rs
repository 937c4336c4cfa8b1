//! A number that changes whenever what a user's searches can find does.

use crate::{ids::UserId, job::item::Claim, platform::transaction::Write};

/// Counts a user's documents no further than this: searches only ask whether there are few.
pub const COUNTED_DOCUMENTS: i64 = 1_700;

/// Moves the version on, and counts the user's documents anew.
pub fn bump(user: &UserId) -> Write {
    Write::new(
        "UPDATE users SET index_version = index_version + 1,
             document_count = (SELECT count(*) FROM (SELECT 1 FROM documents WHERE user_id = ?1 AND deleted_at IS NULL LIMIT ?2))
         WHERE id = ?1",
    )
    .bind(user)
    .bind(COUNTED_DOCUMENTS)
}

/// The same by a stage that holds a claim. A count that has reached its end stays there: indexing
/// only adds, and counting again would be what a long upload reads most rows for.
pub fn bump_by(claim: &Claim) -> Write {
    claim
        .fenced(
            "UPDATE users SET index_version = index_version + 1,
                 document_count = CASE WHEN document_count >= ?4 THEN document_count ELSE
                     (SELECT count(*) FROM (SELECT 1 FROM documents WHERE user_id = ?3 AND deleted_at IS NULL LIMIT ?4)) END
             WHERE id = ?3 AND EXISTS (SELECT 1 FROM job_items WHERE id = ?1 AND token = ?2)",
        )
        .bind(&claim.user)
        .bind(COUNTED_DOCUMENTS)
}
