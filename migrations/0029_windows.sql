-- The vectors of a chunk's windows, as text, one behind the other (retrieval/src/embedding_text.rs), where it has
-- several: what lies near its best window is found, though the mean of all lies elsewhere. Empty for what was embedded
-- before.
ALTER TABLE chunks ADD COLUMN windows TEXT;
