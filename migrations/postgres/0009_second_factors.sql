-- What people prove themselves with besides their password. Nothing here is of use to a reader: secrets
-- are sealed under the server's key, recovery codes are HMACs, passkeys are public keys.

CREATE TABLE totp_secrets (
    user_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES users (id),
    sealed BYTEA NOT NULL,
    -- The last time step whose code was used: no code works twice, nor an older one later.
    last_step BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE passkeys (
    -- The id that the authenticator gave it, base64url.
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 2000),
    user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    -- What is needed to check it, as JSON: public key, counter.
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT
);

CREATE INDEX passkeys_by_user ON passkeys (user_id);

CREATE TABLE recovery_codes (
    user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id),
    hash BYTEA NOT NULL CHECK (length(hash) = 32),
    used_at BIGINT,
    PRIMARY KEY (user_id, hash)
);
