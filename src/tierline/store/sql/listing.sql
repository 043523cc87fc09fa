-- Lists: customers in an order, by key, and what a page says of them. A walk goes on after the last
-- one whom it met, so a page costs the same however deep it lies.

-- name: by_number
-- The next customers of a project, in the order of their numbers.
SELECT number AS key, id FROM customer
WHERE shard = $1 AND project = $2 AND (number, id) > ($3, $4) AND erased_at IS NULL
ORDER BY number, id
LIMIT $5;

-- name: by_number_down
-- The next customers of a project, from the highest number on.
SELECT number AS key, id FROM customer
WHERE shard = $1 AND project = $2 AND (number, id) < ($3, $4) AND erased_at IS NULL
ORDER BY number DESC, id DESC
LIMIT $5;

-- name: count
-- How many customers a project has in a shard.
SELECT count(*) FROM customer WHERE shard = $1 AND project = $2 AND erased_at IS NULL;

-- name: by_name
-- The next customers whose name begins with a text, in the order of their names.
SELECT name_key AS key, id FROM customer
WHERE shard = $1 AND project = $2 AND (name_key, id) > ($3, $4) AND name_key < $6
  AND erased_at IS NULL
ORDER BY name_key, id
LIMIT $5;

-- name: by_email
-- The next customers whose email begins with a text, in the order of their emails.
SELECT email_key AS key, id FROM customer
WHERE shard = $1 AND project = $2 AND (email_key, id) > ($3, $4) AND email_key < $6
  AND erased_at IS NULL
ORDER BY email_key, id
LIMIT $5;

-- name: by_created_at
-- The next customers in the order in which they were made, up to an instant.
SELECT coalesce(substring(profile FROM '.*"created_at":([0-9]+),"updated_at":')::bigint, 0) AS key, id FROM customer
WHERE shard = $1 AND project = $2
  AND (coalesce(substring(profile FROM '.*"created_at":([0-9]+),"updated_at":')::bigint, 0), id) > ($3, $4)
  AND coalesce(substring(profile FROM '.*"created_at":([0-9]+),"updated_at":')::bigint, 0) < $6
  AND erased_at IS NULL
ORDER BY coalesce(substring(profile FROM '.*"created_at":([0-9]+),"updated_at":')::bigint, 0), id
LIMIT $5;

-- name: by_created_at_down
-- The next customers from the newest on, down to an instant.
SELECT coalesce(substring(profile FROM '.*"created_at":([0-9]+),"updated_at":')::bigint, 0) AS key, id FROM customer
WHERE shard = $1 AND project = $2
  AND (coalesce(substring(profile FROM '.*"created_at":([0-9]+),"updated_at":')::bigint, 0), id) < ($3, $4)
  AND coalesce(substring(profile FROM '.*"created_at":([0-9]+),"updated_at":')::bigint, 0) >= $6
  AND erased_at IS NULL
ORDER BY coalesce(substring(profile FROM '.*"created_at":([0-9]+),"updated_at":')::bigint, 0) DESC, id DESC
LIMIT $5;

-- name: by_updated_at
-- The next customers in the order of their last changes, up to an instant.
SELECT changed_at AS key, customer AS id FROM last_change
WHERE shard = $1 AND project = $2 AND (changed_at, customer) > ($3, $4) AND changed_at < $6
ORDER BY changed_at, customer
LIMIT $5;

-- name: by_updated_at_down
-- The next customers from the newest last change on, down to an instant.
SELECT changed_at AS key, customer AS id FROM last_change
WHERE shard = $1 AND project = $2 AND (changed_at, customer) < ($3, $4) AND changed_at >= $6
ORDER BY changed_at DESC, customer DESC
LIMIT $5;

-- name: customers_among
-- Those of these customers whose email holds a text (null: all of them).
SELECT id, project, profile, erased_at FROM customer
WHERE shard = $1 AND id = ANY($2::bigint[]) AND erased_at IS NULL
  AND ($3::text IS NULL OR position($3 IN email_key) > 0);

-- name: members_among
-- Those of these customers who are members of a program, and whom the filters let through.
SELECT m.customer, m.standing, m.tier, m.since, m.expires_at, m.balance
FROM unnest($3::bigint[]) AS u (customer)
CROSS JOIN LATERAL (
    SELECT r.customer, r.standing, r.tier, r.since, r.expires_at, r.balance, r.entries
    FROM member r
    WHERE r.shard = $1 AND r.customer = u.customer AND r.program = $2
    LIMIT 1
) AS m
WHERE m.entries > 0
  AND ($4::text IS NULL OR m.tier = $4)
  AND ($5::bigint IS NULL OR m.since >= $5)
  AND ($6::bigint IS NULL OR m.since < $6)
  AND ($7::bigint IS NULL OR m.expires_at < $7)
  AND ($8::bigint IS NULL OR m.balance >= $8)
  AND ($9::bigint IS NULL OR m.balance <= $9);

-- name: standings_among
-- The standings of these customers in all programs.
SELECT customer, standing FROM member WHERE shard = $1 AND customer = ANY($2::bigint[]);

-- name: by_updated_at_backwards
-- The customers of a project who changed last before an instant, the newest change first.
SELECT changed_at AS key, customer AS id FROM last_change
WHERE shard = $1 AND project = $2 AND (changed_at, customer) < ($3, $4)
ORDER BY changed_at DESC, customer DESC
LIMIT $5;

-- name: by_number_backwards
-- The customers of a project below a number, the highest first.
SELECT number AS key, id FROM customer
WHERE shard = $1 AND project = $2 AND (number, id) < ($3, $4) AND erased_at IS NULL
ORDER BY number DESC, id DESC
LIMIT $5;
