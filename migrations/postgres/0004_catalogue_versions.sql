-- The catalogues that were in force, as many as are kept, to tell what changed and when.

CREATE TABLE catalogue_versions (
    number BIGINT NOT NULL PRIMARY KEY,
    -- Of the file below: two nodes that take up the same one write one row.
    hash BYTEA NOT NULL CHECK (length(hash) = 32),
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    -- The whole of it, as a JSON object.
    file TEXT NOT NULL CHECK (left(file, 1) = '{' AND right(file, 1) = '}'),
    taken_up_at BIGINT NOT NULL
);
