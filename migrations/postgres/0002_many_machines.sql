-- What several processes share beside the accounts.

-- Rate limits of upstreams, one row a key. `full_at` is when the bucket would be full again, were nothing taken.
CREATE TABLE limits (
    name       TEXT COLLATE "C" NOT NULL PRIMARY KEY, -- upstream:hash of its key
    full_at    BIGINT           NOT NULL,             -- microseconds since 1970
    held_until BIGINT           NOT NULL DEFAULT 0    -- the upstream asked to be left alone until then
);

-- Whose turn it is to do what is done once for all processes.
CREATE TABLE turns (
    task        TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    owner       TEXT             NOT NULL,
    lease_until BIGINT           NOT NULL
);

-- What retention looks for.
CREATE INDEX inbox_received ON inbox (received);
