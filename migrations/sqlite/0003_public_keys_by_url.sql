-- Public keys by URL: a credential of private key JWT names its key set (RFC 7517) in place of keys of
-- its own.

CREATE TABLE credential_key_sets (
    key_id TEXT NOT NULL PRIMARY KEY REFERENCES credentials (key_id),
    url TEXT NOT NULL CHECK (length(url) BETWEEN 1 AND 2000),
    -- When the host was last asked, and what went wrong then, in words.
    asked_at INTEGER,
    problem TEXT,
    -- The keys that were last fetched well, as a JSON array, and when that was.
    keys TEXT NOT NULL DEFAULT '[]' CHECK (substr(keys, 1, 1) = '[' AND substr(keys, -1) = ']'),
    fetched_at INTEGER,
    CHECK (asked_at IS NOT NULL OR (problem IS NULL AND fetched_at IS NULL)),
    CHECK (fetched_at IS NOT NULL OR keys = '[]')
) STRICT;
