-- A user's documents are listed by time, the one that was uploaded last first; their ids do not sort so.
CREATE INDEX documents_by_time ON documents (user_id, uploaded_at) WHERE deleted_at IS NULL;
