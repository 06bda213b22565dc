-- The ids of the messages by which providers said that somebody logged out there, hashed: each counts once.
CREATE TABLE log_out_messages (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX log_out_messages_by_end ON log_out_messages (until);

-- The audiences whose tokens a gateway lets through, as a JSON array; all, if it is empty.
ALTER TABLE gateways ADD COLUMN audiences TEXT NOT NULL DEFAULT '[]'
    CHECK (substr(audiences, 1, 1) = '[' AND substr(audiences, -1) = ']');
