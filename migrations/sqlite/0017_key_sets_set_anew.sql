-- Another number each time the URL is set, so that what was asked of it before is not noted for it after.
ALTER TABLE credential_key_sets ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
