-- For SQLite only: PostgreSQL walks over its table fast enough.
SELECT 1;
