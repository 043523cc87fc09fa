-- The batch path: load, decide (not here), write. One shard per statement and per transaction.

-- name: load
-- Locks the members that a batch speaks of, in id order; reads their standings, the newest rules
-- and the clock that count for them, and the receipts of keys that were used before.
SELECT u.i, m.customer, m.standing, p.latest, j.clock,
       e.n, e.digest, e.answer, e.points, e.amount
FROM unnest($2::integer[], $3::integer[], $4::text[], $5::bigint[], $6::text[])
     WITH ORDINALITY AS u (project, program, name, customer, key, i)
LEFT JOIN alias a
    ON a.shard = $1 AND a.project = u.project AND a.kind = 'source' AND a.name = u.name
JOIN member m
    ON m.shard = $1 AND m.customer = coalesce(a.customer, u.customer) AND m.program = u.program
JOIN program p ON p.number = u.program
JOIN project j ON j.number = u.project
LEFT JOIN entry e ON e.shard = $1 AND e.customer = m.customer AND e.key = u.key
WHERE m.shard = $1
ORDER BY m.customer, m.program, u.i
FOR UPDATE OF m;

-- name: resolve
-- Which customers the names in this shard's part of the alias table belong to.
SELECT u.i, a.customer
FROM unnest($2::integer[], $3::text[]) WITH ORDINALITY AS u (project, name, i)
JOIN alias a
    ON a.shard = $1 AND a.project = u.project AND a.kind = 'source' AND a.name = u.name
WHERE a.shard = $1;

-- name: living
-- Which of these customers exist and are not erased.
SELECT id FROM customer WHERE shard = $1 AND id = ANY($2::bigint[]) AND erased_at IS NULL;

-- name: receipts
-- Receipts of keys, for customers that are not members (yet) of the program they are sent to.
SELECT u.i, e.n, e.digest, e.answer, e.points, e.amount
FROM unnest($2::bigint[], $3::text[]) WITH ORDINALITY AS u (customer, key, i)
JOIN entry e ON e.shard = $1 AND e.customer = u.customer AND e.key = u.key
WHERE e.shard = $1;

-- name: current
-- The newest rules of programs, and their projects' own clocks. Small tables only.
SELECT p.number, p.latest, j.clock
FROM program p
JOIN project j ON j.id = p.project
WHERE p.number = ANY($1::integer[]);

-- name: reserve
-- Makes the rows of members-to-be, in order, so that nobody else can; those that are there already
-- are not answered.
INSERT INTO member (shard, customer, program, standing, balance, entries, seq, clock, version)
SELECT h.shard, u.customer, u.program, ''::bytea, 0, 0, 0, u.clock, u.version
FROM shard_head h
CROSS JOIN unnest($2::bigint[], $3::integer[], $4::integer[], $5::integer[])
    AS u (customer, program, clock, version)
WHERE h.shard = $1
ON CONFLICT DO NOTHING
RETURNING customer, program;

-- name: unreserve
-- Takes away reserved rows that nothing was recorded for.
DELETE FROM member m
USING unnest($2::bigint[], $3::integer[]) AS u (customer, program)
WHERE m.shard = $1 AND m.customer = u.customer AND m.program = u.program AND m.entries = 0;

-- name: originals
-- The activities that others speak of, by key, and how much of each was taken back before.
SELECT u.i, e.n, e.kind, e.occurred_at, e.recorded_at, e.points, e.amount, e.detail,
       (SELECT coalesce(sum(r.points), 0)::bigint FROM entry r
        WHERE r.shard = $1 AND r.customer = e.customer AND r.program = e.program
          AND r.reverses = e.n) AS points_taken,
       (SELECT coalesce(sum(r.amount), 0)::bigint FROM entry r
        WHERE r.shard = $1 AND r.customer = e.customer AND r.program = e.program
          AND r.reverses = e.n) AS amount_taken,
       (SELECT count(*) FROM entry r
        WHERE r.shard = $1 AND r.customer = e.customer AND r.program = e.program
          AND r.reverses = e.n) AS times
FROM unnest($2::bigint[], $3::integer[], $4::text[])
     WITH ORDINALITY AS u (customer, program, key, i)
JOIN entry e
    ON e.shard = $1 AND e.customer = u.customer AND e.key = u.key AND e.program = u.program
WHERE e.shard = $1;

-- name: history
-- All entries of one member, oldest first.
SELECT n, kind, occurred_at, recorded_at, points, amount, detail
FROM entry
WHERE shard = $1 AND customer = $2 AND program = $3
ORDER BY n;

-- name: add_entries
-- Appends to the ledger. The shard comes from the head row: fewer rows than sent means none there.
INSERT INTO entry (shard, customer, program, n, kind, key, digest, occurred_at, recorded_at,
                   points, amount, detail, reverses, answer)
SELECT h.shard, u.*
FROM shard_head h
CROSS JOIN unnest($2::bigint[], $3::integer[], $4::integer[], $5::text[], $6::text[],
                  $7::bytea[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[],
                  $12::text[], $13::integer[], $14::text[]) AS u
WHERE h.shard = $1;

-- name: update_members
-- What members are now.
UPDATE member m
SET standing = u.standing, tier = u.tier, since = u.since, expires_at = u.expires_at,
    balance = u.balance, entries = u.entries, seq = u.seq, due_at = u.due_at,
    version = u.version, quarantined = NULL
FROM unnest($2::bigint[], $3::integer[], $4::bytea[], $5::text[], $6::bigint[], $7::bigint[],
            $8::bigint[], $9::integer[], $10::integer[], $11::bigint[], $12::integer[])
     AS u (customer, program, standing, tier, since, expires_at, balance, entries, seq, due_at,
           version)
WHERE m.shard = $1 AND m.customer = u.customer AND m.program = u.program;

-- name: add_members
-- Members of customers that this transaction made: nobody else can know them.
INSERT INTO member (shard, customer, program, standing, tier, since, expires_at, balance, entries,
                    seq, due_at, version, clock)
SELECT h.shard, u.*
FROM shard_head h
CROSS JOIN unnest($2::bigint[], $3::integer[], $4::bytea[], $5::text[], $6::bigint[],
                  $7::bigint[], $8::bigint[], $9::integer[], $10::integer[], $11::bigint[],
                  $12::integer[], $13::integer[]) AS u
WHERE h.shard = $1;

-- name: raise_head
-- The last lock of a transaction: offsets for its events, and the instant at which they enter the
-- log, which never decreases.
UPDATE shard_head
SET head = head + $2, recorded_at = greatest(recorded_at, $3)
WHERE shard = $1
RETURNING head, recorded_at;

-- name: add_events
-- Appends to the log, with each customer's profile as it is now. `updated_at` is moved to this
-- change by saying it once more at the end, where every JSON reader takes the last one: the
-- customer's own row need not be written for each activity.
INSERT INTO event (shard, "offset", class, project, program, customer, id, recorded_at, body,
                   profile)
SELECT c.shard, $2 + u.i, 'tier', c.project, u.program, u.customer, u.id, $3, u.body,
       left(c.profile, -1) || ',"updated_at":' || greatest(c.updated_at, u.changed_at) || '}'
FROM unnest($4::integer[], $5::bigint[], $6::text[], $7::text[], $8::bigint[])
     WITH ORDINALITY AS u (program, customer, id, body, changed_at, i)
JOIN customer c ON c.shard = $1 AND c.id = u.customer
WHERE c.shard = $1;
