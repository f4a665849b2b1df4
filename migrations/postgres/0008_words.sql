-- The same memory in the words of ARCHITECTURE.md, as the second edition speaks them. Nothing is added or removed: every
-- table, column, index and constraint is renamed in place. The tables are those of migrations/sqlite; a test compares them.

-- Events seen, each once. An event is a trigger and nothing more: it is never read to decide what a user has.
ALTER TABLE inbox DROP CONSTRAINT inbox_outcome_check;
UPDATE inbox SET outcome = CASE outcome WHEN 'rung' THEN 'enqueued' ELSE 'no_account' END
WHERE outcome IN ('rung', 'nobody');
ALTER TABLE inbox ADD CONSTRAINT inbox_outcome_check
    CHECK (outcome IN ('enqueued', 'no_account', 'other_mode', 'unreadable'));

-- Accounts to sync, and when. `priority`: 0 fresh, 1 due by itself, 2 bulk. `triggered_at`: the first trigger that no sync
-- has answered. `requested`: somebody asked for the sync, so the profile is read whatever is cached.
ALTER TABLE worklist RENAME COLUMN customer TO user_id;
ALTER TABLE worklist RENAME COLUMN class TO priority;
ALTER TABLE worklist RENAME COLUMN rung_at TO triggered_at;
ALTER TABLE worklist RENAME COLUMN trouble TO last_error;
ALTER TABLE worklist RENAME COLUMN asked TO requested;
ALTER TABLE worklist RENAME CONSTRAINT worklist_class_check TO worklist_priority_check;
ALTER TABLE worklist RENAME CONSTRAINT worklist_asked_check TO worklist_requested_check;
ALTER INDEX worklist_customer RENAME TO worklist_user;

-- Which app user an account belongs to, and where that was learnt.
ALTER TABLE links RENAME COLUMN customer TO user_id;
ALTER TABLE links RENAME COLUMN learnt_at TO linked_at;
ALTER INDEX links_customer RENAME TO links_user;

-- App users whom an account belonged to before: what they have through it must still end.
ALTER TABLE handovers RENAME TO former_users;
ALTER TABLE former_users RENAME COLUMN customer TO user_id;
ALTER INDEX handovers_pkey RENAME TO former_users_pkey;

-- Every step: intended before it is sent, then confirmed, refused or dropped. `mode`: live or test.
ALTER TABLE ledger RENAME COLUMN customer TO user_id;
ALTER TABLE ledger RENAME COLUMN environment TO mode;
ALTER TABLE ledger RENAME COLUMN because TO reason;
ALTER TABLE ledger RENAME COLUMN why TO error;
ALTER TABLE ledger RENAME CONSTRAINT ledger_environment_check TO ledger_mode_check;
ALTER INDEX ledger_customer RENAME TO ledger_user;

-- What a human must settle.
ALTER TABLE parked RENAME COLUMN customer TO user_id;

-- What each app user has, as of the last sync.
ALTER TABLE statuses RENAME COLUMN customer TO user_id;

-- What other stores sold to app users, as of the last read.
ALTER TABLE witnessed RENAME TO store_purchases;
ALTER TABLE store_purchases RENAME COLUMN customer TO user_id;
ALTER INDEX witnessed_pkey RENAME TO store_purchases_pkey;

-- Overrides by operators: levels granted without a payment, levels withheld, and attributes.
ALTER TABLE promotions RENAME TO promotional_grants;
ALTER TABLE promotional_grants RENAME COLUMN customer TO user_id;
ALTER TABLE promotional_grants RENAME COLUMN given_at TO granted_at;
ALTER TABLE promotional_grants RENAME CONSTRAINT promotions_check TO promotional_grants_check;
ALTER INDEX promotions_pkey RENAME TO promotional_grants_pkey;
ALTER INDEX promotions_request_key RENAME TO promotional_grants_request_key;
ALTER INDEX promotions_customer RENAME TO promotional_grants_user;
ALTER SEQUENCE promotions_id_seq RENAME TO promotional_grants_id_seq;
ALTER TABLE blocks RENAME COLUMN customer TO user_id;
ALTER TABLE details RENAME TO attribute_overrides;
ALTER TABLE attribute_overrides RENAME COLUMN customer TO user_id;
ALTER INDEX details_pkey RENAME TO attribute_overrides_pkey;

-- Every override once, with who and why; rows are only ever added. What counts now stands in the tables above.
ALTER TABLE orders RENAME TO audit_log;
ALTER TABLE audit_log RENAME COLUMN customer TO user_id;
ALTER TABLE audit_log RENAME COLUMN promotion TO grant_id;
ALTER TABLE audit_log RENAME COLUMN ordered_at TO recorded_at;
UPDATE audit_log SET kind = CASE kind WHEN 'describe' THEN 'set_attributes' ELSE 'forget_attributes' END
WHERE kind IN ('describe', 'forget');
ALTER INDEX orders_pkey RENAME TO audit_log_pkey;
ALTER INDEX orders_customer RENAME TO audit_log_user;
ALTER SEQUENCE orders_id_seq RENAME TO audit_log_id_seq;

-- What several processes share: rate limits, and which process does what is done once for all.
ALTER TABLE limits RENAME TO rate_limits;
ALTER TABLE rate_limits RENAME COLUMN held_until TO paused_until;
ALTER INDEX limits_pkey RENAME TO rate_limits_pkey;
ALTER TABLE turns RENAME TO task_leases;
UPDATE task_leases SET task = 'reconciliation' WHERE task = 'round';
ALTER INDEX turns_pkey RENAME TO task_leases_pkey;

-- What the daemon keeps about itself, by name.
ALTER TABLE notes RENAME TO daemon_state;
ALTER INDEX notes_pkey RENAME TO daemon_state_pkey;
UPDATE daemon_state SET name = CASE name WHEN 'rounds' THEN 'reconciliations' WHEN 'rounds since' THEN 'first_start'
                                         ELSE 'reconciliation_requested' END
WHERE name IN ('rounds', 'rounds since', 'round wanted');
