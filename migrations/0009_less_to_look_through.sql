-- What the clockwork looks through often should be what there is to do, not all there is.

-- Few, and none while there is room.
CREATE INDEX evicted_documents ON documents (evicted_at) WHERE evicted_at IS NOT NULL;

-- Before then the sweep need not look at the job: all it has left to do is parked. Hundreds of jobs
-- may wait for tomorrow, and the sweep runs 288 times a day.
ALTER TABLE jobs ADD COLUMN due_at INTEGER NOT NULL DEFAULT 0;
DROP INDEX unfinished_jobs;
CREATE INDEX unfinished_jobs ON jobs (due_at) WHERE finished_at IS NULL;
