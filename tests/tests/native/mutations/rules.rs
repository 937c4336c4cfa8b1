//! The rules that are taken out: the fences and conditions that hold the protocol together.

use test_platform::Mutation;

const fn without(name: &'static str, rule: &'static str, instead: &'static str) -> Mutation {
    Mutation { name, rule, instead }
}

/// The fences and rules of the protocol, each with what is left without it.
pub(super) const RULES: [Mutation; 51] = [
    without(
        "a claim excludes others",
        "AND (state IN ('queued', 'parked') OR (state = 'running' AND lease < ?3))",
        "AND state IN ('queued', 'parked', 'running') AND ?3 = ?3",
    ),
    without("a write holds the claim's token", "token = ?2", "token IS NOT ?2 || 'x'"),
    without(
        "cancelling voids claims",
        "SET state = 'cancelled', token = NULL, updated_at = ?3",
        "SET state = 'cancelled', updated_at = ?3",
    ),
    without("only the latest revision is published", "AND documents.latest_item = published.pack", ""),
    without(
        "chunks are written for the latest revision only",
        "WHERE d.latest_item = ?1 AND d.latest = r.value ->> 'revision'",
        "WHERE 1",
    ),
    without(
        "every upload takes a revision number",
        "latest = latest + 1, latest_item = excluded.latest_item",
        "latest_item = excluded.latest_item",
    ),
    without(
        "a delete moves the fence",
        "deleted_at = ?2, latest = latest + 1, latest_item = NULL",
        "deleted_at = ?2, latest_item = latest_item",
    ),
    without("what is replaced becomes superseded", "AND d.current_item <> p.id", "AND 0"),
    without("superseded revisions are visited a second time", "WHERE NOT r.value ->> 'is_final'", "WHERE 0"),
    without(
        "only what has no attempts left and nobody holds is given up",
        "AND attempts >= ?3 AND (state IN ('queued', 'parked') OR (state = 'running' AND lease < ?4))",
        "",
    ),
    without(
        "a batch waits for its packs, a question for the one before it",
        "AND p.state NOT IN ('done', 'failed', 'cancelled')",
        "AND 0",
    ),
    without("lost messages are sent again", "(i.state = 'queued' AND i.next_at <= ?1", "(0 AND i.next_at <= ?1"),
    without("dead workers are replaced", "OR (i.state = 'running' AND i.lease < ?1)", "OR (0 AND i.lease < ?1)"),
    without(
        "uploads that never ended are removed",
        "accepted_at IS NULL AND created_at < ?2",
        "accepted_at IS NULL AND created_at < ?2 AND 0",
    ),
    without(
        "vectors in R2 that nothing reads are collected",
        "WHERE id IN (SELECT value FROM json_each(?1)) AND state NOT IN ('done', 'cancelled')",
        "WHERE id IN (SELECT value FROM json_each(?1))",
    ),
    without(
        "archives are noted before they are written",
        "OR (state = 'writing' AND updated_at < ?1)",
        "OR (0 AND updated_at < ?1)",
    ),
    without(
        "an eviction that broke off is finished",
        "WHERE evicted_at IS NOT NULL AND evicting IS NOT NULL",
        "WHERE 0",
    ),
    without(
        "parked work is due at midnight",
        "SET due_at = (SELECT min(next_at)",
        "SET due_at = (SELECT 9e15 + min(next_at)",
    ),
    without(
        "usage rows go when they are summed up",
        "DELETE FROM usage_log WHERE at < ?1",
        "DELETE FROM usage_log WHERE at < ?1 AND 0",
    ),
    without(
        "a usage row replaces its reservation",
        "DELETE FROM reservations WHERE id = ?1",
        "DELETE FROM reservations WHERE id = ?1 AND 0",
    ),
    without("what has ended has ended", "state NOT IN ('done', 'failed', 'cancelled')", "state NOT IN ('')"),
    without("what an upload brings holds the claim's token", "token = ?6", "?6 = ?6"),
    without(
        "numbers that an attempt took are noted",
        "unused = json_insert(unused, '$[#]', json_array(numbers, CAST(numbers + ?3 - 1 AS INTEGER)))",
        "unused = unused",
    ),
    without(
        "an upload is cleared when nobody can unpack it any more",
        "i.state IN ('done', 'cancelled') AND i.updated_at < ?1",
        "i.state IN ('done', 'cancelled')",
    ),
    without("an upload that was given up is kept", "i.state = 'failed' AND i.updated_at < ?2", "i.state = 'failed'"),
    without(
        "only what is wanted back is counted",
        "AND current_item = ?2 AND hit_at > evicted_at",
        "AND current_item = ?2",
    ),
    without("a session proposes no more than some", "AND proposals >= ?18", "AND proposals >= ?18 + 100"),
    without(
        "what was said is handed over once",
        "SET said = '[]', captures = captures + 1",
        "SET captures = captures + 1",
    ),
    without("guests have a share of a minute", "AND guest_questions_of_minute < ?3 * 10000 + ?5", "AND ?5 = ?5"),
    without("guests have a share of a day", "AND guest_questions_of_day < ?2 * 10000 + ?4", "AND ?4 = ?4"),
    without("a user has a share of the day", "day.neurons_of_user + ?5 <= ?9", "?9 = ?9"),
    without(
        "a revision in flight is as old as its upload",
        "CASE WHEN old.pending IS NULL THEN old.uploaded_at ELSE old.pending ->> '$.uploaded_at' END",
        "old.uploaded_at",
    ),
    without("what retention removes is looked at again", "(NOT ?4 OR EXISTS (", "(1 OR NOT ?4 OR EXISTS ("),
    without(
        "a cancel ends what had failed",
        "WHERE state NOT IN ('done', 'cancelled')",
        "WHERE state NOT IN ('done', 'failed', 'cancelled')",
    ),
    without(
        "a cancel withdraws what had failed",
        "AND d.current_item IS NOT p.id",
        "AND d.current_item IS NOT p.id
           AND EXISTS (SELECT 1 FROM job_items b WHERE b.id = p.batch AND b.state NOT IN ('done', 'failed'))",
    ),
    without("what has ended is not cancelled", "user_id = ?2 AND finished_at IS NULL", "user_id = ?2"),
    without("a cancelled job is not tried again", "user_id = ?2 AND cancelled_at IS NULL", "user_id = ?2"),
    without("a letter of a cancelled job is not replayed", "AND j.cancelled_at IS NULL)", "AND 1 = 1)"),
    without("a document knows what it took over from", "superseded_item = latest_item", "superseded_item = NULL"),
    without("what is published took over from nothing", "pending = NULL, superseded_item = NULL,", "pending = NULL,"),
    without("a document knows what yielded to it", "superseded_item = ?1", "superseded_item = ?1 * NULL"),
    without("a pack knows what was taken over", "WHERE job_items.id = noted.pack", "WHERE 0"),
    without("what was decided since an upload was accepted is newer", "THEN 'superseded'", "THEN 'older'"),
    without(
        "what was decided since a look is looked at again",
        "IS NOT planned.value ->> 1",
        "IS NOT planned.value ->> 1 AND 0",
    ),
    without(
        "an upload decides with its own number",
        "coalesce(?5, (SELECT value FROM counters WHERE name = 'item'))",
        "(SELECT value FROM counters WHERE name = 'item')",
    ),
    without("an upload decides", "deleted_at = NULL, decided = excluded.decided", "deleted_at = NULL"),
    without("a delete decides", "decided = CASE WHEN ?3 THEN", "decided = CASE WHEN 1 OR ?3 THEN"),
    without(
        "what was decided since a delete began stays",
        "max(d.latest_item, coalesce(d.decided, d.latest_item)) <= ?10",
        "?10 = ?10",
    ),
    without(
        "what is uploaded once more is decided again",
        "AND coalesce(d.decided, d.latest_item) < late.number",
        "AND 0",
    ),
    without("what is uploaded once more holds the claim's token", "token = ?4", "?4 = ?4"),
    without(
        "a delete is remembered while an older upload waits",
        "AND j.first_item <= documents.decided",
        "AND j.first_item < 0",
    ),
];
