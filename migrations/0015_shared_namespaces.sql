-- More users than the vector index has namespaces, and what is published but not found by meaning so far.

-- An index of the Free plan has 1,000 namespaces. The first users have one of their own, named like them; those
-- after them share a few. Of whoever shares one: its number. NULL: their own.
ALTER TABLE users ADD COLUMN shared_namespace INTEGER;

-- When documents of theirs were last published: Vectorize shows their vectors later, so that a ranking made in
-- between is not worth keeping.
ALTER TABLE users ADD COLUMN published_at INTEGER NOT NULL DEFAULT 0;
