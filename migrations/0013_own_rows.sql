-- Whoever lists what is theirs reads their own rows, however many others there are.

-- Of what is listed: purge jobs (whose kind is named like their stage) are nobody's to list.
CREATE INDEX jobs_of_users ON jobs (user_id, id) WHERE kind <> 'retire';
CREATE INDEX api_keys_of_users ON api_keys (user_id, id);
CREATE INDEX dead_letters_of_users ON dead_letters (user_id, id);

-- What each user took of a day, as cron last counted it: the sums of usage_hourly and usage_log of that day.
-- An index of usage_log by user would cost a row written more for every invocation; this costs one for every
-- user who did something since it was last counted. A new day replaces the one before.
CREATE TABLE usage_of_users (
    user_id             TEXT PRIMARY KEY, -- '' for nobody's
    day                 INTEGER NOT NULL,
    invocations         INTEGER NOT NULL,
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
    object_requests     INTEGER NOT NULL,
    object_rows_read    INTEGER NOT NULL,
    object_rows_written INTEGER NOT NULL,
    object_milliseconds INTEGER NOT NULL
) WITHOUT ROWID;
