-- People, sessions, credentials, signing keys, and the audit log that changes to them go into.

CREATE TABLE settings (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    -- The name in lower case, for order and search.
    name_key TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('superuser', 'developer', 'operations', 'support')),
    password_hash TEXT,
    disabled_at INTEGER,
    created_at INTEGER NOT NULL,
    last_login_at INTEGER
) STRICT;

CREATE INDEX users_by_name ON users (name_key, id);

-- The set-up link (of nobody) and the links for choosing a password.
CREATE TABLE one_time_tokens (
    hash BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    user_id TEXT UNIQUE REFERENCES users (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    user_id TEXT REFERENCES users (id),
    data TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    idle_until INTEGER NOT NULL,
    absolute_until INTEGER NOT NULL
) STRICT;

CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_idle_end ON sessions (idle_until);
CREATE INDEX sessions_by_absolute_end ON sessions (absolute_until);

CREATE TABLE credentials (
    -- For the search index; everything else knows a credential by its key id.
    id INTEGER PRIMARY KEY,
    key_id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    purpose TEXT NOT NULL,
    owner_id TEXT NOT NULL REFERENCES users (id),
    flow TEXT NOT NULL CHECK (flow IN ('client_secret', 'private_key_jwt', 'legacy')),
    access_kind TEXT NOT NULL CHECK (access_kind IN ('read_only', 'full', 'custom')),
    -- The levels of a custom access as a JSON object, and its readable scopes as `,accounts,data,`.
    access_levels TEXT NOT NULL,
    readable_scopes TEXT NOT NULL,
    expires_at INTEGER,
    standing TEXT NOT NULL CHECK (standing IN ('active', 'disabled', 'revoked')),
    standing_at INTEGER,
    standing_by TEXT,
    standing_reason TEXT,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    last_used_at INTEGER,
    last_used_address TEXT,
    last_used_endpoint TEXT,
    idempotency_key TEXT UNIQUE,
    -- Name, key id and owner's name in lower case, each with a line break after it.
    search_facts TEXT NOT NULL,
    -- What the list is sorted by, never null.
    name_key TEXT NOT NULL,
    expires_key INTEGER NOT NULL
        GENERATED ALWAYS AS (COALESCE(expires_at, 9223372036854775807)) STORED,
    last_used_key INTEGER NOT NULL
        GENERATED ALWAYS AS (COALESCE(last_used_at, -9223372036854775807)) STORED,
    CHECK ((standing = 'active') = (standing_at IS NULL)),
    CHECK ((standing = 'active') = (standing_by IS NULL)),
    CHECK ((last_used_at IS NULL) = (last_used_address IS NULL)),
    CHECK ((last_used_at IS NULL) = (last_used_endpoint IS NULL))
) STRICT;

-- One for each order of the list. What the list filters by is in them, so that a page which is hard
-- to fill costs a walk over an index and not over the table.
CREATE INDEX credentials_by_created ON credentials
    (created_at, key_id, standing, expires_key, flow, access_kind, owner_id,
     readable_scopes);
CREATE INDEX credentials_by_name ON credentials
    (name_key, key_id, standing, expires_key, flow, access_kind, owner_id,
     readable_scopes);
CREATE INDEX credentials_by_expires ON credentials
    (expires_key, key_id, standing, flow, access_kind, owner_id, readable_scopes);
CREATE INDEX credentials_by_last_used ON credentials
    (last_used_key, key_id, standing, expires_key, flow, access_kind, owner_id,
     readable_scopes);
-- For counting.
CREATE INDEX credentials_by_standing ON credentials (standing, expires_key);
-- For searching the endpoints: there are few, each used by many.
CREATE INDEX credentials_by_endpoint ON credentials (last_used_endpoint);

-- The trigrams of names, key ids and owners, which are in lower case already. What uses change is not
-- in it: an update costs as much as the text has characters.
CREATE VIRTUAL TABLE credential_search USING fts5 (
    search_facts,
    content = 'credentials', content_rowid = 'id', columnsize = 0,
    tokenize = 'trigram case_sensitive 1'
);

CREATE TRIGGER credential_search_insert AFTER INSERT ON credentials
BEGIN
    INSERT INTO credential_search (rowid, search_facts) VALUES (new.id, new.search_facts);
END;

CREATE TRIGGER credential_search_update AFTER UPDATE ON credentials
WHEN old.search_facts <> new.search_facts
BEGIN
    INSERT INTO credential_search (credential_search, rowid, search_facts)
        VALUES ('delete', old.id, old.search_facts);
    INSERT INTO credential_search (rowid, search_facts) VALUES (new.id, new.search_facts);
END;

CREATE TRIGGER credentials_are_never_deleted BEFORE DELETE ON credentials
BEGIN
    SELECT RAISE(ABORT, 'credentials are never deleted');
END;

CREATE TABLE credential_secrets (
    key_id TEXT NOT NULL REFERENCES credentials (key_id),
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (key_id, hash)
) STRICT;

CREATE TABLE credential_public_keys (
    key_id TEXT NOT NULL REFERENCES credentials (key_id),
    thumbprint TEXT NOT NULL,
    jwk TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (key_id, thumbprint)
) STRICT;

CREATE TABLE signing_keys (
    kid TEXT NOT NULL PRIMARY KEY,
    public_jwk TEXT NOT NULL,
    encrypted_private_key BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE audit_events (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
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
    detail TEXT NOT NULL CHECK (substr(detail, 1, 1) = '{' AND substr(detail, -1) = '}'),
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE INDEX audit_events_by_object ON audit_events (object_kind, object_id, seq);

CREATE TRIGGER audit_events_are_never_changed BEFORE UPDATE ON audit_events
BEGIN
    SELECT RAISE(ABORT, 'audit events are never changed');
END;

CREATE TRIGGER audit_events_are_never_deleted BEFORE DELETE ON audit_events
BEGIN
    SELECT RAISE(ABORT, 'audit events are never deleted');
END;

-- `INSERT OR REPLACE` deletes without asking the trigger above.
CREATE TRIGGER audit_events_are_never_replaced BEFORE INSERT ON audit_events
WHEN EXISTS (SELECT 1 FROM audit_events WHERE seq = new.seq)
BEGIN
    SELECT RAISE(ABORT, 'audit events are never changed');
END;

-- Number and hash of the last event, so that a log that lost its end is noticed.
CREATE TABLE audit_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, zeroblob(32));
