-- How many wrong passwords in a row were tried for a person, wherever and in whichever process: at the
-- limit their password is locked until it is chosen anew.

ALTER TABLE users ADD COLUMN password_failures INTEGER NOT NULL DEFAULT 0 CHECK (password_failures >= 0);
