-- Orders. `order_state` lies in the shard of the order's own name: its row is the claim that makes
-- statements of one order come one after the other. `order_booking` lies with its customer, and is
-- written in the batch that books.

-- name: claim
-- Makes or finds an order's row, and locks it; no row for a project whose removal has begun (its
-- number with a minus).
INSERT INTO order_state (shard, project, name, customer, buyer, revision, created_at, updated_at)
SELECT h.shard, $2, $3, 0, $4, 0, $5, $5
FROM shard_head h
WHERE h.shard = $1
  AND NOT EXISTS (SELECT 1 FROM removal r WHERE r.shard = h.shard AND r.program = -$2::integer)
ON CONFLICT (shard, project, name) DO UPDATE SET revision = order_state.revision
RETURNING shard, project, name, revision, record, pending;

-- name: decide
-- Notes what is to be booked, before anything is.
UPDATE order_state SET pending = $4, pending_at = $5
WHERE shard = $1 AND project = $2 AND name = $3;

-- name: conclude
-- What was pending is booked everywhere.
UPDATE order_state
SET record = $5, revision = $6, customer = $7, buyer = $8, updated_at = greatest($9, updated_at),
    pending = NULL, pending_at = NULL
WHERE shard = $1 AND project = $2 AND name = $3 AND pending = $4
RETURNING shard, project, name, created_at, updated_at;

-- name: withdraw
-- What was pending was refused: nothing of it was booked.
UPDATE order_state SET pending = NULL, pending_at = NULL, revision = revision + 1
WHERE shard = $1 AND project = $2 AND name = $3 AND pending = $4;

-- name: forget
-- An order of which nothing was ever taken.
DELETE FROM order_state
WHERE shard = $1 AND project = $2 AND name = $3 AND record IS NULL AND pending IS NULL;

-- name: one
-- One order, as it is booked.
SELECT name, customer, buyer, revision, record, created_at, updated_at, number FROM order_state
WHERE shard = $1 AND project = $2 AND name = $3 AND record IS NOT NULL;

-- name: several
-- Some orders of a project, as they are booked.
SELECT o.*
FROM unnest($3::text[]) AS n (name)
CROSS JOIN LATERAL (
    SELECT name, customer, buyer, revision, record, created_at, updated_at, number FROM order_state
    WHERE shard = $1 AND project = $2 AND name = n.name AND record IS NOT NULL OFFSET 0
) o;

-- name: pending_of
-- What was decided of an order and is not booked everywhere.
SELECT pending FROM order_state WHERE shard = $1 AND project = $2 AND name = $3;

-- name: pending
-- The next orders of a shard that were decided before an instant and are not booked everywhere.
SELECT project, name FROM order_state
WHERE shard = $1 AND pending_at <= $2 AND (project, name) > ($3, $4)
ORDER BY project, name
LIMIT $5;

-- name: by_change
-- The next orders of a project by their last change.
SELECT name, customer, buyer, revision, record, created_at, updated_at, number FROM order_state
WHERE shard = $1 AND project = $2 AND (updated_at, name) > ($3, $4) AND updated_at < $5
  AND record IS NOT NULL
ORDER BY updated_at, name
LIMIT $6;

-- name: of_customer
-- The next orders of a customer by their last change.
SELECT name, customer, buyer, revision, record, created_at, updated_at FROM order_state
WHERE shard = $1 AND project = $2 AND (updated_at, name) > ($3, $4) AND updated_at < $5
  AND record IS NOT NULL AND customer = $7
ORDER BY updated_at, name
LIMIT $6;

-- name: newest
-- Where a project's orders stand, the one that changed last first.
SELECT name, updated_at FROM order_state
WHERE shard = $1 AND project = $2 AND record IS NOT NULL
ORDER BY updated_at DESC, name DESC
LIMIT $3;

-- name: oldest
-- Where a project's orders stand, the one that changed longest ago first.
SELECT name, updated_at FROM order_state
WHERE shard = $1 AND project = $2 AND record IS NOT NULL
ORDER BY updated_at, name
LIMIT $3;

-- name: unnumbered
-- Orders of a project that have no number yet, the oldest first.
SELECT name, created_at FROM order_state
WHERE shard = $1 AND project = $2 AND number IS NULL AND record IS NOT NULL
ORDER BY created_at, name
LIMIT $3;

-- name: hold
-- Locks some orders, in the order of their names as whoever claims several does.
SELECT name FROM order_state
WHERE shard = $1 AND project = $2 AND name = ANY($3)
ORDER BY name
FOR UPDATE;

-- name: give_numbers
-- Numbers of a shard's orders.
UPDATE order_state AS o SET number = u.number
FROM unnest($3::text[], $4::bigint[]) AS u (name, number)
WHERE o.shard = $1 AND o.project = $2 AND o.name = u.name AND o.number IS NULL;

-- name: numbers_after
-- The next orders of a project in a shard, by their numbers.
SELECT name, customer, buyer, revision, record, created_at, updated_at, number FROM order_state
WHERE shard = $1 AND project = $2 AND number > $3 AND created_at >= $4 AND created_at < $5
  AND record IS NOT NULL
ORDER BY number
LIMIT $6;

-- name: numbers_before
-- The orders of a project in a shard before a number, the highest first.
SELECT name, customer, buyer, revision, record, created_at, updated_at, number FROM order_state
WHERE shard = $1 AND project = $2 AND number < $3 AND created_at >= $4 AND created_at < $5
  AND record IS NOT NULL
ORDER BY number DESC
LIMIT $6;

-- name: count
-- How many orders a project has in a shard.
SELECT count(*) FROM order_state WHERE shard = $1 AND project = $2 AND record IS NOT NULL;

-- name: restore
-- An order as another installation held it; one that is here already stays.
INSERT INTO order_state (shard, project, name, customer, buyer, revision, record, created_at,
                         updated_at)
SELECT h.shard, $2, $3, $4, $5, $6, $7, $8, $9
FROM shard_head h
WHERE h.shard = $1
ON CONFLICT (shard, project, name) DO NOTHING
RETURNING name;

-- name: out
-- The next orders of a shard that a program was told of.
SELECT name, customer, buyer, revision, record, created_at, updated_at FROM order_state
WHERE shard = $1 AND project = $2 AND name > $3 AND record IS NOT NULL
ORDER BY name
LIMIT $4;

-- name: rewrite
-- An order's record, of which something is noted that changes nothing.
UPDATE order_state SET record = $4 WHERE shard = $1 AND project = $2 AND name = $3;

-- name: project_of
-- A program's project. Small tables only.
SELECT j.number FROM program p JOIN project j ON j.id = p.project WHERE p.number = $1;

-- name: bookings
-- What members' ledgers hold of orders, by their names.
SELECT u.i, b.body
FROM unnest($2::bigint[], $3::integer[], $4::text[]) WITH ORDINALITY
     AS u (customer, program, name, i)
CROSS JOIN LATERAL (
    SELECT r.body FROM order_booking r
    WHERE r.shard = $1 AND r.customer = u.customer AND r.program = u.program AND r.name = u.name
    LIMIT 1
) AS b;

-- name: put_bookings
-- What members' ledgers hold of orders now.
INSERT INTO order_booking (shard, customer, program, name, body)
SELECT h.shard, u.customer, u.program, u.name, u.body
FROM shard_head h
CROSS JOIN unnest($2::bigint[], $3::integer[], $4::text[], $5::text[])
    AS u (customer, program, name, body)
WHERE h.shard = $1
ON CONFLICT (shard, customer, program, name) DO UPDATE SET body = excluded.body;
