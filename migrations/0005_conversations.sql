-- Conversations, what was said in them, and what is remembered across them.

-- What a user said about themselves and how they want answers: {"about", "preferences": {…}} (JSON).
ALTER TABLE users ADD COLUMN profile TEXT;

-- Of a chat job: {"conversation_id", "turn_id", "number", "session_id", "request"} (JSON). The job's
-- item says how far the answer is; this says what is to be answered, and where it belongs.
ALTER TABLE jobs ADD COLUMN turn TEXT;

CREATE TABLE conversations (
    user_id            TEXT NOT NULL,
    id                 TEXT NOT NULL,    -- con_…
    title              TEXT NOT NULL,
    origin             TEXT NOT NULL,    -- chat | openai: of a client that keeps the history itself; not listed
    created_at         INTEGER NOT NULL,
    updated_at         INTEGER NOT NULL,
    last_number        INTEGER NOT NULL, -- highest turn number given out
    last_item          INTEGER,          -- job item of the newest question: the next one waits for it
    summary            TEXT,             -- of the turns up to summarised_through, which no longer fit a prompt
    summarised_through INTEGER NOT NULL,
    PRIMARY KEY (user_id, id)
) WITHOUT ROWID;

-- One row per message: appending never rewrites history. A question has an odd number, its answer
-- the next; both carry the id of the turn.
CREATE TABLE turns (
    user_id         TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    number          INTEGER NOT NULL,
    id              TEXT NOT NULL,       -- trn_…
    role            TEXT NOT NULL,       -- user | assistant
    content         TEXT NOT NULL,
    detail          TEXT,                -- of an answer: citations, route, usage (JSON)
    created_at      INTEGER NOT NULL,
    PRIMARY KEY (user_id, conversation_id, number)
) WITHOUT ROWID;

-- Facts and preferences. A user has at most a thousand, so that recall reads them all: the
-- embeddings lie beside the text, no index can lag behind, and forgetting is one delete.
CREATE TABLE memories (
    number        INTEGER PRIMARY KEY,   -- row of memories_fts
    id            TEXT NOT NULL,         -- mem_…
    user_id       TEXT NOT NULL,
    kind          TEXT NOT NULL,         -- fact | preference | decision | instruction | note
    text          TEXT NOT NULL,
    hash          TEXT NOT NULL,         -- of the normalised text: the same is remembered once
    source        TEXT,                  -- where it comes from, in the owner's words or a turn's id
    confidence    REAL NOT NULL,         -- 0 to 1
    state         TEXT NOT NULL,         -- proposed | active | superseded
    pinned        INTEGER NOT NULL,      -- 1: in every prompt
    supersedes    TEXT,
    embedding     TEXT,                  -- base64 of little-endian f32; NULL: the model was not answering
    created_at    INTEGER NOT NULL,
    recalled_at   INTEGER,
    UNIQUE (user_id, hash)
);

CREATE VIRTUAL TABLE memories_fts USING fts5 (
    scope, body, tokenize = 'porter unicode61', content = '', contentless_delete = 1
);
