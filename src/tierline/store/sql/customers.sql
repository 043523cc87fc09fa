-- Customers and their names. An alias lies in the shard of its own hash, its customer in the shard
-- of the route inside the customer's number; for a first source id the two are the same.

-- name: named
-- Which of these names exist in this shard, and whose they are (`customer` may live elsewhere).
SELECT name, customer FROM alias
WHERE shard = $1 AND project = $2 AND kind = $3 AND name = ANY($4)

-- name: holders
-- Whose these texts are here, as names of whatever kind; a number is another thing.
SELECT a.name, a.kind, a.customer
FROM unnest($3::text[]) AS n (name)
CROSS JOIN LATERAL (
    SELECT name, kind, customer FROM alias
    WHERE shard = $1 AND project = $2 AND name = n.name AND kind <> 'number' OFFSET 0
) a

-- name: standing_of
-- As `holders`, with what each customer is and where they stand, one row a program; without a
-- profile where they live in another shard.
SELECT a.name, a.kind, a.customer, c.id, c.project, c.profile, c.erased_at, m.program, m.standing
FROM unnest($3::text[]) AS n (name)
CROSS JOIN LATERAL (
    SELECT name, kind, customer FROM alias
    WHERE shard = $1 AND project = $2 AND name = n.name AND kind <> 'number' OFFSET 0
) a
LEFT JOIN LATERAL (
    SELECT id, project, profile, erased_at FROM customer
    WHERE shard = $1 AND id = a.customer OFFSET 0
) c ON true
LEFT JOIN LATERAL (
    SELECT program, standing FROM member WHERE shard = $1 AND customer = a.customer OFFSET 0
) m ON true

-- name: of_kind
-- The first names of a kind behind one, and whose they are. By the primary key.
SELECT name, customer FROM alias
WHERE shard = $1 AND project = $2 AND kind = $3 AND name > $4
ORDER BY name
LIMIT $5;

-- name: drop_names
-- Takes away a customer's names of some kinds from one shard.
DELETE FROM alias WHERE shard = $1 AND customer = $2 AND kind = ANY($3)

-- name: take_numbers
-- Locks the shard's head and counts new customers. Whoever makes customers does this first, so
-- that numbers become visible in rising order and no insert below ever waits for another. No row for
-- a deleted project: a process that has slept since would make somebody whom nobody removes.
UPDATE shard_head h SET customers = h.customers + $3
FROM project p
WHERE h.shard = $1 AND p.number = $2 AND p.state <> 'deleted'
RETURNING h.customers, p.number_floor

-- name: counters
-- How many customers every shard counted.
-- wide: one row per shard, and shards are few
SELECT shard, customers FROM shard_head

-- name: raise_counter
-- Whoever is made in this shard from now on is counted beyond this; waits for who is being made.
UPDATE shard_head SET customers = $2 WHERE shard = $1 AND customers < $2

-- name: number_floor
-- No customer of a project gets a number up to this one.
SELECT number_floor FROM project WHERE number = $1

-- name: add_customers
-- New customers.
INSERT INTO customer (shard, id, project, number, profile, updated_at, name_key, email_key)
SELECT h.shard, u.id, $2, u.number, u.profile, u.updated_at, u.name_key, u.email_key
FROM shard_head h
CROSS JOIN unnest($3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::text[], $8::text[])
    AS u (id, number, profile, updated_at, name_key, email_key)
WHERE h.shard = $1
RETURNING id

-- name: add_names
-- New names in one shard; those that are taken already are left out of the answer, and so are all of
-- a project whose removal has begun (its number with a minus).
INSERT INTO alias (shard, project, kind, name, customer)
SELECT h.shard, $2, u.kind, u.name, u.customer
FROM shard_head h
CROSS JOIN unnest($3::text[], $4::text[], $5::bigint[]) AS u (kind, name, customer)
WHERE h.shard = $1
  AND NOT EXISTS (SELECT 1 FROM removal r WHERE r.shard = h.shard AND r.program = -$2::integer)
ON CONFLICT (shard, project, kind, name) DO NOTHING
RETURNING kind, name

-- name: drop_name
-- Takes back a name that was claimed for a customer who then could not be made.
DELETE FROM alias
WHERE shard = $1 AND project = $2 AND kind = $3 AND name = $4 AND customer = $5

-- name: customers
-- Profiles by id.
SELECT c.*
FROM unnest($2::bigint[]) AS u (id)
CROSS JOIN LATERAL (
    SELECT id, project, profile, erased_at FROM customer WHERE shard = $1 AND id = u.id OFFSET 0
) c

-- name: lock_customer
-- One profile, for a change of it.
SELECT id, project, profile, erased_at FROM customer
WHERE shard = $1 AND id = $2
FOR UPDATE

-- name: change_customer
-- Another profile.
UPDATE customer SET profile = $3, updated_at = $4, name_key = $5, email_key = $6
WHERE shard = $1 AND id = $2

-- name: numbered
-- Who has numbers that were made here: they carry the route, so one shard knows.
SELECT id, number FROM customer WHERE shard = $1 AND project = $2 AND number = ANY($3)
