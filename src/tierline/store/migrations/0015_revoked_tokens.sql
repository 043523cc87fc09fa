-- Access tokens that ended before their time: of each 16 bytes of a hash and when it expires.

ALTER TABLE api_key ADD COLUMN revoked bytea[] NOT NULL DEFAULT '{}';
