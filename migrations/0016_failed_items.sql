-- Whether a job brought everything is asked with each search that waits for it. Few rows, and none while all is well.
CREATE INDEX items_with_failures ON job_items (id) WHERE state IN ('failed', 'cancelled') OR failures IS NOT NULL;
