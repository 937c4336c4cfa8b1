-- An accepted upload is one job; a job is worked off as items. This table pair is the outbox:
-- a queue message only says "look at this item", and can be rebuilt from here at any time.

CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
-- Item numbers are handed out here and never reused: they name objects in R2 and rows in chunks.
INSERT INTO counters (name, value) VALUES ('item', 0);

CREATE TABLE jobs (
    id           TEXT PRIMARY KEY,       -- job_…
    user_id      TEXT NOT NULL,
    kind         TEXT NOT NULL,          -- index | delete | retire
    accepted_at  INTEGER,                -- NULL while its packs are being stored; a 202 means it is set
    created_at   INTEGER NOT NULL,
    first_item   INTEGER NOT NULL,       -- its items are first_item ..= last_item
    last_item    INTEGER NOT NULL,
    documents    INTEGER NOT NULL,
    cancelled_at INTEGER,
    finished_at  INTEGER,                -- every item is terminal
    receipt      TEXT                    -- of a delete: what was removed where (JSON)
) WITHOUT ROWID;
-- What the sweeper looks through: few rows, and none once a job is finished.
CREATE INDEX unfinished_jobs ON jobs (created_at) WHERE finished_at IS NULL;

-- Two kinds of items work on an upload. A *pack* is up to 64 KB of source in one R2 object; it is
-- chunked. A *batch* is a run of packs whose chunks are embedded and upserted together, so that
-- queue operations grow with text and not with files. A third kind retires what was replaced.
CREATE TABLE job_items (
    id             INTEGER PRIMARY KEY,
    job_id         TEXT NOT NULL,
    user_id        TEXT NOT NULL,
    stage          TEXT NOT NULL,        -- chunk (packs) | embed, upsert (batches) | retire
    state          TEXT NOT NULL,        -- uploading | waiting | queued | running | parked | done | failed | cancelled
    batch          INTEGER,              -- of a pack: the batch that goes on when all its packs are chunked
    first_pack     INTEGER,              -- of a batch: its packs are first_pack ..= last_pack
    last_pack      INTEGER,
    documents      TEXT NOT NULL,        -- of a pack: [{"id","start","end"}] byte ranges in its object (JSON)
    document_count INTEGER NOT NULL,
    chunk_count    INTEGER NOT NULL,     -- chunks made so far
    progress       INTEGER NOT NULL,     -- of them, done in the current stage
    cursor         TEXT,                 -- where the current stage goes on (JSON, the stage's own)
    failures       TEXT,                 -- documents that failed alone: [{"document_id","code","detail"}] (JSON)
    token          TEXT,                 -- the claim: who holds it may write for this item
    lease          INTEGER NOT NULL,     -- until when the claim holds
    attempts       INTEGER NOT NULL,     -- since the last progress
    next_at        INTEGER NOT NULL,     -- not to be claimed before
    sent_at        INTEGER,              -- when a message for it was last sent; NULL: not yet
    error          TEXT,                 -- why the last attempt failed, or why it is parked
    updated_at     INTEGER NOT NULL
);

-- One row per document across its revisions. `latest` only grows. A revision that is being indexed
-- is latest_*; the one that searches see is current_*; publishing copies one to the other.
-- The id is derived from the user and the external id (or the content), so no index is needed.
CREATE TABLE documents (
    user_id       TEXT NOT NULL,
    id            TEXT NOT NULL,         -- doc_…
    external_id   TEXT,
    title         TEXT,
    type          TEXT NOT NULL,         -- code | doc | conversation
    language      TEXT,
    media_type    TEXT NOT NULL,
    tags          TEXT NOT NULL,         -- JSON array of strings
    metadata      TEXT,                  -- JSON object, the owner's
    created_at    INTEGER NOT NULL,      -- the owner's date
    uploaded_at   INTEGER NOT NULL,
    bytes         INTEGER NOT NULL,
    pending       TEXT,                  -- the fields above for the revision in flight, while another is current (JSON)
    latest        INTEGER NOT NULL,      -- highest revision ever given out; a delete takes one too
    latest_item   INTEGER,               -- the pack that holds it
    latest_hash   TEXT,
    current       INTEGER,               -- the revision searches see
    current_item  INTEGER,
    current_first INTEGER,               -- chunks.id of its first chunk; the others follow
    chunk_count   INTEGER,
    content_hash  TEXT,                  -- of the current revision; set last, it makes a re-upload a duplicate
    deleted_at    INTEGER,               -- tombstone: hides the document from every read at once
    PRIMARY KEY (user_id, id)
) WITHOUT ROWID;

-- Revisions that must disappear: replaced, deleted, cancelled. Written in the same batch that makes
-- them garbage, worked off by the retire stage.
CREATE TABLE garbage (
    retire_item INTEGER NOT NULL,        -- the job item that removes it
    document_id TEXT NOT NULL,
    revision    INTEGER NOT NULL,
    pack        INTEGER NOT NULL,        -- where its bytes and chunks are
    user_id     TEXT NOT NULL,
    chunk_count INTEGER,                 -- known after the first pass, when its rows are gone
    PRIMARY KEY (retire_item, document_id, revision)
) WITHOUT ROWID;
