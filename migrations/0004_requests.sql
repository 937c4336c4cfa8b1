-- What keeps requests honest: repeated ones, failed messages, and what everything costs.

-- Same key and same body: the stored answer is replayed. A row without an answer is in flight.
CREATE TABLE idempotency_keys (
    user_id    TEXT NOT NULL,
    key        TEXT NOT NULL,
    body_hash  TEXT NOT NULL,            -- hex
    job_id     TEXT NOT NULL,
    response   TEXT,                     -- JSON body of the 202
    created_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, key)
) WITHOUT ROWID;

CREATE TABLE dead_letters (
    id         TEXT PRIMARY KEY,         -- of the queue message, or of the item and stage that failed
    user_id    TEXT,                     -- NULL when the message cannot be read
    item_id    INTEGER,
    stage      TEXT NOT NULL,
    why        TEXT NOT NULL,
    body       TEXT,                     -- at most 1 KB of an unreadable message
    body_hash  TEXT,
    created_at INTEGER NOT NULL,
    replayed_at INTEGER
) WITHOUT ROWID;

-- One row per invocation: every binding call it made, by what the Free plan counts.
CREATE TABLE usage_log (
    at                  INTEGER NOT NULL,
    id                  TEXT NOT NULL,   -- request id, or the claim token of the message
    user_id             TEXT,
    source              TEXT NOT NULL,   -- route or stage
    neurons             REAL NOT NULL,
    d1_rows_read        INTEGER NOT NULL,
    d1_rows_written     INTEGER NOT NULL,
    kv_reads            INTEGER NOT NULL,
    kv_writes           INTEGER NOT NULL,
    r2_class_a          INTEGER NOT NULL,
    r2_class_b          INTEGER NOT NULL,
    queue_operations    INTEGER NOT NULL,
    vectors_queried     INTEGER NOT NULL,
    vectors_upserted    INTEGER NOT NULL,
    PRIMARY KEY (at, id)
) WITHOUT ROWID;
