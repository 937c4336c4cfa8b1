-- A later upload may take a document over before it is published: its job never brings it, and says so.

-- Of a pack: its documents that another upload took over before they were published, without those that had
-- failed alone (JSON array of their ids). NULL: none.
ALTER TABLE job_items ADD COLUMN superseded TEXT;
-- The pack of an unpublished revision that the latest one took over: a cancel of the latest cannot bring it back.
-- NULL once a revision is published, and where nothing was taken over.
ALTER TABLE documents ADD COLUMN superseded_item INTEGER;
