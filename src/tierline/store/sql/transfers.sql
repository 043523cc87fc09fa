-- Transfers: points between two customers, who may live in two shards. The sender's shard keeps an
-- intent until the points have arrived or are back; the recipient's side keeps an arrival row where
-- no entry tells how a second half was decided, so that it is decided once, whoever tries it.

-- name: add_intents
-- Points that leave their senders in this transaction.
INSERT INTO intent (shard, customer, program, key, project, points, begun_at, body)
SELECT h.shard, u.customer, u.program, u.key, u.project, u.points, $8, u.body
FROM shard_head h
CROSS JOIN unnest($2::bigint[], $3::integer[], $4::text[], $5::integer[], $6::bigint[],
                  $7::text[]) AS u (customer, program, key, project, points, body)
WHERE h.shard = $1;

-- name: drop_intents
-- Points that have arrived, or are given back in this transaction.
DELETE FROM intent i
USING unnest($2::bigint[], $3::integer[], $4::text[]) AS u (customer, program, key)
WHERE i.shard = $1 AND i.customer = u.customer AND i.program = u.program AND i.key = u.key;

-- name: intent
-- One transfer's points in transit.
SELECT customer, program, key, project, points, body FROM intent
WHERE shard = $1 AND customer = $2 AND program = $3 AND key = $4;

-- name: under_way
-- Which of some transfers are not settled.
SELECT i.customer, i.program, i.key FROM intent i
JOIN unnest($2::bigint[], $3::integer[], $4::text[]) AS u (customer, program, key)
  ON i.customer = u.customer AND i.program = u.program AND i.key = u.key
WHERE i.shard = $1;

-- name: open_intents
-- The next transfers that began before an instant and are not settled.
SELECT customer, program, key, project, points, body FROM intent
WHERE shard = $1 AND (customer, program, key) > ($3, $4, $5) AND begun_at <= $2
ORDER BY customer, program, key
LIMIT $6;

-- name: in_transit
-- A member's points that are on their way to others.
SELECT coalesce(sum(points), 0)::bigint FROM intent
WHERE shard = $1 AND customer = $2 AND program = $3;

-- name: claim
-- Locks what is known of second halves, in order, before anything else of their batch; who comes
-- second waits here and then sees how the first one decided. Those of a program whose removal has
-- begun are left out.
INSERT INTO arrival (shard, route, customer, program, key)
SELECT h.shard, u.route, u.customer, u.program, u.key
FROM shard_head h
CROSS JOIN unnest($2::integer[], $3::bigint[], $4::integer[], $5::text[])
    WITH ORDINALITY AS u (route, customer, program, key, i)
WHERE h.shard = $1
  AND NOT EXISTS (SELECT 1 FROM removal r WHERE r.shard = h.shard AND r.program = u.program)
ORDER BY u.i
ON CONFLICT (shard, route, customer, program, key) DO UPDATE SET refused = arrival.refused
RETURNING route, customer, program, key, recipient, refused;

-- name: settle
-- How second halves were decided that made no entry here.
UPDATE arrival a SET recipient = u.recipient, refused = u.refused
FROM unnest($2::integer[], $3::bigint[], $4::integer[], $5::text[], $6::bigint[], $7::text[])
    AS u (route, customer, program, key, recipient, refused)
WHERE a.shard = $1 AND a.route = u.route AND a.customer = u.customer AND a.program = u.program
  AND a.key = u.key;

-- name: unclaim
-- Claims of second halves that their entries tell of, or that were not decided.
DELETE FROM arrival a
USING unnest($2::integer[], $3::bigint[], $4::integer[], $5::text[])
    AS u (route, customer, program, key)
WHERE a.shard = $1 AND a.route = u.route AND a.customer = u.customer AND a.program = u.program
  AND a.key = u.key
  AND a.recipient IS NULL AND a.refused IS NULL;

-- name: receipt
-- One entry of a member by its key, as its sender was told of it.
SELECT n, points, amount, answer, detail FROM entry
WHERE shard = $1 AND customer = $2 AND program = $3 AND key = $4;
