-- The last change of each customer, in an order that lists can walk. Batches note whom they changed,
-- one row each; whoever brings the lists up to date gives these an instant above the shard's mark.

-- name: note
-- A batch changed these customers.
INSERT INTO unlisted_change (shard, token, customers)
SELECT h.shard, $2, $3::text::bigint[] FROM shard_head h WHERE h.shard = $1;

-- name: any_unlisted
-- Whether there is anything to list.
SELECT token FROM unlisted_change WHERE shard = $1 LIMIT 1;

-- name: hold_mark
-- A shard's mark, held: one transaction at a time lists changes.
INSERT INTO list_mark AS m (shard, upto)
SELECT h.shard, 0 FROM shard_head h WHERE h.shard = $1
ON CONFLICT (shard) DO UPDATE SET upto = m.upto
RETURNING upto;

-- name: unlisted
-- Some of what is to be listed.
SELECT token, customers FROM unlisted_change WHERE shard = $1 LIMIT $2;

-- name: list_changes
-- These customers changed last at an instant.
INSERT INTO last_change AS l (shard, customer, project, changed_at)
SELECT h.shard, c.id, c.project, $3
FROM shard_head h
CROSS JOIN unnest($2::bigint[]) AS u (customer)
CROSS JOIN LATERAL (
    SELECT r.id, r.project FROM customer r WHERE r.shard = $1 AND r.id = u.customer LIMIT 1
) AS c
WHERE h.shard = $1
ON CONFLICT (shard, customer) DO UPDATE SET changed_at = excluded.changed_at;

-- name: drop_listed
-- These notes are in the lists now.
DELETE FROM unlisted_change WHERE shard = $1 AND token = ANY($2::bigint[]);

-- name: raise_mark
-- Nothing is listed at or below this instant any more.
UPDATE list_mark SET upto = $2 WHERE shard = $1 AND upto < $2;

-- name: mark
-- A shard's mark.
SELECT upto FROM list_mark WHERE shard = $1;

-- name: all_notes
-- Everything of a shard that no list says yet.
SELECT customers FROM unlisted_change WHERE shard = $1;
