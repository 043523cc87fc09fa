-- Counts of members per tier, and of moves per day. They change in the transaction that changes the
-- tiers, so that they equal what a count of the members would say.

-- name: add_counts
-- Members that entered and left tiers, net. In order of their keys, after the shard's head: no two
-- transactions wait for each other.
INSERT INTO tier_count AS c (shard, program, tier, members)
SELECT h.shard, u.program, coalesce(u.tier, ''), u.members
FROM shard_head h
CROSS JOIN unnest($2::text::integer[], string_to_array($3, chr(30), ''), $4::text::bigint[])
    AS u (program, tier, members)
WHERE h.shard = $1
ON CONFLICT (shard, program, tier) DO UPDATE SET members = c.members + excluded.members;

-- name: add_moves
-- Events of a kind on a civil day, more.
INSERT INTO tier_move AS t (shard, program, day, kind, moves)
SELECT h.shard, u.program, u.day, u.kind, u.moves
FROM shard_head h
CROSS JOIN unnest($2::text::integer[], $3::text::integer[], string_to_array($4, chr(30)),
                  $5::text::bigint[])
    AS u (program, day, kind, moves)
WHERE h.shard = $1
ON CONFLICT (shard, program, day, kind) DO UPDATE SET moves = t.moves + excluded.moves;

-- name: counts
-- How many members of a program each tier has in a shard.
SELECT tier, members FROM tier_count WHERE shard = $1 AND program = $2 AND members <> 0;

-- name: moves
-- A program's moves in a shard, on some days.
SELECT day, kind, moves FROM tier_move
WHERE shard = $1 AND program = $2 AND day >= $3 AND day <= $4;

-- name: due_by_day
-- How many members have work next in each of some spans of time, whose starts are given, and for
-- how many of them it is their tier that ends. What is overdue is in the first.
SELECT greatest(width_bucket(m.due_at, $5::bigint[]), 1) AS nth, count(*) AS members,
       count(*) FILTER (WHERE m.expires_at = m.due_at) AS tiers_ending
FROM member m
WHERE m.shard = $1 AND m.clock = $2 AND m.program = $3 AND m.due_at < $4
GROUP BY 1;

-- name: stored_counts
-- A shard's counts, of all programs.
SELECT program, tier, members FROM tier_count WHERE shard = $1;

-- name: lock_counts
-- A shard's counts, held until they are put right.
SELECT program, tier, members FROM tier_count WHERE shard = $1 ORDER BY program, tier FOR UPDATE;

-- name: counted
-- What the counts should be.
SELECT m.program, coalesce(m.tier, '') AS tier, count(*) AS members
FROM member m
WHERE m.shard = $1 AND m.entries > 0 AND m.erased_at IS NULL
GROUP BY 1, 2;

-- name: all_moves
-- A shard's moves, of all programs and days.
SELECT program, day, kind, moves FROM tier_move WHERE shard = $1;

-- name: forget_moves
-- Before all moves of another installation are written here.
DELETE FROM tier_move WHERE shard = $1;
