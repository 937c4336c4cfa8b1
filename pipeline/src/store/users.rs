//! Users, and a number of each that changes whenever what their searches can find does: the table `users`.

pub mod words;

use const_format::formatcp;
use serde::Deserialize;

use self::words::Words;
use crate::{
    constants,
    ids::{JobId, UserId},
    job::item::Claim,
    platform::transaction::{Query, Write},
    store::conditions::{HELD, NEXT_ITEM},
    tenant::Tenant,
    time::{DAY, MINUTE, Timestamp},
};

/// Counts a user's documents no further than this: searches only ask whether there are few.
pub const COUNTED_DOCUMENTS: i64 = 1_700;

/// The columns of a [`Tenant`], of the table `users` under the name `u`.
pub(in crate::store) const TENANT: &str =
    "u.id AS user, u.number, u.index_version, u.document_count, u.profile, u.shared_namespace, u.published_at,
     u.chunk_words, u.memory_words";

/// Answers and rankings that were cached before are out of reach from then on.
const MOVE_VERSION_ON: &str = "UPDATE users SET index_version = index_version + 1";

/// Inserts a user. Whoever comes when every namespace of the index may be another's shares one.
pub fn insert(user: &UserId, name: &str, now: Timestamp) -> Write {
    Write::new(
        "INSERT INTO users (id, name, created_at, shared_namespace)
         SELECT ?1, ?2, ?3, CASE WHEN last >= ?4 THEN last % ?5 END
         FROM (SELECT coalesce(max(number), 0) AS last FROM users)",
    )
    .bind(user)
    .bind(name)
    .bind(now)
    .bind(constants::VECTOR_NAMESPACES - constants::VECTOR_NAMESPACES_SHARED)
    .bind(constants::VECTOR_NAMESPACES_SHARED)
}

/// The namespace that a user shares.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct SharedNamespace {
    /// Its number; `None` for a user who has one of their own.
    pub shared_namespace: Option<i64>,
}

/// Reads which namespace a user shares, if any; no row if they were erased.
pub fn namespace(user: &UserId) -> Query<SharedNamespace> {
    Query::new("SELECT shared_namespace FROM users WHERE id = ?1").bind(user)
}

/// Reads a user as searches see them; no row if they were erased.
pub fn tenant(user: &UserId) -> Query<Tenant> {
    Query::new(formatcp!("SELECT {TENANT} FROM users u WHERE u.id = ?1")).bind(user)
}

/// Who asks a question, and what.
#[derive(Clone, Debug, Deserialize)]
pub struct AskerRow {
    /// The turn (JSON); `None` for a job of another kind.
    pub turn: Option<String>,
    /// The user.
    #[serde(flatten)]
    pub tenant: Tenant,
}

/// Reads the user of a chat job, with its turn.
pub fn asker(user: &UserId, job: &JobId) -> Query<AskerRow> {
    Query::new(formatcp!(
        "SELECT j.turn, {TENANT} FROM jobs j JOIN users u ON u.id = j.user_id WHERE j.id = ?1 AND j.user_id = ?2"
    ))
    .bind(job)
    .bind(user)
}

/// Takes one of the questions that guests of a user's sessions may ask in this minute and on this day; changes
/// nothing if none is left.
///
/// The values are the number of the day or the minute times 10,000, plus the questions since its beginning.
pub fn take_guest_question(user: &UserId, now: Timestamp) -> Write {
    Write::new(
        "UPDATE users
         SET guest_questions_of_day = max(guest_questions_of_day, ?2 * 10000) + 1,
             guest_questions_of_minute = max(guest_questions_of_minute, ?3 * 10000) + 1
         WHERE id = ?1 AND guest_questions_of_day < ?2 * 10000 + ?4 AND guest_questions_of_minute < ?3 * 10000 + ?5",
    )
    .bind(user)
    .bind(now.milliseconds() / DAY.as_milliseconds())
    .bind(now.milliseconds() / MINUTE.as_milliseconds())
    .bind(constants::GUEST_QUESTIONS_PER_DAY)
    .bind(constants::GUEST_QUESTIONS_PER_MINUTE)
}

/// Keeps what a user says about themselves and how they want answers (JSON).
pub fn set_profile(user: &UserId, profile: &str) -> Write {
    Write::new("UPDATE users SET profile = ?2 WHERE id = ?1").bind(user).bind(profile)
}

/// Merges a change (JSON) into what a user says about themselves, as RFC 7396 says; changes nothing if it would be
/// larger than it may be.
pub fn change_profile(user: &UserId, change: &str) -> Write {
    // Twice: a row that is updated cannot be asked for what it would be.
    const MERGED: &str = "json_patch(CASE WHEN json_valid(profile) THEN profile ELSE '{}' END, ?2)";
    Write::new(formatcp!("UPDATE users SET profile = {MERGED} WHERE id = ?1 AND length(CAST({MERGED} AS BLOB)) <= ?3"))
        .bind(user)
        .bind(change)
        .bind(constants::PROFILE_BYTES)
}

/// Moves the version on, and counts the user's documents anew.
pub fn bump(user: &UserId) -> Write {
    Write::new(BUMP).bind(user).bind(COUNTED_DOCUMENTS)
}

/// The same, if this transaction noted revisions as superseded: before the purge item takes the number they are noted
/// under. A delete of nothing reads and writes nothing.
pub fn bump_if_noted(user: &UserId) -> Write {
    Write::new(formatcp!("{BUMP} AND EXISTS (SELECT 1 FROM garbage WHERE retire_item = {NEXT_ITEM})"))
        .bind(user)
        .bind(COUNTED_DOCUMENTS)
}

const BUMP: &str = formatcp!(
    "{MOVE_VERSION_ON},
             document_count = (SELECT count(*) FROM (
                 SELECT 1 FROM documents WHERE user_id = ?1 AND deleted_at IS NULL LIMIT ?2))
         WHERE id = ?1"
);

/// Returns does the same for a stage that holds a claim, which only adds to what there is: documents are counted where
/// none were.
pub fn bump_by(claim: &Claim) -> Write {
    bump_for(
        claim,
        formatcp!(
            "{MOVE_VERSION_ON},
                 document_count = CASE WHEN document_count > 0 THEN document_count ELSE {DOCUMENTS} END
             WHERE id = ?3 AND {HELD}"
        ),
    )
}

/// Returns does the same for the stage that publishes, which notes when it did. A count that has reached its end stays
/// there: counting again would be what a long upload reads most rows for.
pub fn bump_published(claim: &Claim, now: Timestamp) -> Write {
    bump_for(
        claim,
        formatcp!(
            "{MOVE_VERSION_ON},
                 document_count = CASE WHEN document_count >= ?4 THEN document_count ELSE {DOCUMENTS} END,
                 published_at = ?5
             WHERE id = ?3 AND {HELD}"
        ),
    )
    .bind(now)
}

/// The documents of `?3`, counted as far as `?4`.
const DOCUMENTS: &str = "(SELECT count(*) FROM (
                     SELECT 1 FROM documents WHERE user_id = ?3 AND deleted_at IS NULL LIMIT ?4))";

fn bump_for(claim: &Claim, sql: &'static str) -> Write {
    claim.fenced(sql).bind(&claim.user).bind(COUNTED_DOCUMENTS)
}

/// Moves the version on for what changes no document.
pub fn bump_version(user: &UserId) -> Write {
    Write::new(formatcp!("{MOVE_VERSION_ON} WHERE id = ?1")).bind(user)
}

/// Removes both full-text tables of the user of this number ([`words`]) with all that is in them: for who
/// removes all that they have. Whoever writes to one afterwards makes it anew.
pub fn drop_words(number: i64) -> [Write; 3] {
    let drop = |sql| Write::new(sql).over(Words::of_chunks(number, true));
    [
        drop("DROP TABLE IF EXISTS chunks_fts_@user"),
        drop("DROP TABLE IF EXISTS memories_fts_@user"),
        Write::new("UPDATE users SET chunk_words = 0, memory_words = 0 WHERE number = ?1").bind(number),
    ]
}
