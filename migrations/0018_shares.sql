-- One user, and one address, cannot spend everybody's day.

-- What users who had much of the day's resources have had of them, as cron last counted it:
-- {"usr_…": {"d1_rows_read": 123, …}, …} (JSON). NULL while only one user has a key: whoever is alone may have all.
ALTER TABLE budget ADD COLUMN users TEXT;

-- How many requests a row stands for: those that were refused share one.
ALTER TABLE usage_log ADD COLUMN requests INTEGER NOT NULL DEFAULT 1;

-- How far a list of R2 was looked through, where one run of the schedule cannot see all of it.
CREATE TABLE listings (
    prefix     TEXT PRIMARY KEY,
    seen_until TEXT NOT NULL               -- a key: the next run goes on after it
) WITHOUT ROWID;
