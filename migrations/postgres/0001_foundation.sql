-- People, sessions, credentials, signing keys, and the audit log that changes to them go into.

CREATE TABLE settings (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE users (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    -- The name in lower case, for order and search.
    name_key TEXT COLLATE "C" NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('superuser', 'developer', 'operations', 'support')),
    password_hash TEXT,
    disabled_at BIGINT,
    created_at BIGINT NOT NULL,
    last_login_at BIGINT
);

CREATE INDEX users_by_name ON users (name_key, id);

-- The set-up link (of nobody) and the links for choosing a password.
CREATE TABLE one_time_tokens (
    hash BYTEA NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    user_id TEXT COLLATE "C" UNIQUE REFERENCES users (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE sessions (
    id BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    user_id TEXT COLLATE "C" REFERENCES users (id),
    data TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    idle_until BIGINT NOT NULL,
    absolute_until BIGINT NOT NULL
);

CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_idle_end ON sessions (idle_until);
CREATE INDEX sessions_by_absolute_end ON sessions (absolute_until);

CREATE TABLE credentials (
    key_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    purpose TEXT NOT NULL,
    owner_id TEXT COLLATE "C" NOT NULL REFERENCES users (id),
    flow TEXT NOT NULL CHECK (flow IN ('client_secret', 'private_key_jwt', 'legacy')),
    access_kind TEXT NOT NULL CHECK (access_kind IN ('read_only', 'full', 'custom')),
    -- The levels of a custom access as a JSON object, and its readable scopes as `,accounts,data,`.
    access_levels TEXT NOT NULL,
    readable_scopes TEXT NOT NULL,
    expires_at BIGINT,
    standing TEXT NOT NULL CHECK (standing IN ('active', 'disabled', 'revoked')),
    standing_at BIGINT,
    standing_by TEXT,
    standing_reason TEXT,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    last_used_at BIGINT,
    last_used_address TEXT,
    last_used_endpoint TEXT COLLATE "C",
    idempotency_key TEXT UNIQUE,
    -- Name, key id and owner's name in lower case, each with a line break after it.
    search_facts TEXT COLLATE "C" NOT NULL,
    -- What the list is sorted by, never null.
    name_key TEXT COLLATE "C" NOT NULL,
    expires_key BIGINT NOT NULL
        GENERATED ALWAYS AS (COALESCE(expires_at, 9223372036854775807)) STORED,
    last_used_key BIGINT NOT NULL
        GENERATED ALWAYS AS (COALESCE(last_used_at, -9223372036854775807)) STORED,
    CHECK ((standing = 'active') = (standing_at IS NULL)),
    CHECK ((standing = 'active') = (standing_by IS NULL)),
    CHECK ((last_used_at IS NULL) = (last_used_address IS NULL)),
    CHECK ((last_used_at IS NULL) = (last_used_endpoint IS NULL))
);

-- One for each order of the list. What the list filters by is in them, so that a page which is hard
-- to fill costs a walk over an index and not over the table.
CREATE INDEX credentials_by_created ON credentials
    (created_at, key_id, standing, expires_key, flow, access_kind, owner_id);
CREATE INDEX credentials_by_name ON credentials
    (name_key, key_id, standing, expires_key, flow, access_kind, owner_id);
CREATE INDEX credentials_by_expires ON credentials
    (expires_key, key_id, standing, flow, access_kind, owner_id);
CREATE INDEX credentials_by_last_used ON credentials
    (last_used_key, key_id, standing, expires_key, flow, access_kind, owner_id);
-- For counting.
CREATE INDEX credentials_by_standing ON credentials (standing, expires_key);

-- For searching the endpoints: there are few, each used by many.
CREATE INDEX credentials_by_endpoint ON credentials (last_used_endpoint);

-- The trigrams of names, key ids and owners. What uses change is not in it.
CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE INDEX credentials_by_trigram ON credentials USING gin (search_facts gin_trgm_ops)
    WITH (fastupdate = off);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0];
END $$;

CREATE TRIGGER credentials_are_never_deleted BEFORE DELETE OR TRUNCATE ON credentials
    EXECUTE FUNCTION refuse_change('credentials are never deleted');

CREATE TABLE credential_secrets (
    key_id TEXT COLLATE "C" NOT NULL REFERENCES credentials (key_id),
    hash BYTEA NOT NULL CHECK (length(hash) = 32),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (key_id, hash)
);

CREATE TABLE credential_public_keys (
    key_id TEXT COLLATE "C" NOT NULL REFERENCES credentials (key_id),
    thumbprint TEXT NOT NULL,
    jwk TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (key_id, thumbprint)
);

CREATE TABLE signing_keys (
    kid TEXT NOT NULL PRIMARY KEY,
    public_jwk TEXT NOT NULL,
    encrypted_private_key BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE audit_events (
    seq BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id TEXT,
    actor_name TEXT NOT NULL,
    action TEXT NOT NULL,
    object_kind TEXT NOT NULL,
    object_id TEXT,
    object_name TEXT NOT NULL,
    outcome TEXT NOT NULL,
    address TEXT,
    request_id TEXT,
    -- A JSON object, as text: the hash covers its exact bytes.
    detail TEXT NOT NULL CHECK (left(detail, 1) = '{' AND right(detail, 1) = '}'),
    hash BYTEA NOT NULL CHECK (length(hash) = 32)
);

CREATE INDEX audit_events_by_object ON audit_events (object_kind, object_id, seq);

CREATE TRIGGER audit_events_are_never_changed BEFORE UPDATE ON audit_events
    EXECUTE FUNCTION refuse_change('audit events are never changed');

CREATE TRIGGER audit_events_are_never_deleted BEFORE DELETE OR TRUNCATE ON audit_events
    EXECUTE FUNCTION refuse_change('audit events are never deleted');

-- Number and hash of the last event, so that a log that lost its end is noticed.
CREATE TABLE audit_head (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    seq BIGINT NOT NULL,
    hash BYTEA NOT NULL CHECK (length(hash) = 32)
);

INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, decode(repeat('00', 32), 'hex'));
