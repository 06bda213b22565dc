-- Refusals behind which no credential stands have a number of their own: whoever has none can cause
-- as many as they like, and must not push out what is kept of the others.
ALTER TABLE decisions ADD COLUMN is_stranger BOOLEAN NOT NULL DEFAULT FALSE;

CREATE INDEX decisions_of_strangers ON decisions (at, request_id) WHERE is_stranger;
