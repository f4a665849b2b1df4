-- Where each app user stands, as of the last look: what a web page asks for.
CREATE TABLE statuses (
    customer TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    status   TEXT             NOT NULL, -- JSON
    as_of    BIGINT           NOT NULL
);
