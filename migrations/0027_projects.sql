-- What is remembered belongs to projects, and what hooks of Claude Code told and heard is known by its session.

-- Of a memory: the project that it is about, as its git remote names it (github.com/owner/name); NULL: whichever.
ALTER TABLE memories ADD COLUMN project TEXT;
-- Why it was proposed, with what was said; NULL where its owner remembered it.
ALTER TABLE memories ADD COLUMN why TEXT;
-- When it was last said again, in other words or the same.
ALTER TABLE memories ADD COLUMN confirmed_at INTEGER;

-- A row a session of Claude Code in which something was told or heard.
CREATE TABLE hook_sessions (
    user_id     TEXT NOT NULL,
    session_id  TEXT NOT NULL,           -- as Claude Code names it
    project     TEXT,                    -- that it works in, if its start said so
    started_at  INTEGER NOT NULL,        -- when it was first heard of
    used_at     INTEGER NOT NULL,        -- when something was last told or heard
    told        TEXT NOT NULL,           -- names of what was told, each behind a line end; the oldest go
    said        TEXT NOT NULL,           -- [{"by","text"}] that state something and are not captured (JSON), no secrets
    captures    INTEGER NOT NULL,        -- how often what was said was handed to the stage capture
    captured_at INTEGER,                 -- when last
    proposals   INTEGER NOT NULL,        -- memories that were proposed of it
    PRIMARY KEY (user_id, session_id)
) WITHOUT ROWID;
