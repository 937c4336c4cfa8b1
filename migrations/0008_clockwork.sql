-- What cron puts away: idle conversations, finished months, vectors nobody looks for.

-- Objects that hold what rows held. Written before the object is (`writing`), so that one whose
-- worker died is known and can be removed. A name is never used twice.
CREATE TABLE archives (
    key        TEXT PRIMARY KEY,         -- the object's name
    user_id    TEXT,                     -- NULL for the deployment's own
    kind       TEXT NOT NULL,            -- conversation | usage
    subject    TEXT NOT NULL,            -- conversation id, or month
    state      TEXT NOT NULL,            -- writing | kept | garbage
    updated_at INTEGER NOT NULL
) WITHOUT ROWID;

-- Of a conversation whose turns lie in an archive. It stays listed; reading or continuing it brings
-- them back.
ALTER TABLE conversations ADD COLUMN archived_key TEXT;
ALTER TABLE conversations ADD COLUMN restored_at INTEGER;

-- Search hits move this, at most once a day: what was useful lately keeps its vectors longest.
ALTER TABLE documents ADD COLUMN hit_at INTEGER;
-- When its vectors were given up for others'. It is still found by keyword; a later hit asks for
-- them back.
ALTER TABLE documents ADD COLUMN evicted_at INTEGER;
-- 1 from that decision until the vectors are gone.
ALTER TABLE documents ADD COLUMN evicting INTEGER;
