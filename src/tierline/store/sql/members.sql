-- Members, read one at a time: what the API shows and explains.

-- name: member
-- One member's standing, and why the sweep leaves it alone.
SELECT standing, quarantined FROM member WHERE shard = $1 AND customer = $2 AND program = $3

-- name: owners
-- Whose activities have these keys in these programs: so many at most of each.
SELECT u.i, o.customer, o.profile
FROM unnest($2::integer[], $3::text[]) WITH ORDINALITY AS u (program, key, i)
CROSS JOIN LATERAL (
    SELECT e.customer, c.profile FROM entry e
    JOIN customer c ON c.shard = e.shard AND c.id = e.customer
    WHERE e.shard = $1 AND e.program = u.program AND e.key = u.key AND c.erased_at IS NULL
    ORDER BY e.customer
    LIMIT $4
) AS o

-- name: standings
-- The standings of a customer in all programs.
SELECT program, standing FROM member WHERE shard = $1 AND customer = $2

-- name: standings_of
-- The standings of some customers in all programs.
SELECT m.customer, m.program, m.standing
FROM unnest($2::bigint[]) AS c (id)
CROSS JOIN LATERAL (
    SELECT customer, program, standing FROM member WHERE shard = $1 AND customer = c.id OFFSET 0
) m

-- name: entries_after
-- The next entries of a member, oldest first.
SELECT n, kind, occurred_at, recorded_at, points, amount, detail, key, answer
FROM entry
WHERE shard = $1 AND customer = $2 AND program = $3 AND n > $4
ORDER BY n
LIMIT $5

-- name: entries_before
-- The next entries of a member, newest first.
SELECT n, kind, occurred_at, recorded_at, points, amount, detail, key, answer
FROM entry
WHERE shard = $1 AND customer = $2 AND program = $3 AND n < $4
ORDER BY n DESC
LIMIT $5

-- name: keys_of
-- The keys of some entries of a member.
SELECT n, key FROM entry
WHERE shard = $1 AND customer = $2 AND program = $3 AND n = ANY($4::integer[])

-- name: all_keys
-- The keys of all entries of a member.
SELECT n, key FROM entry WHERE shard = $1 AND customer = $2 AND program = $3
