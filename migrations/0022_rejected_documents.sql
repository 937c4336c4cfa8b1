-- A job says how many documents of its upload cannot be indexed, whether that was read at once or streamed.

-- How many documents of an upload that was read at once were rejected; of a streamed one its row in uploads says it.
ALTER TABLE jobs ADD COLUMN rejected INTEGER NOT NULL DEFAULT 0;
