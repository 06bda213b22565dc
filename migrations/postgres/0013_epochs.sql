-- The number of the audit entry that last ended all that a person had open: a change of their password,
-- second factors or role, their being disabled or enabled, "end all sessions". A session of another
-- number is of no use, whenever it was made.
ALTER TABLE users ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0 CHECK (epoch >= 0);
ALTER TABLE sessions ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0 CHECK (epoch >= 0);

-- Tries of a password that count for nobody are written here, so that they take as long as the others.
CREATE TABLE tries_of_nobody (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    number BIGINT NOT NULL
);

INSERT INTO tries_of_nobody (id, number) VALUES (1, 0);
