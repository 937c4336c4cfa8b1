-- An upload that lies in R2 may be unpacked hours after it was accepted. What was uploaded or deleted since is newer.

-- When its owner last decided what a document holds, as a place in the order of item numbers. A streamed upload
-- decides with the first number of its job, everything else with the last number that was given out by then: a
-- streamed upload that was accepted before has a smaller one, one that was accepted afterwards a larger one.
-- NULL in rows that versions before 0.1.0 wrote last: their pack's number takes its place.
ALTER TABLE documents ADD COLUMN decided INTEGER;

-- Documents of an upload that were not indexed, because their owner decided otherwise since it was accepted.
ALTER TABLE uploads ADD COLUMN superseded INTEGER NOT NULL DEFAULT 0;
