-- What operators ordered for app users. Inputs of every decision, like what is billed; `destination` is the app.

-- Levels given without a payment.
CREATE TABLE promotions (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    customer    TEXT    NOT NULL,
    destination TEXT    NOT NULL,
    level       TEXT    NOT NULL,
    until       INTEGER,                         -- NULL: for life
    request     TEXT    UNIQUE,                  -- whoever asks twice under one id is given once
    who         TEXT    NOT NULL,
    why         TEXT    NOT NULL,
    given_at    INTEGER NOT NULL,
    ended_at    INTEGER,                         -- an operator ended it before its time
    ended_by    TEXT,
    ended_why   TEXT,
    CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);

CREATE INDEX promotions_customer ON promotions (customer, destination);

-- Levels withheld, whatever is paid.
CREATE TABLE blocks (
    customer    TEXT    NOT NULL,
    destination TEXT    NOT NULL,
    level       TEXT    NOT NULL,
    who         TEXT    NOT NULL,
    why         TEXT    NOT NULL,
    since       INTEGER NOT NULL,
    PRIMARY KEY (customer, destination, level)
) WITHOUT ROWID;

-- What is told about a user beside levels.
CREATE TABLE details (
    customer    TEXT    NOT NULL,
    destination TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    value       TEXT    NOT NULL,                -- JSON; null: it is to be gone
    who         TEXT    NOT NULL,
    since       INTEGER NOT NULL,
    PRIMARY KEY (customer, destination, name)
) WITHOUT ROWID;
