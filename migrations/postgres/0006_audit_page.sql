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
    seq BIGINT NOT NULL,
    hash BYTEA NOT NULL CHECK (length(hash) = 32)
);

INSERT INTO audit_base (id, seq, hash) VALUES (1, 0, decode(repeat('00', 32), 'hex'));

CREATE FUNCTION refuse_base() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.seq <= old.seq
        OR NOT EXISTS (SELECT 1 FROM audit_events WHERE seq = new.seq AND hash = new.hash)
    THEN
        RAISE EXCEPTION 'the audit log is trimmed forwards, up to one of its events';
    END IF;
    RETURN new;
END $$;

CREATE TRIGGER audit_base_moves_onto_an_event BEFORE UPDATE ON audit_base
    FOR EACH ROW EXECUTE FUNCTION refuse_base();

CREATE TRIGGER audit_base_stays BEFORE DELETE OR TRUNCATE ON audit_base
    EXECUTE FUNCTION refuse_change('the base of the audit log is never deleted');

CREATE FUNCTION refuse_untrimmed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF old.seq > (SELECT seq FROM audit_base) THEN
        RAISE EXCEPTION 'audit events are never deleted';
    END IF;
    RETURN old;
END $$;

DROP TRIGGER audit_events_are_never_deleted ON audit_events;

CREATE TRIGGER audit_events_are_never_deleted BEFORE DELETE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION refuse_untrimmed();

CREATE TRIGGER audit_events_are_never_truncated BEFORE TRUNCATE ON audit_events
    EXECUTE FUNCTION refuse_change('audit events are never deleted');
