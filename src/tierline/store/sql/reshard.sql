-- Moving an installation. Pages go by key and stay in one shard of the source; `SELECT *` so that a
-- column that a later migration adds is copied without anybody remembering it. The sums are for the
-- check: a hash of each row without its place, whatever its columns are.

-- name: heads
-- All heads: what the copy starts from, and what must not have moved when it ends.
-- wide: one small row per shard
SELECT shard, head, recorded_at, customers, log_start FROM shard_head ORDER BY shard

-- name: customer
-- The next customers of a shard.
SELECT * FROM customer WHERE shard = $1 AND id > $2 ORDER BY id LIMIT $3

-- name: alias
-- The next names of a shard.
SELECT * FROM alias
WHERE shard = $1 AND (project, name, kind) > ($2, $3, $4) ORDER BY project, name, kind LIMIT $5

-- name: member
-- The next members of a shard.
SELECT * FROM member
WHERE shard = $1 AND (customer, program) > ($2, $3) ORDER BY customer, program LIMIT $4

-- name: entry
-- The next entries of a shard.
SELECT * FROM entry
WHERE shard = $1 AND (customer, program, n) > ($2, $3, $4) ORDER BY customer, program, n LIMIT $5

-- name: intent
-- The next points in transit of a shard.
SELECT * FROM intent
WHERE shard = $1 AND (customer, program, key) > ($2, $3, $4)
ORDER BY customer, program, key LIMIT $5

-- name: arrival
-- The next settled second halves of a shard.
SELECT * FROM arrival
WHERE shard = $1 AND (route, customer, program, key) > ($2, $3, $4, $5)
ORDER BY route, customer, program, key LIMIT $6

-- name: last_change
-- The next last changes of a shard.
SELECT * FROM last_change WHERE shard = $1 AND customer > $2 ORDER BY customer LIMIT $3

-- name: member_audit
-- The next lines of the audit log about members of a shard.
SELECT * FROM member_audit WHERE shard = $1 AND id > $2 ORDER BY id LIMIT $3

-- name: order_state
-- The next orders of a shard.
SELECT * FROM order_state
WHERE shard = $1 AND (project, name) > ($2, $3)
ORDER BY project, name LIMIT $4

-- name: order_booking
-- The next of what a shard's ledgers hold of orders.
SELECT * FROM order_booking
WHERE shard = $1 AND (customer, program, name) > ($2, $3, $4)
ORDER BY customer, program, name LIMIT $5

-- name: erasure
-- The next erasures of a shard.
SELECT * FROM erasure WHERE shard = $1 AND customer > $2 ORDER BY customer LIMIT $3

-- name: erased_name
-- The next fingerprints of a shard.
SELECT * FROM erased_name
WHERE shard = $1 AND (project, fingerprint) > ($2, $3)
ORDER BY project, fingerprint LIMIT $4

-- name: points_line
-- The next numbered changes of points of a shard.
SELECT * FROM points_line
WHERE shard = $1 AND (program, number) > ($2, $3)
ORDER BY program, number LIMIT $4

-- name: points_list
-- The next lists of such changes of a shard.
SELECT * FROM points_list WHERE shard = $1 AND program > $2 ORDER BY program LIMIT $3

-- name: event
-- The next events of a shard.
SELECT * FROM event WHERE shard = $1 AND "offset" > $2 ORDER BY "offset" LIMIT $3

-- name: health
-- The next endpoints' states of a shard.
SELECT * FROM health WHERE shard = $1 AND endpoint > $2 ORDER BY endpoint LIMIT $3

-- name: attempt
-- The next attempts of a shard.
SELECT * FROM attempt
WHERE shard = $1 AND (endpoint, at, delivery, number) > ($2, $3, $4, $5)
ORDER BY endpoint, at, delivery, number LIMIT $6

-- name: customer_sums
-- As `customer`, for the check.
SELECT id, ('x' || left(md5((to_jsonb(t) - 'shard')::text), 16))::bit(64)::bigint AS sum
FROM customer t WHERE shard = $1 AND id > $2 ORDER BY id LIMIT $3

-- name: alias_sums
-- As `alias`, for the check.
SELECT project, name, kind, ('x' || left(md5((to_jsonb(t) - 'shard')::text), 16))::bit(64)::bigint AS sum
FROM alias t
WHERE shard = $1 AND (project, name, kind) > ($2, $3, $4) ORDER BY project, name, kind LIMIT $5

-- name: member_sums
-- As `member`, for the check.
SELECT customer, program, ('x' || left(md5((to_jsonb(t) - 'shard')::text), 16))::bit(64)::bigint AS sum
FROM member t
WHERE shard = $1 AND (customer, program) > ($2, $3) ORDER BY customer, program LIMIT $4

-- name: entry_sums
-- As `entry`, for the check.
SELECT customer, program, n, ('x' || left(md5((to_jsonb(t) - 'shard')::text), 16))::bit(64)::bigint AS sum
FROM entry t
WHERE shard = $1 AND (customer, program, n) > ($2, $3, $4) ORDER BY customer, program, n LIMIT $5

-- name: intent_sums
-- As `intent`, for the check.
SELECT customer, program, key, ('x' || left(md5((to_jsonb(t) - 'shard')::text), 16))::bit(64)::bigint AS sum
FROM intent t
WHERE shard = $1 AND (customer, program, key) > ($2, $3, $4)
ORDER BY customer, program, key LIMIT $5

-- name: arrival_sums
-- As `arrival`, for the check.
SELECT route, customer, program, key, ('x' || left(md5((to_jsonb(t) - 'shard')::text), 16))::bit(64)::bigint AS sum
FROM arrival t
WHERE shard = $1 AND (route, customer, program, key) > ($2, $3, $4, $5)
ORDER BY route, customer, program, key LIMIT $6

-- name: last_change_sums
-- As `last_change`, for the check.
SELECT customer, ('x' || left(md5((to_jsonb(t) - 'shard')::text), 16))::bit(64)::bigint AS sum
FROM last_change t WHERE shard = $1 AND customer > $2 ORDER BY customer LIMIT $3

-- name: member_audit_sums
-- As `member_audit`, for the check.
SELECT id, ('x' || left(md5((to_jsonb(t) - 'shard')::text), 16))::bit(64)::bigint AS sum
FROM member_audit t WHERE shard = $1 AND id > $2 ORDER BY id LIMIT $3

-- name: order_state_sums
-- As `order_state`, for the check.
SELECT project, name, ('x' || left(md5((to_jsonb(t) - 'shard')::text), 16))::bit(64)::bigint AS sum
FROM order_state t
WHERE shard = $1 AND (project, name) > ($2, $3)
ORDER BY project, name LIMIT $4

-- name: order_booking_sums
-- As `order_booking`, for the check.
SELECT customer, program, name, ('x' || left(md5((to_jsonb(t) - 'shard')::text), 16))::bit(64)::bigint AS sum
FROM order_booking t
WHERE shard = $1 AND (customer, program, name) > ($2, $3, $4)
ORDER BY customer, program, name LIMIT $5

-- name: erasure_sums
-- As `erasure`, for the check.
SELECT customer, ('x' || left(md5((to_jsonb(t) - 'shard')::text), 16))::bit(64)::bigint AS sum
FROM erasure t WHERE shard = $1 AND customer > $2 ORDER BY customer LIMIT $3

-- name: erased_name_sums
-- As `erased_name`, for the check.
SELECT project, fingerprint, ('x' || left(md5((to_jsonb(t) - 'shard')::text), 16))::bit(64)::bigint AS sum
FROM erased_name t
WHERE shard = $1 AND (project, fingerprint) > ($2, $3)
ORDER BY project, fingerprint LIMIT $4

-- name: points_line_sums
-- As `points_line`, for the check.
SELECT program, number, ('x' || left(md5((to_jsonb(t) - 'shard')::text), 16))::bit(64)::bigint AS sum
FROM points_line t
WHERE shard = $1 AND (program, number) > ($2, $3)
ORDER BY program, number LIMIT $4

-- name: points_list_sums
-- As `points_list`, for the check.
SELECT program, ('x' || left(md5((to_jsonb(t) - 'shard')::text), 16))::bit(64)::bigint AS sum
FROM points_list t WHERE shard = $1 AND program > $2 ORDER BY program LIMIT $3

-- name: event_sums
-- As `event`, for the check; its offset is its place.
SELECT "offset", ('x' || left(md5((to_jsonb(t) - '{shard,offset}'::text[])::text), 16))::bit(64)::bigint AS sum
FROM event t WHERE shard = $1 AND "offset" > $2 ORDER BY "offset" LIMIT $3

-- name: health_sums
-- As `health`, for the check.
SELECT endpoint, ('x' || left(md5((to_jsonb(t) - 'shard')::text), 16))::bit(64)::bigint AS sum
FROM health t WHERE shard = $1 AND endpoint > $2 ORDER BY endpoint LIMIT $3

-- name: attempt_sums
-- As `attempt`, for the check; the offset it speaks of moved.
SELECT endpoint, at, delivery, number,
       ('x' || left(md5((to_jsonb(t) - '{shard,offset}'::text[])::text), 16))::bit(64)::bigint AS sum
FROM attempt t
WHERE shard = $1 AND (endpoint, at, delivery, number) > ($2, $3, $4, $5)
ORDER BY endpoint, at, delivery, number LIMIT $6

-- name: cursors
-- Every cursor of a shard.
SELECT endpoint, run, mark, done FROM cursor WHERE shard = $1

-- name: lanes
-- Every lane of a shard.
SELECT endpoint, run, key, head, attempt, due_at, state, format, first_at FROM lane WHERE shard = $1

-- name: offsets
-- Where events lie in the new log.
SELECT e.id, e."offset"
FROM unnest($2::bigint[], $3::text[]) AS u (customer, id)
JOIN event e ON e.shard = $1 AND e.customer = u.customer AND e.id = u.id
WHERE e.shard = $1

-- name: add_lanes
-- What endpoints are owed; what an earlier page of this copy wrote stays.
INSERT INTO lane (shard, endpoint, run, key, head, attempt, due_at, state, format, first_at)
SELECT h.shard, v.endpoint, 0, v.key, v.head, v.attempt, v.due_at, v.state, v.format, v.first_at
FROM shard_head h
CROSS JOIN unnest($2::integer[], $3::bigint[], $4::bigint[], $5::integer[], $6::bigint[],
                  $7::text[], $8::text[], $9::bigint[])
    AS v (endpoint, key, head, attempt, due_at, state, format, first_at)
WHERE h.shard = $1
ON CONFLICT (shard, endpoint, run, key) DO NOTHING

-- name: set_head
-- A new log's head so far.
UPDATE shard_head SET head = $2, recorded_at = $3, customers = $4 WHERE shard = $1

-- name: positions
-- How far a copy came.
-- wide: a few rows per shard of the source, once per copy
SELECT shard, name, position FROM copying

-- name: advance
-- How far this page comes, in its own transaction; no row where another copy moved it meanwhile.
INSERT INTO copying (shard, name, position) VALUES ($1, $2, $3)
ON CONFLICT (shard, name) DO UPDATE SET position = excluded.position WHERE copying.position = $4
RETURNING position

-- name: forget_positions
-- The copy is complete.
-- wide: a few rows per shard of the source, once per copy
DELETE FROM copying

-- name: installation
-- What is fixed about an installation, and how often its small tables changed.
SELECT epoch, shards, revision, created_at, digest_key FROM installation WHERE id = 1

-- name: rename
-- Another epoch, if it is still the one we know, and the source's key of digests.
UPDATE installation SET epoch = $2, revision = $3, created_at = $4, digest_key = $5
WHERE id = 1 AND epoch = $1 RETURNING id

-- name: project_ids
-- Names are placed by their project's id.
SELECT number, id FROM project

-- name: endpoint_ids
-- Endpoints are at home by their id; deleted ones may have left something there.
SELECT number, id FROM endpoint

-- name: endpoints
-- Endpoints that may be owed something.
SELECT e.number, p.number AS project, e.body, e.start_at
FROM endpoint e JOIN project p ON p.id = e.project WHERE e.state <> 'deleted'
