-- People and agents speak of lines: a chunk knows those that it lies on, beside its bytes.

-- Of the document's extracted text, from 1, the last one included. NULL in chunks that were indexed before this.
ALTER TABLE chunks ADD COLUMN start_line INTEGER;
ALTER TABLE chunks ADD COLUMN end_line INTEGER;
