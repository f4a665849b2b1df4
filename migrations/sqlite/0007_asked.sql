-- Somebody, and no bell, asked for the look: what the destination shows is read, whatever is remembered of it.
ALTER TABLE worklist ADD COLUMN asked INTEGER NOT NULL DEFAULT 0 CHECK (asked IN (0, 1));
