-- What a deleted program held goes, page by page. Each statement may be repeated, by two processes
-- at once, to the same end.
--
-- Removing begins with a row of `removal`: a program's number, or a project's with a minus. From then
-- on nothing new of it comes into the shard. Whoever writes of a program or a project that may be
-- deleted asks for this row, not for the state in the catalog: it lies beside what is written, so the
-- statement stays one task of one node. (Beside a small table an INSERT ... SELECT needs every node.)

-- name: due
-- Which of these programs are not gone from a shard, and how far that has come; 0: not begun.
SELECT u.program, coalesce(r.pass, 0) AS pass
FROM shard_head h
CROSS JOIN unnest($2::integer[]) AS u (program)
LEFT JOIN removal r ON r.shard = h.shard AND r.program = u.program
WHERE h.shard = $1 AND coalesce(r.pass, 0) < $3 AND coalesce(r.due_at, 0) <= $4
ORDER BY u.program;

-- name: note
-- A pass has ended, unless somebody has noted a later one; 0: the first one begins.
INSERT INTO removal (shard, program, pass, due_at)
SELECT h.shard, $2, $3, $4 FROM shard_head h WHERE h.shard = $1
ON CONFLICT (shard, program) DO UPDATE SET pass = excluded.pass, due_at = excluded.due_at
WHERE removal.pass < excluded.pass;

-- name: lock_page
-- The next members, locked in order, with how many entries they have.
SELECT m.customer, m.entries FROM member m
WHERE m.shard = $1 AND m.program = $2 AND m.customer > $3
ORDER BY m.customer
LIMIT $4
FOR UPDATE OF m;

-- name: drop_entries
-- The ledgers of some members.
DELETE FROM entry WHERE shard = $1 AND program = $2 AND customer = ANY($3::bigint[]);

-- name: drop_lines
-- Their lines in the program's list of points.
DELETE FROM points_line WHERE shard = $1 AND program = $2 AND customer = ANY($3::bigint[]);

-- name: drop_bookings
-- What their ledgers hold of orders.
DELETE FROM order_booking WHERE shard = $1 AND program = $2 AND customer = ANY($3::bigint[]);

-- name: drop_intents
-- Their points that were under way.
DELETE FROM intent WHERE shard = $1 AND program = $2 AND customer = ANY($3::bigint[]);

-- name: drop_members
-- Their memberships.
DELETE FROM member WHERE shard = $1 AND program = $2 AND customer = ANY($3::bigint[]);

-- name: drop_left_lines
-- Lines that somebody numbered while their member went.
DELETE FROM points_line WHERE shard = $1 AND program = $2;

-- name: drop_counts
-- How many members each tier had.
DELETE FROM tier_count WHERE shard = $1 AND program = $2;

-- name: drop_moves
-- How many moves each day had.
DELETE FROM tier_move WHERE shard = $1 AND program = $2;

-- name: drop_rollout
-- How far its rules were rolled out.
DELETE FROM rollout WHERE shard = $1 AND program = $2;

-- name: drop_list
-- How far its changes of points were numbered; below zero: a project's orders.
DELETE FROM points_list WHERE shard = $1 AND program = $2;

-- name: drop_arrivals
-- What became of transfers in it.
DELETE FROM arrival WHERE shard = $1 AND program = $2;

-- name: drop_left_names
-- Names in a deleted project that has no customers any more.
DELETE FROM alias WHERE shard = $1 AND project = $2;

-- name: drop_cursors
-- How far a deleted project's endpoints were.
DELETE FROM cursor WHERE shard = $1 AND endpoint = ANY($2::integer[]);

-- name: drop_lanes
-- What they were still owed.
DELETE FROM lane WHERE shard = $1 AND endpoint = ANY($2::integer[]);

-- name: endpoints_of
-- A project's endpoints. Small tables only.
SELECT e.number FROM endpoint e JOIN project p ON p.id = e.project
WHERE p.number = $1 ORDER BY e.number;

-- name: held
-- What a shard holds of a program: members, their entries, points under way, and events told of
-- their tiers.
SELECT (SELECT count(*) FROM member m WHERE m.shard = $1 AND m.program = $2) AS members,
       (SELECT coalesce(sum(m.entries), 0)::bigint FROM member m
        WHERE m.shard = $1 AND m.program = $2) AS entries,
       (SELECT count(*) FROM intent i WHERE i.shard = $1 AND i.program = $2) AS transfers,
       (SELECT coalesce(sum(t.moves), 0)::bigint FROM tier_move t
        WHERE t.shard = $1 AND t.program = $2) AS events;
