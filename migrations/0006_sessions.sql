-- Live sessions. The room itself is a Durable Object; here is what outlives it.

CREATE TABLE sessions (
    user_id         TEXT NOT NULL,       -- who opened it and pays for its turns
    id              TEXT NOT NULL,       -- ses_…
    title           TEXT NOT NULL,
    conversation_id TEXT NOT NULL,       -- what is asked in it
    state           TEXT NOT NULL,       -- open | closed
    scratch         TEXT,                -- the shared text when it last fell idle
    last_sequence   INTEGER NOT NULL,    -- of its event log, then
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    PRIMARY KEY (user_id, id)
) WITHOUT ROWID;

-- An invitation: 32 random bytes, of which only a hash is kept; good once, for half a minute.
CREATE TABLE session_tickets (
    digest      TEXT PRIMARY KEY,
    owner_id    TEXT NOT NULL,
    session_id  TEXT NOT NULL,
    participant TEXT NOT NULL,           -- the name its bearer gets
    role        TEXT NOT NULL,           -- owner | editor | viewer
    expires_at  INTEGER NOT NULL,
    redeemed_at INTEGER
) WITHOUT ROWID;

-- Requests to rooms count against an allowance of their own.
ALTER TABLE usage_log ADD COLUMN object_requests INTEGER NOT NULL DEFAULT 0;
