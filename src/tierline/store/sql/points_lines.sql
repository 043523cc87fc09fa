-- Changes of points in one order for a whole program. A program's list is held while it is numbered:
-- so numbers rise in the order in which they become visible.

-- name: hold_list
-- A program's list, held: one transaction at a time numbers its lines. No row where its removal has
-- begun. A project's list of orders bears the project's number with a minus, as its removal does.
INSERT INTO points_list AS l (shard, program, last, upto, customer)
SELECT h.shard, $2, 0, -1, -1
FROM shard_head h
WHERE h.shard = $1
  AND NOT EXISTS (SELECT 1 FROM removal r WHERE r.shard = h.shard AND r.program = $2)
ON CONFLICT (shard, program) DO UPDATE SET last = l.last
RETURNING last, upto, customer;

-- name: note_list
-- How far a program's lines are numbered now.
UPDATE points_list SET last = $3, upto = $4, customer = $5 WHERE shard = $1 AND program = $2;

-- name: last_place
-- The newest line of a member.
SELECT at, nth FROM points_line
WHERE shard = $1 AND customer = $2 AND program = $3
ORDER BY at DESC, nth DESC
LIMIT 1;

-- name: add_lines
-- New lines of one member.
INSERT INTO points_line (shard, program, number, customer, at, nth, kind, moved, waits, entry, of_entry)
SELECT h.shard, $2, u.number, $3, u.at, u.nth, u.kind, u.moved, u.waits, u.entry, u.of_entry
FROM shard_head h
CROSS JOIN unnest($4::bigint[], $5::bigint[], $6::integer[], $7::text[], $8::bigint[],
                  $9::bigint[], $10::integer[], $11::integer[])
    AS u (number, at, nth, kind, moved, waits, entry, of_entry)
WHERE h.shard = $1;

-- name: lines_after
-- The next lines of a program in a shard, by their numbers.
SELECT number, customer, at, kind, moved, waits, entry, of_entry FROM points_line
WHERE shard = $1 AND program = $2 AND number > $3
  AND at >= $5 AND at < $6 AND ($7::bigint IS NULL OR customer = $7)
  AND ($8::text[] IS NULL OR kind = ANY($8))
ORDER BY number
LIMIT $4;

-- name: lines_before
-- The lines of a program in a shard before a number, the highest first.
SELECT number, customer, at, kind, moved, waits, entry, of_entry FROM points_line
WHERE shard = $1 AND program = $2 AND number < $3
  AND at >= $5 AND at < $6 AND ($7::bigint IS NULL OR customer = $7)
  AND ($8::text[] IS NULL OR kind = ANY($8))
ORDER BY number DESC
LIMIT $4;

-- name: entries_among
-- Entries of members of a program, with the number of the line that each brought first, and how many
-- points were taken back of it.
SELECT u.customer, e.n, e.kind, e.occurred_at, e.recorded_at, e.points, e.amount, e.detail, e.key,
       (SELECT min(l.number) FROM points_line l
        WHERE l.shard = $1 AND l.customer = u.customer AND l.program = $2 AND l.entry = u.n) AS line,
       (SELECT coalesce(sum(l.moved + l.waits), 0)::bigint FROM points_line l
        WHERE l.shard = $1 AND l.customer = u.customer AND l.program = $2 AND l.of_entry = u.n
          AND l.kind = 'points.reversed') AS taken
FROM unnest($3::bigint[], $4::integer[]) AS u (customer, n)
CROSS JOIN LATERAL (
    SELECT r.* FROM entry r
    WHERE r.shard = $1 AND r.customer = u.customer AND r.program = $2 AND r.n = u.n
    LIMIT 1
) AS e;
