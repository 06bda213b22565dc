-- What a person owns: counted on the users page, given to others from there.
CREATE INDEX credentials_by_owner ON credentials (owner_id, standing, expires_key);
-- Whose credentials are orphaned.
CREATE INDEX users_disabled ON users (name_key, id) WHERE disabled_at IS NOT NULL;
-- With the address, so that a search walks over the index and not over the table.
DROP INDEX users_by_name;
CREATE INDEX users_by_name ON users (name_key, id, email);
