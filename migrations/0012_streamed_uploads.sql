-- An upload that is too large to be read at once lies in R2 as it came, until the unpack stage has made
-- packs of it. Its job has the next item numbers to itself: the first is the unpack item's, packs and
-- batches take theirs as they are found, so that a job's items still are first_item ..= last_item.
CREATE TABLE uploads (
    job_id     TEXT PRIMARY KEY,
    user_id    TEXT NOT NULL,
    media_type TEXT NOT NULL,               -- what its sender called it: how it is read
    bytes      INTEGER NOT NULL,
    read       INTEGER NOT NULL DEFAULT 0,  -- of them, unpacked
    queued     INTEGER NOT NULL DEFAULT 0,  -- documents found so far, by what became of them
    duplicates INTEGER NOT NULL DEFAULT 0,
    rejected   INTEGER NOT NULL DEFAULT 0,
    broken     TEXT,                        -- where it could not be read on: {"byte","document","why"} (JSON)
    numbers    INTEGER NOT NULL DEFAULT 1,  -- item numbers taken so far, counted from the job's first
    unused     TEXT NOT NULL DEFAULT '[]',  -- of them, taken by attempts that broke off: [[first, last], …] (JSON)
    cleared_at INTEGER                      -- when nothing of it was left in R2 but its packs
) WITHOUT ROWID;
-- What the schedule looks through: few rows, and none once an upload is unpacked.
CREATE INDEX uncleared_uploads ON uploads (job_id) WHERE cleared_at IS NULL;

-- What became of each document of such an upload, a row for each range that was read: a row for each
-- document would cost more of the day than the document itself.
CREATE TABLE upload_results (
    job_id  TEXT NOT NULL,
    first   INTEGER NOT NULL,               -- how many documents of the upload stand before these
    results TEXT NOT NULL,                  -- [{"external_id","document_id","status","pack","error"}, …] (JSON)
    PRIMARY KEY (job_id, first)
) WITHOUT ROWID;
