-- The ids of the messages by which providers said that somebody logged out there, hashed: each counts once.
CREATE TABLE log_out_messages (
    id BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    until BIGINT NOT NULL
);

CREATE INDEX log_out_messages_by_end ON log_out_messages (until);

-- The audiences whose tokens a gateway lets through, as a JSON array; all, if it is empty.
ALTER TABLE gateways ADD COLUMN audiences TEXT NOT NULL DEFAULT '[]'
    CHECK (left(audiences, 1) = '[' AND right(audiences, 1) = ']');
