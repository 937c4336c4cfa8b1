-- Everybody's words are in full-text tables of their own, so that what others store changes nobody's ranking:
-- chunks_fts_{number} and memories_fts_{number}, after users.number. The transaction that first writes to one makes it,
-- with the columns that the shared one has here (pipeline/src/store/users/words.rs); a memory's has no scope.

-- 1: the table is there. 0: nothing was indexed for the user so far, and nothing is looked for by its words.
ALTER TABLE users ADD COLUMN chunk_words INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN memory_words INTEGER NOT NULL DEFAULT 0;

-- chunks_fts and memories_fts stay until a later release, as long as the version before may write to them: what is in
-- them is to be moved. The schedule's step for that (the bit 512) is due from now on where there is somebody at all.
INSERT INTO counters (name, value) SELECT 'steps_due', 512 WHERE EXISTS (SELECT 1 FROM users)
ON CONFLICT (name) DO UPDATE SET value = value | 512;
