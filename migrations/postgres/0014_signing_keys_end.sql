-- A signing key has an end: its private half goes when it no longer signs, and a key that somebody else
-- may have counts for nothing from then on.
ALTER TABLE signing_keys ALTER COLUMN encrypted_private_key DROP NOT NULL;
ALTER TABLE signing_keys ADD COLUMN compromised_at BIGINT;
ALTER TABLE signing_keys ADD CHECK (compromised_at IS NULL OR encrypted_private_key IS NULL);
CREATE TRIGGER signing_keys_are_never_deleted BEFORE DELETE OR TRUNCATE ON signing_keys
    EXECUTE FUNCTION refuse_change('signing keys are never deleted');
