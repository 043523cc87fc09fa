-- Keys show how they begin, and when they were used last.

ALTER TABLE api_key ADD COLUMN beginning text NOT NULL DEFAULT '';  -- of the token or the id; '': of old
ALTER TABLE api_key ADD COLUMN last_used_at bigint;                 -- wall time, to the minute; null: not yet
