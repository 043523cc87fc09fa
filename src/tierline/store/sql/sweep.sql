-- What time makes due: a range scan of (shard, clock, due_at), under a lease.

-- name: next_due
-- When a shard has work next on a clock.
SELECT due_at FROM member
WHERE shard = $1 AND clock = $2 AND due_at IS NOT NULL
ORDER BY due_at
LIMIT 1;

-- name: due
-- The members that are due first, locked, while the lease is ours; whom an online request holds
-- is passed over, for that request lets the time pass itself. Ties keep the index's order: sorting
-- them by customer would read a whole year end for each batch.
SELECT m.customer, m.program, m.standing, m.due_at
FROM member m
WHERE m.shard = $1 AND m.clock = $2 AND m.due_at <= $3
  AND EXISTS (SELECT 1 FROM lease l WHERE l.shard = $1 AND l.name = $5 AND l.generation = $6)
ORDER BY m.due_at
LIMIT $4
FOR UPDATE OF m SKIP LOCKED;

-- name: quarantine
-- A member whose step fails is left alone, with the reason, until somebody repairs them.
UPDATE member SET quarantined = $4, due_at = NULL
WHERE shard = $1 AND customer = $2 AND program = $3;

-- name: add_ops_event
-- Something that operators should know, in the member's shard.
INSERT INTO event (shard, "offset", class, project, program, customer, id, recorded_at, body)
SELECT c.shard, $2, 'ops', c.project, $3, c.id, $5, $6, $7
FROM customer c
WHERE c.shard = $1 AND c.id = $4;

-- name: open_lease
-- A lease that is not one of the installation's own.
INSERT INTO lease (shard, name, owner, generation, until)
SELECT h.shard, $2, '', 0, 0 FROM shard_head h WHERE h.shard = $1
ON CONFLICT (shard, name) DO NOTHING;

-- name: take_lease
-- Takes a lease that has run out, or is ours already; a new generation shuts out the last owner.
UPDATE lease SET owner = $3, generation = generation + 1, until = $4
WHERE shard = $1 AND name = $2 AND (until < $5 OR owner = $3)
RETURNING generation;

-- name: keep_lease
-- Holds on to a lease.
UPDATE lease SET until = $4 WHERE shard = $1 AND name = $2 AND generation = $3 RETURNING generation;

-- name: give_lease
-- Gives a lease back early.
UPDATE lease SET until = 0 WHERE shard = $1 AND name = $2 AND generation = $3;

-- name: behind
-- Whether a program has members whose due instants do not know its newest rules.
SELECT 1 FROM member WHERE shard = $1 AND program = $2 AND version < $3 LIMIT 1;

-- name: lock_behind
-- Some of those members, in id order, with the instant at which the first rules that they do not
-- know come into force.
SELECT m.customer,
       (SELECT min(v.effective_at) FROM program_version v
        WHERE v.program = $2 AND v.number > m.version) AS effective_at
FROM member m
WHERE m.shard = $1 AND m.program = $2 AND m.customer > $4 AND m.version < $3
ORDER BY m.customer
LIMIT $5
FOR UPDATE OF m;

-- name: mark_due
-- Makes members due when their rules change, if nothing makes them due before.
UPDATE member m
SET version = $3, due_at = least(coalesce(m.due_at, u.effective_at), u.effective_at)
FROM unnest($4::bigint[], $5::bigint[]) AS u (customer, effective_at)
WHERE m.shard = $1 AND m.program = $2 AND m.customer = u.customer;
