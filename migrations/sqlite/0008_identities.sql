-- Who people are at their company's single sign-on: one person may have several identities, and an
-- identity is one person. E-mail addresses change hands, so they prove nothing here.

CREATE TABLE identities (
    issuer TEXT NOT NULL CHECK (length(issuer) BETWEEN 1 AND 2000),
    subject TEXT NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
    user_id TEXT NOT NULL REFERENCES users (id),
    created_at INTEGER NOT NULL,
    last_login_at INTEGER,
    PRIMARY KEY (issuer, subject)
) STRICT;

CREATE INDEX identities_by_user ON identities (user_id);
