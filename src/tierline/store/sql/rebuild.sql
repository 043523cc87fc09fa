-- Reading everything back, page by page, each page in one snapshot.

-- name: members_after
-- The next members by key.
SELECT m.customer, m.program, m.standing, m.tier, m.since, m.expires_at, m.balance, m.entries,
       m.seq, m.version
FROM member m
WHERE m.shard = $1 AND (m.customer, m.program) > ($2, $3)
ORDER BY m.customer, m.program
LIMIT $4;

-- name: entries_of
-- The ledger of some customers, by member and number.
SELECT e.customer, e.program, e.n, e.kind, e.occurred_at, e.recorded_at, e.points, e.amount,
       e.detail
FROM entry e
WHERE e.shard = $1 AND e.customer = ANY($2::bigint[])
ORDER BY e.customer, e.program, e.n;

-- name: events_of
-- The log of some customers, in order.
SELECT v.customer, v.program, v.id, v.recorded_at, v.body
FROM event v
WHERE v.shard = $1 AND v.customer = ANY($2::bigint[]) AND v.class = 'tier'
ORDER BY v."offset";

-- name: lock_member
-- One member, for repair.
SELECT m.customer, m.program, m.standing, m.tier, m.since, m.expires_at, m.balance, m.entries,
       m.seq, m.version
FROM member m
WHERE m.shard = $1 AND m.customer = $2 AND m.program = $3
FOR UPDATE OF m;
