-- The memory of grantsync on SQLite. Times are milliseconds since 1970, UTC. The words are those of ARCHITECTURE.md.

-- Events seen, each once. An event only rings a bell: nothing here is ever read to decide what a customer is owed.
CREATE TABLE inbox (
    id       TEXT    NOT NULL PRIMARY KEY,       -- source:event, or source:connect/event
    kind     TEXT    NOT NULL,
    account  TEXT,                               -- the account it rang for
    object   TEXT,                               -- the source's object it is about
    outcome  TEXT    NOT NULL CHECK (outcome IN ('rung', 'nobody', 'other_mode', 'unreadable')),
    created  INTEGER NOT NULL,
    received INTEGER NOT NULL,
    body     TEXT                                -- only with inbox.keep_bodies, and for what could not be read
) WITHOUT ROWID;

CREATE INDEX inbox_account ON inbox (account, received) WHERE account IS NOT NULL;

-- Accounts to look at, and when. One row an account, for ever.
CREATE TABLE worklist (
    account     TEXT    NOT NULL PRIMARY KEY,
    customer    TEXT,                            -- the app user it belongs to, once known
    due_at      INTEGER,                         -- NULL: at rest
    class       INTEGER NOT NULL DEFAULT 0 CHECK (class IN (0, 1, 2)),   -- 0 fresh, 1 again, 2 bulk
    generation  INTEGER NOT NULL DEFAULT 0,      -- raised by bells; a look that was overtaken by one leaves the account due
    rung_at     INTEGER,                         -- the first bell not yet answered by a look
    lease       TEXT,
    lease_until INTEGER,
    attempts    INTEGER NOT NULL DEFAULT 0,      -- looks that failed in a row
    failing_since INTEGER,                       -- when the first of them failed
    trouble     TEXT,                            -- why the last look failed
    settled_at  INTEGER,                         -- when the last look ended well
    CHECK ((lease IS NULL) = (lease_until IS NULL))
) WITHOUT ROWID;

CREATE INDEX worklist_due ON worklist (class, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX worklist_leased ON worklist (lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX worklist_failing ON worklist (account) WHERE attempts > 0;
CREATE INDEX worklist_customer ON worklist (customer) WHERE customer IS NOT NULL;

-- Which app user an account belongs to, and where that was learnt.
CREATE TABLE links (
    account   TEXT    NOT NULL PRIMARY KEY,
    customer  TEXT    NOT NULL,
    origin    TEXT    NOT NULL,                  -- a source of identity.user_id, or operator
    learnt_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX links_customer ON links (customer);

-- App users whom an account belonged to before: what they have through it must still end.
CREATE TABLE handovers (
    account  TEXT NOT NULL,
    customer TEXT NOT NULL,
    PRIMARY KEY (account, customer)
) WITHOUT ROWID;

-- The book of steps: written before a step is sent and after it is answered.
CREATE TABLE ledger (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    key         TEXT    NOT NULL UNIQUE,
    previous    TEXT,
    destination TEXT    NOT NULL,
    environment TEXT    NOT NULL CHECK (environment IN ('live', 'test')),
    customer    TEXT    NOT NULL,
    account     TEXT    NOT NULL,                -- the account whose look intended it
    subject     TEXT    NOT NULL,
    step        TEXT    NOT NULL,                -- JSON
    because     TEXT    NOT NULL,                -- JSON
    state       TEXT    NOT NULL CHECK (state IN ('intended', 'confirmed', 'refused', 'dropped')),
    attempts    INTEGER NOT NULL DEFAULT 0,
    due_at      INTEGER NOT NULL,
    intended_at INTEGER NOT NULL,
    settled_at  INTEGER,
    why         TEXT,
    CHECK ((state = 'intended') = (settled_at IS NULL)),
    CHECK (state <> 'refused' OR why IS NOT NULL)
);

CREATE INDEX ledger_customer ON ledger (customer, destination, environment, subject, seq);
CREATE INDEX ledger_open ON ledger (account) WHERE state = 'intended';

-- What a human must settle. A look that finds the cause gone removes the row.
CREATE TABLE parked (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    kind     TEXT    NOT NULL,
    account  TEXT    NOT NULL,
    customer TEXT,
    subject  TEXT    NOT NULL,
    reason   TEXT    NOT NULL,
    hint     TEXT    NOT NULL,
    since    INTEGER NOT NULL,
    dropped  TEXT,                               -- why an operator dropped it
    UNIQUE (kind, account, subject)
);

CREATE INDEX parked_account ON parked (account);

-- Small facts the daemon keeps about itself, by name.
CREATE TABLE notes (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
