-- Who may call, and what they call themselves. Everything else hangs off users.id.

CREATE TABLE users (
    number     INTEGER PRIMARY KEY,      -- short form of the id, used as a term in the full-text index
    id         TEXT NOT NULL UNIQUE,     -- usr_…
    name       TEXT NOT NULL,
    created_at INTEGER NOT NULL,         -- milliseconds since 1970, as every time in this schema
    -- Grows with every change to what searches can find: part of the key of cached searches.
    index_version  INTEGER NOT NULL DEFAULT 0,
    document_count INTEGER NOT NULL DEFAULT 0  -- counted up to 1,700, beyond which searches do not care
);

-- A key is `cf_<env>_<id>_<secret><crc>`. Only HMAC-SHA-256(pepper, key) is stored.
CREATE TABLE api_keys (
    id         TEXT PRIMARY KEY,         -- the public part of the key
    user_id    TEXT NOT NULL REFERENCES users (id),
    name       TEXT NOT NULL,
    digest     TEXT NOT NULL,            -- hex
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) WITHOUT ROWID;
