-- Accounts that wait for an upstream's gate, and the schedule of those that fail by themselves.
ALTER TABLE worklist ADD COLUMN waits_for TEXT;             -- the upstream whose gate it waits for
ALTER TABLE worklist ADD COLUMN failed_at INTEGER;        -- when the last sync failed
ALTER TABLE worklist ADD COLUMN retry_at INTEGER;         -- when the next one counts, whatever triggers come before
CREATE INDEX worklist_waiting ON worklist (waits_for, priority) WHERE waits_for IS NOT NULL;
