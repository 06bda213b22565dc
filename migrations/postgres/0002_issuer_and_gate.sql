-- Limits, several public keys for each credential, used assertions, revoked tokens, gateways, the
-- rotation of signing keys, and what the gate remembers: decisions and usage.

-- What limits a credential, as a JSON object.
ALTER TABLE credentials ADD COLUMN limits TEXT NOT NULL DEFAULT '{}'
    CHECK (left(limits, 1) = '{' AND right(limits, 1) = '}');

ALTER TABLE credential_public_keys ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE credential_public_keys ADD COLUMN kid TEXT;
ALTER TABLE credential_public_keys ADD COLUMN expires_at BIGINT;
ALTER TABLE credential_public_keys ADD COLUMN last_used_at BIGINT;

-- From when on a key signs. The keys up to now were in use from the beginning.
ALTER TABLE signing_keys ADD COLUMN used_from BIGINT NOT NULL DEFAULT 0;
UPDATE signing_keys SET used_from = created_at;

-- The ids (`jti`) of the assertions that were taken, hashed. Each token costs one, and it lives for
-- minutes: it looks nothing up in another table.
CREATE TABLE assertion_ids (
    key_id TEXT COLLATE "C" NOT NULL,
    id BYTEA NOT NULL CHECK (length(id) = 32),
    until BIGINT NOT NULL,
    PRIMARY KEY (key_id, id)
);

CREATE INDEX assertion_ids_by_end ON assertion_ids (until);

CREATE TABLE revoked_tokens (
    jti TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    key_id TEXT COLLATE "C" NOT NULL REFERENCES credentials (key_id),
    expires_at BIGINT NOT NULL
);

CREATE INDEX revoked_tokens_by_end ON revoked_tokens (expires_at);

CREATE TABLE gateways (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    -- The name in lower case, for order and uniqueness.
    name_key TEXT COLLATE "C" NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('nginx', 'caddy', 'traefik', 'envoy', 'introspection')),
    -- From where it may ask, as a JSON array.
    addresses TEXT NOT NULL CHECK (left(addresses, 1) = '[' AND right(addresses, 1) = ']'),
    token_hash BYTEA CHECK (length(token_hash) = 32),
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    removed_at BIGINT,
    last_seen_at BIGINT,
    last_seen_address TEXT,
    CHECK ((removed_at IS NULL) = (token_hash IS NOT NULL)),
    CHECK ((last_seen_at IS NULL) = (last_seen_address IS NULL))
);

CREATE UNIQUE INDEX gateways_by_name ON gateways (name_key) WHERE removed_at IS NULL;

CREATE TRIGGER gateways_are_never_deleted BEFORE DELETE OR TRUNCATE ON gateways
    EXECUTE FUNCTION refuse_change('gateways are never deleted');

CREATE TABLE decisions (
    request_id TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (request_id <> ''),
    at BIGINT NOT NULL,
    -- What the caller gave, which need not exist.
    key_id TEXT COLLATE "C",
    surface TEXT NOT NULL,
    method TEXT NOT NULL,
    template TEXT,
    address TEXT,
    allowed BOOLEAN NOT NULL,
    reason TEXT NOT NULL,
    -- A JSON object, as text.
    detail TEXT NOT NULL CHECK (left(detail, 1) = '{' AND right(detail, 1) = '}')
);

CREATE INDEX decisions_by_credential ON decisions (key_id, at, request_id);
CREATE INDEX decisions_by_time ON decisions (at, request_id);

-- Calls, counted by the hour in which they came.
CREATE TABLE usage_hours (
    key_id TEXT COLLATE "C" NOT NULL REFERENCES credentials (key_id),
    hour BIGINT NOT NULL CHECK (hour % 3600000 = 0),
    scope TEXT COLLATE "C" NOT NULL,
    level TEXT COLLATE "C" NOT NULL CHECK (level IN ('read', 'write')),
    allowed BIGINT NOT NULL,
    refused BIGINT NOT NULL,
    PRIMARY KEY (key_id, hour, scope, level)
);

CREATE INDEX usage_hours_by_hour ON usage_hours (hour);
