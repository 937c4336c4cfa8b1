-- What the day's allowances have been spent on, and who must hear of it.

-- Which key an invocation was for, so that a key's own quota can be held.
ALTER TABLE usage_log ADD COLUMN key_id TEXT;

-- The day as the governor sees it: one row, which every decision reads. Neurons are exact: each
-- invocation adds what it spent in the transaction of its usage row. The rest is counted by cron.
CREATE TABLE budget (
    day             INTEGER PRIMARY KEY, -- 00:00 UTC
    neurons         REAL NOT NULL,
    ingest_neurons  REAL NOT NULL,       -- the part of them that went into indexing
    counted_at      INTEGER,             -- when cron last counted the rest
    used            TEXT,                -- then: {"d1_rows_read": 123, …} (JSON)
    requests_by_key TEXT                 -- then, of keys that used a good part of their quota: {"id": 1234} (JSON)
);

-- Neurons an invocation may be spending right now. They count as spent until its usage row replaces
-- them; of an invocation that never wrote one, cron takes them for spent.
CREATE TABLE reservations (
    id      TEXT PRIMARY KEY,            -- of the invocation
    day     INTEGER NOT NULL,
    purpose TEXT NOT NULL,               -- ingest | interactive
    user_id TEXT,
    neurons REAL NOT NULL,
    made_at INTEGER NOT NULL
) WITHOUT ROWID;

-- Sums of usage_log, recomputed while its rows last: an hour's once it is over, a day's from its hours.
CREATE TABLE usage_hourly (
    hour             INTEGER NOT NULL,
    user_id          TEXT NOT NULL,      -- '' for nobody's
    key_id           TEXT NOT NULL,      -- '' without a key
    source           TEXT NOT NULL,
    invocations      INTEGER NOT NULL,
    neurons          REAL NOT NULL,
    d1_rows_read     INTEGER NOT NULL,
    d1_rows_written  INTEGER NOT NULL,
    kv_reads         INTEGER NOT NULL,
    kv_writes        INTEGER NOT NULL,
    r2_class_a       INTEGER NOT NULL,
    r2_class_b       INTEGER NOT NULL,
    queue_operations INTEGER NOT NULL,
    vectors_queried  INTEGER NOT NULL,
    vectors_upserted INTEGER NOT NULL,
    object_requests  INTEGER NOT NULL,
    PRIMARY KEY (hour, user_id, key_id, source)
) WITHOUT ROWID;

CREATE TABLE usage_daily (
    day              INTEGER NOT NULL,
    user_id          TEXT NOT NULL,
    source           TEXT NOT NULL,
    invocations      INTEGER NOT NULL,
    neurons          REAL NOT NULL,
    d1_rows_read     INTEGER NOT NULL,
    d1_rows_written  INTEGER NOT NULL,
    kv_reads         INTEGER NOT NULL,
    kv_writes        INTEGER NOT NULL,
    r2_class_a       INTEGER NOT NULL,
    r2_class_b       INTEGER NOT NULL,
    queue_operations INTEGER NOT NULL,
    vectors_queried  INTEGER NOT NULL,
    vectors_upserted INTEGER NOT NULL,
    object_requests  INTEGER NOT NULL,
    PRIMARY KEY (day, user_id, source)
) WITHOUT ROWID;

-- One row per threshold that a resource passed on a day; delivered to the webhook, with retries.
CREATE TABLE alerts (
    id           TEXT PRIMARY KEY,       -- {day}-{resource}-{threshold}
    body         TEXT NOT NULL,          -- what is delivered (JSON)
    created_at   INTEGER NOT NULL,
    attempts     INTEGER NOT NULL,
    next_at      INTEGER,                -- NULL: delivered, given up, or nobody to tell
    delivered_at INTEGER,
    error        TEXT
) WITHOUT ROWID;
