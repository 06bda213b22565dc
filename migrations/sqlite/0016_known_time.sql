-- The time that is known to have come, so that a clock which starts far ahead is noticed (ADR 16), and how
-- often somebody has said since that the clock is right as it is.

CREATE TABLE known_time (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    at INTEGER,
    acceptances INTEGER NOT NULL
) STRICT;

INSERT INTO known_time (id, at, acceptances) VALUES (1, NULL, 0);
