-- What guests of a session may ask about, and what channels cost.

-- What is open to the questions of guests: {"tags", "document_ids"} (JSON); NULL: nothing.
ALTER TABLE sessions ADD COLUMN opened TEXT;
-- How many edits had made the shared text, as last_sequence is of the log.
ALTER TABLE sessions ADD COLUMN scratch_revision INTEGER NOT NULL DEFAULT 0;

-- The session in which a turn was published. A guest's question is answered with no other turns in mind.
ALTER TABLE turns ADD COLUMN session_id TEXT;

-- Questions that guests of the user's sessions asked: the number of the day (of the minute) times 10,000, and
-- how many since its beginning.
ALTER TABLE users ADD COLUMN guest_questions_of_day INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN guest_questions_of_minute INTEGER NOT NULL DEFAULT 0;

-- Rows of Durable Objects, and how long they were awake: allowances of their own.
ALTER TABLE usage_log ADD COLUMN object_rows_read INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_log ADD COLUMN object_rows_written INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_log ADD COLUMN object_milliseconds INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_hourly ADD COLUMN object_rows_read INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_hourly ADD COLUMN object_rows_written INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_hourly ADD COLUMN object_milliseconds INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_daily ADD COLUMN object_rows_read INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_daily ADD COLUMN object_rows_written INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_daily ADD COLUMN object_milliseconds INTEGER NOT NULL DEFAULT 0;
