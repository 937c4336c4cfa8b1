-- Who pushes a folder knows its files by git's hash of their bytes: what is there already is not even sent.

-- Git's hash (40 or 64 hexadecimal digits) of the bytes that the current revision was uploaded as, in the sender's
-- word; NULL where it was uploaded without.
ALTER TABLE documents ADD COLUMN blob TEXT;

-- Vectors of such documents as they were embedded, so that a revision that comes back, the unchanged part of one that
-- changed, and a file under another name cost no neurons. A row for each run of chunks that one message embedded.
CREATE TABLE kept_vectors (
    user_id     TEXT NOT NULL,
    document_id TEXT NOT NULL,
    blob        TEXT NOT NULL,           -- of the revision that was embedded
    first       INTEGER NOT NULL,        -- place in the document of the first of the chunks
    vectors     TEXT NOT NULL,           -- [[fingerprint of model and text, embedding as text], …] (JSON)
    kept_at     INTEGER NOT NULL,        -- when it was embedded last
    PRIMARY KEY (user_id, document_id, blob, first)
) WITHOUT ROWID;
-- A file that was renamed is found by what it holds.
CREATE INDEX kept_vectors_by_blob ON kept_vectors (user_id, blob);
