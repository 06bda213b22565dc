-- Refusals behind which no credential stands have a number of their own: whoever has none can cause
-- as many as they like, and must not push out what is kept of the others.
ALTER TABLE decisions ADD COLUMN is_stranger INTEGER NOT NULL DEFAULT 0 CHECK (is_stranger IN (0, 1));

CREATE INDEX decisions_of_strangers ON decisions (at, request_id) WHERE is_stranger;
