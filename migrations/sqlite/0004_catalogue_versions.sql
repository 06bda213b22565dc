-- The catalogues that were in force, as many as are kept, to tell what changed and when.

CREATE TABLE catalogue_versions (
    number INTEGER PRIMARY KEY,
    -- Of the file below: two nodes that take up the same one write one row.
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    -- The whole of it, as a JSON object.
    file TEXT NOT NULL CHECK (substr(file, 1, 1) = '{' AND substr(file, -1) = '}'),
    taken_up_at INTEGER NOT NULL
) STRICT;
