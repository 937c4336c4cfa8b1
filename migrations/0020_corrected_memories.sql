-- A memory is corrected once, and says by which.

-- Of a superseded memory: the one that took its place, which may have been forgotten since.
ALTER TABLE memories ADD COLUMN superseded_by TEXT;
-- Corrections are followed from one to the next; without it each step would read all that a user has.
CREATE INDEX memories_of_users ON memories (user_id, id);

UPDATE memories
SET superseded_by = (SELECT id FROM memories newer
                     WHERE newer.user_id = memories.user_id AND newer.supersedes = memories.id
                     ORDER BY newer.number DESC LIMIT 1)
WHERE state = 'superseded';
