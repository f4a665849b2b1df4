-- The same memory in the words of ARCHITECTURE.md, as the second edition speaks them. Nothing is added or removed. Only
-- `inbox` is built anew, since the values of a CHECK change; everything else is renamed in place.

-- Events seen, each once. An event is a trigger and nothing more: it is never read to decide what a user has.
CREATE TABLE inbox_new (
    id       TEXT    NOT NULL PRIMARY KEY,       -- source:event, or source:connect/event
    kind     TEXT    NOT NULL,
    account  TEXT,                               -- the account it enqueued
    object   TEXT,                               -- the source's object it is about
    outcome  TEXT    NOT NULL CHECK (outcome IN ('enqueued', 'no_account', 'other_mode', 'unreadable')),
    created  INTEGER NOT NULL,
    received INTEGER NOT NULL,
    body     TEXT                                -- only with inbox.keep_bodies, and of what could not be read
) WITHOUT ROWID;
INSERT INTO inbox_new (id, kind, account, object, outcome, created, received, body)
SELECT id, kind, account, object,
       CASE outcome WHEN 'rung' THEN 'enqueued' WHEN 'nobody' THEN 'no_account' ELSE outcome END,
       created, received, body
FROM inbox;
DROP TABLE inbox;
ALTER TABLE inbox_new RENAME TO inbox;
CREATE INDEX inbox_account ON inbox (account, received) WHERE account IS NOT NULL;
CREATE INDEX inbox_received ON inbox (received);

-- Accounts to sync, and when. `priority`: 0 fresh, 1 due by itself, 2 bulk. `triggered_at`: the first trigger that no sync
-- has answered. `requested`: somebody asked for the sync, so the profile is read whatever is cached.
ALTER TABLE worklist RENAME COLUMN customer TO user_id;
ALTER TABLE worklist RENAME COLUMN class TO priority;
ALTER TABLE worklist RENAME COLUMN rung_at TO triggered_at;
ALTER TABLE worklist RENAME COLUMN trouble TO last_error;
ALTER TABLE worklist RENAME COLUMN asked TO requested;
DROP INDEX worklist_customer;
CREATE INDEX worklist_user ON worklist (user_id) WHERE user_id IS NOT NULL;

-- Which app user an account belongs to, and where that was learnt.
ALTER TABLE links RENAME COLUMN customer TO user_id;
ALTER TABLE links RENAME COLUMN learnt_at TO linked_at;
DROP INDEX links_customer;
CREATE INDEX links_user ON links (user_id);

-- App users whom an account belonged to before: what they have through it must still end.
ALTER TABLE handovers RENAME TO former_users;
ALTER TABLE former_users RENAME COLUMN customer TO user_id;

-- Every step: intended before it is sent, then confirmed, refused or dropped. `mode`: live or test.
ALTER TABLE ledger RENAME COLUMN customer TO user_id;
ALTER TABLE ledger RENAME COLUMN environment TO mode;
ALTER TABLE ledger RENAME COLUMN because TO reason;
ALTER TABLE ledger RENAME COLUMN why TO error;
DROP INDEX ledger_customer;
CREATE INDEX ledger_user ON ledger (user_id, destination, mode, subject, seq);

-- What a human must settle.
ALTER TABLE parked RENAME COLUMN customer TO user_id;

-- What each app user has, as of the last sync.
ALTER TABLE statuses RENAME COLUMN customer TO user_id;

-- What other stores sold to app users, as of the last read.
ALTER TABLE witnessed RENAME TO store_purchases;
ALTER TABLE store_purchases RENAME COLUMN customer TO user_id;

-- Overrides by operators: levels granted without a payment, levels withheld, and attributes.
ALTER TABLE promotions RENAME TO promotional_grants;
ALTER TABLE promotional_grants RENAME COLUMN customer TO user_id;
ALTER TABLE promotional_grants RENAME COLUMN given_at TO granted_at;
DROP INDEX promotions_customer;
CREATE INDEX promotional_grants_user ON promotional_grants (user_id, destination);
ALTER TABLE blocks RENAME COLUMN customer TO user_id;
ALTER TABLE details RENAME TO attribute_overrides;
ALTER TABLE attribute_overrides RENAME COLUMN customer TO user_id;

-- Every override once, with who and why; rows are only ever added. What counts now stands in the tables above.
ALTER TABLE orders RENAME TO audit_log;
ALTER TABLE audit_log RENAME COLUMN customer TO user_id;
ALTER TABLE audit_log RENAME COLUMN promotion TO grant_id;
ALTER TABLE audit_log RENAME COLUMN ordered_at TO recorded_at;
UPDATE audit_log SET kind = CASE kind WHEN 'describe' THEN 'set_attributes' ELSE 'forget_attributes' END
WHERE kind IN ('describe', 'forget');
DROP INDEX orders_customer;
CREATE INDEX audit_log_user ON audit_log (user_id, id);

-- What several processes share: rate limits, and which process does what is done once for all.
ALTER TABLE limits RENAME TO rate_limits;
ALTER TABLE rate_limits RENAME COLUMN held_until TO paused_until;
ALTER TABLE turns RENAME TO task_leases;
UPDATE task_leases SET task = 'reconciliation' WHERE task = 'round';

-- What the daemon keeps about itself, by name.
ALTER TABLE notes RENAME TO daemon_state;
UPDATE daemon_state SET name = CASE name WHEN 'rounds' THEN 'reconciliations' WHEN 'rounds since' THEN 'first_start'
                                         ELSE 'reconciliation_requested' END
WHERE name IN ('rounds', 'rounds since', 'round wanted');
