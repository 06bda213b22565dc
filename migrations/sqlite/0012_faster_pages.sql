-- Terms of two characters are looked for in the trigrams that begin with them.
CREATE VIRTUAL TABLE credential_trigrams USING fts5vocab(credential_search, instance);
-- Somebody's actions of a kind, even if there are none.
CREATE INDEX audit_events_by_actor_and_action ON audit_events (actor_id, action, seq);
-- What was refused or failed, which is seldom, so that a filter which finds nothing of it is no walk
-- over everything else.
CREATE INDEX audit_events_undone_by_actor ON audit_events (actor_id, outcome, seq) WHERE outcome <> 'done';
CREATE INDEX audit_events_undone_by_action ON audit_events (action, outcome, seq) WHERE outcome <> 'done';
