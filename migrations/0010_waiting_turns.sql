-- A question that waits for the one before it says so in columns of its own. Before, it borrowed a batch's
-- (batch, first_pack, last_pack); rows like that may still wait and are read as well.
ALTER TABLE job_items ADD COLUMN waits_for_first INTEGER; -- of a question: the items it waits for,
ALTER TABLE job_items ADD COLUMN waits_for_last INTEGER;  -- first and last
ALTER TABLE job_items ADD COLUMN unblocks INTEGER;        -- of a question that is waited for: who waits
