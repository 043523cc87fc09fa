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
-- them by customer would read a whole year end for each batch. `head` is null where the shard has
-- lost its own row, from which everything that is appended takes its shard.
SELECT m.customer, m.program, m.standing, m.due_at,
       (SELECT h.head FROM shard_head h WHERE h.shard = $1) AS head
FROM member m
WHERE m.shard = $1 AND m.clock = $2 AND m.due_at <= $3
  AND EXISTS (SELECT 1 FROM lease l WHERE l.shard = $1 AND l.name = $5 AND l.generation = $6)
ORDER BY m.due_at
LIMIT $4
FOR UPDATE OF m SKIP LOCKED;

-- name: quarantine
-- A member whose step fails is left alone, with the reason, until somebody repairs them; unless
-- somebody changed them since.
UPDATE member SET quarantined = $5, due_at = NULL
WHERE shard = $1 AND customer = $2 AND program = $3 AND standing = $4
  AND quarantined IS NULL;

-- name: project_of
-- Whose program it is. Small tables only.
SELECT j.number FROM program p JOIN project j ON j.id = p.project WHERE p.number = $1;

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

-- name: rollout
-- How far the roll-out of a program's rules has come in a shard.
SELECT version, began_at, pass, after FROM rollout WHERE shard = $1 AND program = $2;

-- name: begin_rollout
-- Starts rolling out newer rules, from the first member, unless the program's removal has begun.
INSERT INTO rollout (shard, program, version, began_at, pass, after)
SELECT h.shard, $2, $3, $4, 1, 0
FROM shard_head h
WHERE h.shard = $1
  AND NOT EXISTS (SELECT 1 FROM removal r WHERE r.shard = h.shard AND r.program = $2)
ON CONFLICT (shard, program) DO UPDATE
SET version = excluded.version, began_at = excluded.began_at, pass = 1, after = 0
WHERE rollout.version < excluded.version;

-- name: note_rollout
-- How far it has come now.
UPDATE rollout SET pass = $4, after = $5 WHERE shard = $1 AND program = $2 AND version = $3;

-- name: next_members
-- The end of the next stretch of members, of whatever program: a stretch costs the same always.
SELECT max(w.customer) FROM (
    SELECT customer FROM member WHERE shard = $1 AND customer > $2 ORDER BY customer LIMIT $3
) AS w;

-- name: mark_due
-- Makes a stretch of members due when the first rules that they do not know come into force, if
-- nothing makes them due before.
UPDATE member m
SET version = $3,
    due_at = (SELECT least(coalesce(m.due_at, min(v.effective_at)), min(v.effective_at))
              FROM program_version v WHERE v.program = $2 AND v.number > m.version)
WHERE m.shard = $1 AND m.program = $2 AND m.customer > $4 AND m.customer <= $5
  AND m.version < $3 AND m.quarantined IS NULL AND m.erased_at IS NULL;

-- name: birthdates
-- The next members of a program whose profiles hold a birthdate.
SELECT m.customer, m.standing, c.profile
FROM member m
JOIN customer c ON c.shard = m.shard AND c.id = m.customer
WHERE m.shard = $1 AND m.program = $2 AND m.customer > $3 AND m.erased_at IS NULL
  AND c.profile LIKE '%"birthdate":%'
ORDER BY m.customer
LIMIT $4;
