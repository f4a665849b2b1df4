-- What a witness showed of app users when it was asked last: another service that is only read.
CREATE TABLE witnessed (
    customer TEXT    NOT NULL PRIMARY KEY,
    levels   TEXT    NOT NULL,                   -- JSON
    as_of    INTEGER NOT NULL
) WITHOUT ROWID;
