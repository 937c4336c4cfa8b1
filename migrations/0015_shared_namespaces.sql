-- More users than the vector index has namespaces.

-- An index of the Free plan has 1,000 namespaces. The first users have one of their own, named like them; those
-- after them share a few. Of whoever shares one: its number. NULL: their own.
ALTER TABLE users ADD COLUMN shared_namespace INTEGER;
