-- All pieces of one and two characters, by which terms that are shorter than a trigram are found.
CREATE FUNCTION short_pieces(whole text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT array_agg(DISTINCT substr(whole, start, size))
    FROM generate_series(1, length(whole)) start, generate_series(1, 2) size
$$;
CREATE INDEX credentials_by_short_piece ON credentials USING gin (short_pieces(search_facts))
    WITH (fastupdate = off);
-- For a scope that few credentials have.
CREATE INDEX credentials_by_scope ON credentials USING gin (readable_scopes gin_trgm_ops)
    WITH (fastupdate = off);
-- Somebody's actions of a kind, even if there are none.
CREATE INDEX audit_events_by_actor_and_action ON audit_events (actor_id, action, seq);
-- What was refused or failed, which is seldom, so that a filter which finds nothing of it is no walk
-- over everything else.
CREATE INDEX audit_events_undone_by_actor ON audit_events (actor_id, outcome, seq) WHERE outcome <> 'done';
CREATE INDEX audit_events_undone_by_action ON audit_events (action, outcome, seq) WHERE outcome <> 'done';
