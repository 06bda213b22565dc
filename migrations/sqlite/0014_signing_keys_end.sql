-- A signing key has an end: its private half goes when it no longer signs, and a key that somebody else
-- may have counts for nothing from then on. SQLite can't drop NOT NULL from a column, so the table is made anew.
CREATE TABLE signing_keys_that_end (
    kid TEXT NOT NULL PRIMARY KEY,
    public_jwk TEXT NOT NULL,
    encrypted_private_key BLOB,
    created_at INTEGER NOT NULL,
    used_from INTEGER NOT NULL,
    compromised_at INTEGER,
    CHECK (compromised_at IS NULL OR encrypted_private_key IS NULL)
) STRICT;
INSERT INTO signing_keys_that_end (kid, public_jwk, encrypted_private_key, created_at, used_from)
    SELECT kid, public_jwk, encrypted_private_key, created_at, used_from FROM signing_keys;
DROP TABLE signing_keys;
ALTER TABLE signing_keys_that_end RENAME TO signing_keys;

CREATE TRIGGER signing_keys_are_never_deleted BEFORE DELETE ON signing_keys
BEGIN
    SELECT RAISE(ABORT, 'signing keys are never deleted');
END;
