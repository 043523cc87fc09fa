-- What a preview reads: pages of members by key, and histories where standings cannot answer.
-- Nothing is locked, and each statement is a transaction of its own.

-- name: page_end
-- The last key of the next page of a program's members, and how many there are in it.
SELECT max(page.customer) AS upto, count(*) AS members
FROM (
    SELECT customer FROM member
    WHERE shard = $1 AND program = $2 AND customer > $3
    ORDER BY customer
    LIMIT $4
) AS page;

-- name: longest
-- How many entries the longest ledger of a program's members has.
SELECT coalesce(max(entries), 0) FROM member WHERE shard = $1 AND program = $2;

-- name: page
-- The standings of one page.
SELECT customer, standing
FROM member
WHERE shard = $1 AND program = $2 AND customer > $3 AND customer <= $4 AND entries > 0
  AND erased_at IS NULL;

-- name: histories
-- The whole ledgers of some members, each oldest first.
SELECT customer, n, kind, occurred_at, recorded_at, points, amount, detail
FROM entry
WHERE shard = $1 AND customer = ANY($2::bigint[]) AND program = $3
ORDER BY customer, n;

-- name: profiles
-- What samples are called.
SELECT id, profile FROM customer WHERE shard = $1 AND id = ANY($2::bigint[]);
