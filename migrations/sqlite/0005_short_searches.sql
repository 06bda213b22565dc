-- Terms that are shorter than a trigram are looked for by walking over this index, which is a small
-- part of the table.
CREATE INDEX credentials_by_text ON credentials (search_facts);
