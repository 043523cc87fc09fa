-- Reading everything back, page by page, each page in one snapshot.

-- name: customers_after
-- The next customers, and how many entries their members say they have.
SELECT c.id, s.entries
FROM customer c
CROSS JOIN LATERAL (
    SELECT coalesce(sum(m.entries), 0)::bigint AS entries FROM member m
    WHERE m.shard = $1 AND m.customer = c.id
) AS s
WHERE c.shard = $1 AND c.id > $2
ORDER BY c.id
LIMIT $3;

-- name: log_start
-- Where a shard's log begins: what was told before was dropped by retention.
SELECT log_start FROM shard_head WHERE shard = $1;

-- name: members_of
-- The members that some customers are.
SELECT m.customer, m.program, m.standing, m.tier, m.since, m.expires_at, m.balance, m.entries,
       m.seq, m.version, m.erased_at
FROM member m
WHERE m.shard = $1 AND m.customer = ANY($2::bigint[])
ORDER BY m.customer, m.program;

-- name: entries_of
-- The ledger of some customers, by member and number.
SELECT e.customer, e.program, e.n, e.kind, e.occurred_at, e.recorded_at, e.points, e.amount,
       e.detail
FROM entry e
WHERE e.shard = $1 AND e.customer = ANY($2::bigint[])
ORDER BY e.customer, e.program, e.n;

-- name: events_of
-- The log of some customers, in order.
SELECT v.customer, v.program, v."offset", v.id, v.recorded_at, v.body
FROM event v
WHERE v.shard = $1 AND v.customer = ANY($2::bigint[]) AND v.class = 'tier'
ORDER BY v."offset";

-- name: lock_member
-- One member, for repair.
SELECT m.customer, m.program, m.standing, m.tier, m.since, m.expires_at, m.balance, m.entries,
       m.seq, m.version, m.erased_at
FROM member m
WHERE m.shard = $1 AND m.customer = $2 AND m.program = $3
FOR UPDATE OF m;
