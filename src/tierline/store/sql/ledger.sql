-- The batch path: load, decide (not here), write. One shard per statement and per transaction.
--
-- The plan made for empty tables is the one that is kept while they fill, so nothing is left for
-- the planner to choose: look-ups are LATERAL subqueries by a whole key, writes to what exists go
-- through the unique index of ON CONFLICT. Rows come as columns of text (`store/column_encoding.py`).

-- name: load
-- Locks the members that a batch speaks of, in id order; reads their standings, the newest rules
-- and the clock that count for them, and the receipts of keys that were used before. Nobody is found
-- in a shard without a head, for what is appended there takes its shard from the head's row.
SELECT w.i, w.customer, m.standing, c.latest, c.clock,
       e.n, e.digest, e.answer, e.points, e.amount
FROM shard_head h
CROSS JOIN (
    SELECT u.i, u.project, u.program, u.key, coalesce(a.customer, u.customer) AS customer
    FROM unnest($2::text::integer[], $3::text::integer[], string_to_array($4, chr(30), ''),
                $5::text::bigint[], string_to_array($6, chr(30), ''))
         WITH ORDINALITY AS u (project, program, name, customer, key, i)
    LEFT JOIN LATERAL (
        SELECT x.customer FROM alias x
        WHERE x.shard = $1 AND x.project = u.project AND x.kind = 'source' AND x.name = u.name
        LIMIT 1
    ) AS a ON true
    ORDER BY 5, 3, 1
) AS w
CROSS JOIN LATERAL (
    SELECT r.standing FROM member r
    WHERE r.shard = $1 AND r.customer = w.customer AND r.program = w.program
      AND r.erased_at IS NULL
    FOR UPDATE
) AS m
CROSS JOIN LATERAL (
    SELECT p.latest, j.clock FROM program p
    JOIN project j ON j.number = w.project
    WHERE p.number = w.program
    LIMIT 1
) AS c
LEFT JOIN LATERAL (
    SELECT r.n, r.digest, r.answer, r.points, r.amount FROM entry r
    WHERE r.shard = $1 AND r.program = w.program AND r.key = w.key AND r.customer = w.customer
    LIMIT 1
) AS e ON true
WHERE h.shard = $1;

-- name: resolve
-- Which customers the names in this shard's part of the alias table belong to: source ids first,
-- then names of any other kind but numbers.
SELECT u.i, a.customer, a.kind
FROM unnest($2::text::integer[], string_to_array($3, chr(30), ''))
     WITH ORDINALITY AS u (project, name, i)
CROSS JOIN LATERAL (
    SELECT x.customer, x.kind FROM alias x
    WHERE x.shard = $1 AND x.project = u.project AND x.name = u.name AND x.kind <> 'number'
    ORDER BY x.kind = 'source' DESC
    LIMIT 1
) AS a;

-- name: living
-- Which of these customers exist and are not erased, and their projects. Nobody is erased before the
-- transaction has ended: what it writes of them would be overlooked.
SELECT id, project FROM customer
WHERE shard = $1 AND id = ANY($2::bigint[]) AND erased_at IS NULL
ORDER BY id FOR KEY SHARE;

-- name: receipts
-- Receipts of keys, for customers that are not members (yet) of the program they are sent to.
SELECT u.i, e.n, e.digest, e.answer, e.points, e.amount
FROM unnest($2::text::bigint[], $3::text::integer[], string_to_array($4, chr(30), ''))
     WITH ORDINALITY AS u (customer, program, key, i)
CROSS JOIN LATERAL (
    SELECT r.n, r.digest, r.answer, r.points, r.amount FROM entry r
    WHERE r.shard = $1 AND r.program = u.program AND r.key = u.key AND r.customer = u.customer
    LIMIT 1
) AS e;

-- name: current
-- The newest rules of programs, and their projects' own clocks. Small tables only. A deleted program
-- is left out: a process that has slept since would make members whom nobody removes.
SELECT p.number, p.latest, j.clock
FROM program p
JOIN project j ON j.id = p.project
WHERE p.number = ANY($1::integer[]) AND p.state <> 'deleted';

-- name: reserve
-- Makes the rows of members-to-be, in order, so that nobody else can; those that are there already
-- are not answered.
INSERT INTO member (shard, customer, program, standing, balance, entries, seq, clock, version)
SELECT h.shard, u.customer, u.program, ''::bytea, 0, 0, 0, u.clock, u.version
FROM shard_head h
CROSS JOIN unnest($2::text::bigint[], $3::text::integer[], $4::text::integer[],
                  $5::text::integer[]) AS u (customer, program, clock, version)
WHERE h.shard = $1
ON CONFLICT DO NOTHING
RETURNING customer, program;

-- name: unreserve
-- Takes away reserved rows that nothing was recorded for.
DELETE FROM member m
USING unnest($2::text::bigint[], $3::text::integer[]) AS u (customer, program)
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
FROM unnest($2::text::bigint[], $3::text::integer[], string_to_array($4, chr(30), ''))
     WITH ORDINALITY AS u (customer, program, key, i)
CROSS JOIN LATERAL (
    SELECT r.* FROM entry r
    WHERE r.shard = $1 AND r.program = u.program AND r.key = u.key AND r.customer = u.customer
    LIMIT 1
) AS e;

-- name: history
-- All entries of one member, oldest first.
SELECT n, kind, occurred_at, recorded_at, points, amount, detail
FROM entry
WHERE shard = $1 AND customer = $2 AND program = $3
ORDER BY n;

-- name: add_entries
-- Appends to the ledger. The shard comes from the head's row.
INSERT INTO entry (shard, customer, program, n, kind, key, digest, occurred_at, recorded_at,
                   points, amount, detail, reverses, answer)
SELECT h.shard, u.customer, u.program, u.n, u.kind, u.key, decode(u.digest, 'hex'),
       u.occurred_at, u.recorded_at, u.points, u.amount, u.detail, u.reverses, u.answer
FROM shard_head h
CROSS JOIN unnest(
    $2::text::bigint[], $3::text::integer[], $4::text::integer[],
    string_to_array($5, chr(30)), string_to_array($6, chr(30)), string_to_array($7, chr(30)),
    $8::text::bigint[], $9::text::bigint[], $10::text::bigint[], $11::text::bigint[],
    string_to_array($12, chr(30), ''), $13::text::integer[], string_to_array($14, chr(30))
) AS u (customer, program, n, kind, key, digest, occurred_at, recorded_at, points, amount, detail,
        reverses, answer)
WHERE h.shard = $1;

-- name: update_members
-- What members are now, whose rows are there and locked.
INSERT INTO member AS m (shard, customer, program, standing, tier, since, expires_at, balance,
                         entries, seq, due_at, version, clock)
SELECT h.shard, u.customer, u.program, decode(u.standing, 'hex'), u.tier, u.since, u.expires_at,
       u.balance, u.entries, u.seq, u.due_at, u.version, 0
FROM shard_head h
CROSS JOIN unnest(
    $2::text::bigint[], $3::text::integer[], string_to_array($4, chr(30)),
    string_to_array($5, chr(30), ''), $6::text::bigint[], $7::text::bigint[], $8::text::bigint[],
    $9::text::integer[], $10::text::integer[], $11::text::bigint[], $12::text::integer[]
) AS u (customer, program, standing, tier, since, expires_at, balance, entries, seq, due_at,
        version)
WHERE h.shard = $1
ON CONFLICT (shard, customer, program) DO UPDATE
SET standing = excluded.standing, tier = excluded.tier, since = excluded.since,
    expires_at = excluded.expires_at, balance = excluded.balance, entries = excluded.entries,
    seq = excluded.seq, due_at = excluded.due_at, version = excluded.version, quarantined = NULL;

-- name: add_members
-- Members of customers that this transaction made: nobody else can know them.
INSERT INTO member (shard, customer, program, standing, tier, since, expires_at, balance, entries,
                    seq, due_at, version, clock)
SELECT h.shard, u.customer, u.program, decode(u.standing, 'hex'), u.tier, u.since, u.expires_at,
       u.balance, u.entries, u.seq, u.due_at, u.version, u.clock
FROM shard_head h
CROSS JOIN unnest(
    $2::text::bigint[], $3::text::integer[], string_to_array($4, chr(30)),
    string_to_array($5, chr(30), ''), $6::text::bigint[], $7::text::bigint[], $8::text::bigint[],
    $9::text::integer[], $10::text::integer[], $11::text::bigint[], $12::text::integer[],
    $13::text::integer[]
) AS u (customer, program, standing, tier, since, expires_at, balance, entries, seq, due_at,
        version, clock)
WHERE h.shard = $1;

-- name: raise_head
-- The last lock of a transaction: offsets for its events, and the instant at which they enter the
-- log, which never decreases.
UPDATE shard_head
SET head = head + $2, recorded_at = greatest(recorded_at, $3)
WHERE shard = $1
RETURNING head, recorded_at;

-- name: add_events
-- Appends to the log, right after its head was raised by as many; an id is what `ids.event_id` says.
-- The customer's profile is as it is now. `updated_at` is moved to this
-- change by saying it once more at the end, where every JSON reader takes the last one: the
-- customer's own row need not be written for each activity. Without a customer there is no project,
-- and the row is refused: no event is ever left out.
INSERT INTO event (shard, "offset", class, project, program, customer, id, recorded_at, body,
                   profile)
SELECT h.shard, h.head - $2 + u.i, u.class, c.project, u.program, u.customer,
       'evt_' || lpad(to_hex(u.customer), 14, '0')
              || left(encode(sha256(convert_to(u.fact || chr(31) || h.recorded_at, 'UTF8')), 'hex'), 20),
       h.recorded_at, u.body,
       left(c.profile, -1) || ',"updated_at":' || greatest(c.updated_at, u.changed_at) || '}'
FROM shard_head h
CROSS JOIN unnest($3::text::integer[], $4::text::bigint[], string_to_array($5, chr(30)),
                  string_to_array($6, chr(30)), string_to_array($7, chr(30)), $8::text::bigint[])
     WITH ORDINALITY AS u (program, customer, class, fact, body, changed_at, i)
LEFT JOIN LATERAL (
    SELECT r.project, r.profile, r.updated_at FROM customer r
    WHERE r.shard = $1 AND r.id = u.customer
    LIMIT 1
) AS c ON true
WHERE h.shard = $1;

-- name: still_leased
-- In the middle of a message only an error stops what comes after it: a division by zero where the
-- lease has passed to somebody else.
SELECT 1 / count(*) FROM lease WHERE shard = $1 AND name = $2 AND generation = $3;

-- name: add_audit
-- Lines of the audit log, about members of this shard. The shard comes from the head's row.
INSERT INTO member_audit (shard, id, at, project, program, customer, entry, actor_kind, actor, kind,
                          "before", "after")
SELECT h.shard, u.id, u.at, u.project, u.program, u.customer, u.entry, u.actor_kind, u.actor,
       u.kind, u."before", u."after"
FROM shard_head h
CROSS JOIN unnest(
    string_to_array($2, chr(30)), $3::text::bigint[], $4::text::integer[], $5::text::integer[],
    $6::text::bigint[], $7::text::integer[], string_to_array($8, chr(30)),
    string_to_array($9, chr(30)), string_to_array($10, chr(30)),
    string_to_array($11, chr(30), ''), string_to_array($12, chr(30), '')
) AS u (id, at, project, program, customer, entry, actor_kind, actor, kind, "before", "after")
WHERE h.shard = $1;
