-- Reading out what an installation holds, page by page.

-- name: members_out
-- The next members of a program, with their customers' profiles.
SELECT m.customer, m.standing, c.profile
FROM member m
JOIN customer c ON c.shard = m.shard AND c.id = m.customer
WHERE m.shard = $1 AND m.program = $2 AND m.customer > $3 AND c.erased_at IS NULL
ORDER BY m.customer
LIMIT $4;

-- name: entries_out
-- The next entries of the ledger of some members of a program, oldest first within each, with the key of what an
-- entry takes back.
SELECT e.customer, e.n, e.kind, e.key, e.occurred_at, e.recorded_at, e.points, e.amount, e.detail,
       (SELECT o.key FROM entry o
        WHERE o.shard = $1 AND o.customer = e.customer AND o.program = e.program
          AND o.n = e.reverses) AS of
FROM entry e
WHERE e.shard = $1 AND e.program = $2 AND e.customer = ANY($3::bigint[])
  AND (e.customer, e.n) > ($4, $5)
ORDER BY e.customer, e.n
LIMIT $6;

-- name: names_out
-- The names in one shard of some customers, but for those that their profiles say.
SELECT a.customer, a.kind, a.name
FROM alias a
WHERE a.shard = $1 AND a.customer = ANY($2::bigint[]) AND a.kind NOT IN ('id', 'number')
ORDER BY a.customer, a.kind, a.name;
