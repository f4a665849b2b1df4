-- The two users of grantsync's database: one that owns the tables and runs `grantsync migrate`, and one that only reads
-- and writes them, for `grantsync serve`. Run once by PostgreSQL's image for an empty volume; with a server of your own,
-- run it with psql as an administrator where the two files are. The passwords are those in the addresses; write them
-- with letters and digits only.
\set ON_ERROR_STOP on
\set owner_password `sed -n 's|^postgres://[^:]*:\([^@]*\)@.*|\1|p' /run/secrets/migrate_database_url`
\set password `sed -n 's|^postgres://[^:]*:\([^@]*\)@.*|\1|p' /run/secrets/database_url`

CREATE ROLE grantsync_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE grantsync LOGIN PASSWORD :'password';
CREATE DATABASE grantsync OWNER grantsync_owner;
REVOKE ALL ON DATABASE grantsync FROM PUBLIC;
GRANT CONNECT ON DATABASE grantsync TO grantsync;

\connect grantsync
ALTER SCHEMA public OWNER TO grantsync_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO grantsync;
ALTER DEFAULT PRIVILEGES FOR ROLE grantsync_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO grantsync;
