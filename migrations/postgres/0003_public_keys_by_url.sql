-- Public keys by URL: a credential of private key JWT names its key set (RFC 7517) in place of keys of
-- its own.

CREATE TABLE credential_key_sets (
    key_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES credentials (key_id),
    url TEXT NOT NULL CHECK (length(url) BETWEEN 1 AND 2000),
    -- When the host was last asked, and what went wrong then, in words.
    asked_at BIGINT,
    problem TEXT,
    -- The keys that were last fetched well, as a JSON array, and when that was.
    keys TEXT NOT NULL DEFAULT '[]' CHECK (left(keys, 1) = '[' AND right(keys, 1) = ']'),
    fetched_at BIGINT,
    CHECK (asked_at IS NOT NULL OR (problem IS NULL AND fetched_at IS NULL)),
    CHECK (fetched_at IS NOT NULL OR keys = '[]')
);
