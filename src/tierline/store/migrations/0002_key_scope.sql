-- A key belongs to a customer in a program: the same key in a second program is an activity of its
-- own. The index begins with program and key, so that an activity is found by its key alone.

ALTER TABLE entry DROP CONSTRAINT entry_key_unique;
ALTER TABLE entry ADD CONSTRAINT entry_key_unique UNIQUE (shard, program, key, customer);

-- Transfers are named by their senders' keys, which follow.
ALTER TABLE intent DROP CONSTRAINT intent_pk;
ALTER TABLE intent ADD CONSTRAINT intent_pk PRIMARY KEY (shard, customer, program, key);

-- 0: settled before programs were written down. A second half that is still open is decided again,
-- to the same end: no entry tells of it, and its first half's points are still on their way.
ALTER TABLE arrival ADD COLUMN program integer NOT NULL DEFAULT 0;
ALTER TABLE arrival DROP CONSTRAINT arrival_pk;
ALTER TABLE arrival ADD CONSTRAINT arrival_pk PRIMARY KEY (shard, route, customer, program, key);
