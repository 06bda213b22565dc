-- Looking the audit log up: one index for each filter, each in the order of the log.
CREATE INDEX audit_events_by_actor ON audit_events (actor_id, seq);
CREATE INDEX audit_events_by_actor_name ON audit_events (actor_name, seq);
CREATE INDEX audit_events_by_object_id ON audit_events (object_id, seq);
CREATE INDEX audit_events_by_object_name ON audit_events (object_name, seq);
CREATE INDEX audit_events_by_action ON audit_events (action, seq);
CREATE INDEX audit_events_by_outcome ON audit_events (outcome, seq);
CREATE INDEX audit_events_by_time ON audit_events (at, seq);

-- Number and hash of the last event that has been trimmed away, which is where the chain begins.
CREATE TABLE audit_base (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

INSERT INTO audit_base (id, seq, hash) VALUES (1, 0, zeroblob(32));

CREATE TRIGGER audit_base_moves_onto_an_event BEFORE UPDATE ON audit_base
WHEN new.seq <= old.seq
    OR NOT EXISTS (SELECT 1 FROM audit_events WHERE seq = new.seq AND hash = new.hash)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is trimmed forwards, up to one of its events');
END;

CREATE TRIGGER audit_base_stays BEFORE DELETE ON audit_base
BEGIN
    SELECT RAISE(ABORT, 'the base of the audit log is never deleted');
END;

DROP TRIGGER audit_events_are_never_deleted;

CREATE TRIGGER audit_events_are_never_deleted BEFORE DELETE ON audit_events
WHEN old.seq > (SELECT seq FROM audit_base)
BEGIN
    SELECT RAISE(ABORT, 'audit events are never deleted');
END;

-- `INSERT OR REPLACE` deletes without asking the trigger above.
CREATE TRIGGER audit_base_is_one_row BEFORE INSERT ON audit_base
BEGIN
    SELECT RAISE(ABORT, 'the audit log has one base');
END;
