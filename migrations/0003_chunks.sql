-- The text that is searched. id = pack number * 16384 + place in the pack: a repeated chunk stage
-- writes the same rows. The ranges of a document's chunks, joined, are its extracted text.

CREATE TABLE chunks (
    id          INTEGER PRIMARY KEY,
    user_id     TEXT NOT NULL,
    document_id TEXT NOT NULL,
    revision    INTEGER NOT NULL,
    chunk_index INTEGER NOT NULL,        -- place in the document, from 0
    start       INTEGER NOT NULL,        -- byte offsets into the document's extracted text
    "end"       INTEGER NOT NULL,
    text        TEXT NOT NULL
);

-- Contentless: the text is stored once, in chunks. `scope` holds terms for the user, type, language
-- and tags, so that postings are cut to the user's own before ranking; the join on owner, tombstone
-- and revision stays as the fence.
CREATE VIRTUAL TABLE chunks_fts USING fts5 (
    scope, title, body, ident,
    tokenize = 'porter unicode61', content = '', contentless_delete = 1
);
