-- The log and what follows it: slices, cursors, lanes, attempts, health, processes.
-- A sender's write begins with `advance`, which is also the fence: what it does not return belongs
-- to somebody else now. Rows come as columns of text (`store/column_encoding.py`).

-- name: heads
-- The newest offset of every shard: the sender's fallback poll.
-- wide: one row per shard, read by key order; shards are few, or the poll is one fan-out
SELECT shard, head, log_start FROM shard_head

-- name: heads_of
-- The same of some shards, while the others are away.
-- wide: on a distributed database it goes to the nodes that hold these shards, and to no other
SELECT shard, head, log_start FROM shard_head WHERE shard = ANY($1::smallint[])

-- name: head
-- One shard's newest offset, its instant, and where its log starts.
SELECT head, recorded_at, log_start FROM shard_head WHERE shard = $1

-- name: slice
-- The next events of a shard.
SELECT "offset", class, project, program, customer, id, recorded_at, body, profile
FROM event WHERE shard = $1 AND "offset" > $2 ORDER BY "offset" LIMIT $3

-- name: slice_of
-- The next events of one project and class, up to an offset.
SELECT "offset", class, project, program, customer, id, recorded_at, body, profile
FROM event
WHERE shard = $1 AND project = $2 AND class = $3 AND "offset" > $4 AND "offset" <= $5
ORDER BY "offset" LIMIT $6

-- name: slices_of
-- The next events of one project and class in several shards, so many of each, up to an offset of
-- each; one after the other, in order.
-- wide: for a database that is in one place; on a distributed one `slice_of` is sent to each shard
SELECT e."offset", e.class, e.project, e.program, e.customer, e.id, e.recorded_at, e.body,
       e.profile, v.shard
FROM unnest($3::text::smallint[], $4::text::bigint[], $5::text::bigint[], $6::text::integer[])
    AS v(shard, after, upto, most)
CROSS JOIN LATERAL (
    SELECT * FROM event
    WHERE event.shard = v.shard AND event.project = $1 AND event.class = $2
      AND event."offset" > v.after AND event."offset" <= v.upto
    ORDER BY event."offset" LIMIT v.most
) e

-- name: slice_of_customers
-- The next events of several customers, each from its own offset on.
SELECT e."offset", e.class, e.project, e.program, e.customer, e.id, e.recorded_at, e.body,
       e.profile
FROM unnest($2::text::bigint[], $3::text::bigint[], $4::text::bigint[])
    AS v(customer, head, upto)
CROSS JOIN LATERAL (
    SELECT * FROM event
    WHERE event.shard = $1 AND event.customer = v.customer
      AND event."offset" >= v.head AND event."offset" <= v.upto
    ORDER BY event."offset" LIMIT $5
) e

-- name: newest_of_customer
-- A customer's newest events up to an offset, newest first.
SELECT "offset", class, project, program, customer, id, recorded_at, body, profile
FROM event WHERE shard = $1 AND customer = $2 AND "offset" <= $3 AND "offset" >= $4
ORDER BY "offset" DESC LIMIT $5

-- name: at_offsets
-- Some events by offset.
SELECT "offset", class, project, program, customer, id, recorded_at, body, profile
FROM event WHERE shard = $1 AND "offset" = ANY($2::bigint[]) ORDER BY "offset"

-- name: ids_at
-- The ids of the events at an offset of each of several shards.
-- wide: one row per shard by key, to tell whether a feed's cursor fits the log
SELECT event.shard, event.id
FROM (SELECT unnest($1::text::smallint[]) AS shard, unnest($2::text::bigint[]) AS "offset") v
JOIN event ON event.shard = v.shard AND event."offset" = v."offset"

-- name: recorded_at
-- When an offset was recorded: instants never decrease along the log.
SELECT recorded_at FROM event WHERE shard = $1 AND "offset" = $2

-- name: before_in_sandbox
-- Where a sandbox's own time begins: its members' events one after another, for they are few and in the
-- order of the log. None of that instant: the head. The clock's own time is in the body.
SELECT coalesce(
    (SELECT e."offset" - 1 FROM event e
     WHERE e.shard = $1 AND e.project = $2 AND e.class <> 'ops' AND e."offset" >= h.log_start
       AND (e.body::json ->> 'at')::bigint >= $3
     ORDER BY e."offset" LIMIT 1),
    h.head
)
FROM shard_head h WHERE h.shard = $1

-- name: by_id
-- An event by its id, among its customer's.
SELECT "offset", class, project, program, customer, id, recorded_at, body, profile
FROM event WHERE shard = $1 AND customer = $2 AND id = $3

-- name: ops_by_id
-- An operational event by its id, among its project's.
SELECT "offset", class, project, program, customer, id, recorded_at, body, profile
FROM event WHERE shard = $1 AND project = $2 AND class = 'ops' AND id = $3

-- name: take_over
-- A new owner: raises the generation of its endpoints' cursors before it reads them.
UPDATE cursor SET generation = generation + 1
WHERE shard = $1 AND endpoint = ANY($2::integer[])
RETURNING endpoint, run, mark, done, generation, plan

-- name: open_cursors
-- Cursors that have no row yet.
INSERT INTO cursor (shard, endpoint, run, mark, done, generation, plan)
SELECT h.shard, v.endpoint, v.run, v.mark, ''::bytea, 1, v.plan
FROM shard_head h
CROSS JOIN unnest(
    $2::text::integer[], $3::text::integer[], $4::text::bigint[],
    string_to_array($5::text, chr(30), '')
) AS v(endpoint, run, mark, plan)
WHERE h.shard = $1
ON CONFLICT (shard, endpoint, run) DO NOTHING
RETURNING endpoint, run, mark, done, generation, plan

-- name: lanes_of
-- The lanes of some endpoints.
SELECT endpoint, run, key, head, attempt, due_at, state, format, first_at
FROM lane WHERE shard = $1 AND endpoint = ANY($2::integer[]) ORDER BY endpoint, run, head

-- name: advance
-- The fence and the cursors' progress in one; returns those that are still ours. A single bitmap
-- that is empty comes as no element at all.
UPDATE cursor SET mark = v.mark, done = decode(coalesce(v.done, ''), 'hex')
FROM unnest(
    $2::text::integer[], $3::text::integer[], $4::text::bigint[],
    string_to_array($5::text, chr(30)), $6::text::bigint[]
) AS v(endpoint, run, mark, done, generation)
WHERE cursor.shard = $1 AND cursor.endpoint = v.endpoint AND cursor.run = v.run
  AND cursor.generation = v.generation
RETURNING cursor.endpoint, cursor.run

-- name: put_lanes
-- New and changed lanes.
INSERT INTO lane (shard, endpoint, run, key, head, attempt, due_at, state, format, first_at)
SELECT h.shard, v.endpoint, v.run, v.key, v.head, v.attempt, v.due_at, v.state,
       coalesce(v.format, ''), v.first_at
FROM shard_head h
CROSS JOIN unnest(
    $2::text::integer[], $3::text::integer[], $4::text::bigint[], $5::text::bigint[],
    $6::text::integer[], $7::text::bigint[], string_to_array($8::text, chr(30)),
    string_to_array($9::text, chr(30)), $10::text::bigint[]
) AS v(endpoint, run, key, head, attempt, due_at, state, format, first_at)
WHERE h.shard = $1
ON CONFLICT (shard, endpoint, run, key) DO UPDATE
SET head = excluded.head, attempt = excluded.attempt, due_at = excluded.due_at,
    state = excluded.state, format = excluded.format, first_at = excluded.first_at

-- name: drop_lanes
-- Lanes that have nothing left.
DELETE FROM lane
USING unnest($2::text::integer[], $3::text::integer[], $4::text::bigint[]) AS v(endpoint, run, key)
WHERE lane.shard = $1 AND lane.endpoint = v.endpoint AND lane.run = v.run AND lane.key = v.key

-- name: add_attempts
-- The attempt log; a write that is repeated after an unknown commit adds nothing twice.
INSERT INTO attempt (shard, endpoint, at, delivery, number, "offset", event, status, outcome,
                     took_ms, detail)
SELECT h.shard, v.endpoint, v.at, v.delivery, v.number, v."offset", v.event, nullif(v.status, 0),
       v.outcome, v.took_ms, v.detail
FROM shard_head h
CROSS JOIN unnest(
    $2::text::integer[], $3::text::bigint[], string_to_array($4::text, chr(30)),
    $5::text::integer[], $6::text::bigint[], string_to_array($7::text, chr(30)),
    $8::text::smallint[], string_to_array($9::text, chr(30)), $10::text::integer[],
    string_to_array($11::text, chr(30))
) AS v(endpoint, at, delivery, number, "offset", event, status, outcome, took_ms, detail)
WHERE h.shard = $1
ON CONFLICT (shard, endpoint, at, delivery, number) DO NOTHING

-- name: raise_head
-- Room for events; the last lock before they are written.
UPDATE shard_head SET head = head + $2, recorded_at = greatest(recorded_at, $3)
WHERE shard = $1 RETURNING head, recorded_at

-- name: add_ops_event
-- An operational event, in the shard of the member or in its endpoint's home shard.
INSERT INTO event (shard, "offset", class, project, program, customer, id, recorded_at, body)
VALUES ($1, $2, 'ops', $3, $4, $5, $6, $7, $8)

-- name: hold_cursor
-- The fence of what is no cursor's progress: while it is held, nobody takes the cursor over.
SELECT generation FROM cursor
WHERE shard = $1 AND endpoint = $2 AND run = 0 AND generation = $3 FOR SHARE

-- name: health_of
-- What the sender knows of some endpoints, in their home shard.
SELECT endpoint, body FROM health WHERE shard = $1 AND endpoint = ANY($2::integer[])

-- name: put_health
-- A change of an endpoint's state.
INSERT INTO health (shard, endpoint, state, since, body) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (shard, endpoint) DO UPDATE
SET state = excluded.state, since = excluded.since, body = excluded.body

-- name: cursors_of
-- Where an endpoint's cursors stand.
SELECT run, mark, generation, plan FROM cursor WHERE shard = $1 AND endpoint = $2 ORDER BY run

-- name: generations
-- Whose some endpoints' cursors are: the generation is their owner's.
SELECT endpoint, run, generation FROM cursor
WHERE shard = $1 AND endpoint = ANY($2::integer[])

-- name: fence
-- Takes an endpoint's cursors out of their owner's hands.
UPDATE cursor SET generation = generation + 1 WHERE shard = $1 AND endpoint = $2

-- name: rewind
-- Moves the live cursor back; whoever owned it must read it again.
UPDATE cursor SET mark = $3, done = ''::bytea, generation = generation + 1
WHERE shard = $1 AND endpoint = $2 AND run = 0 AND mark > $3 RETURNING mark

-- name: drop_run
-- Ends a run.
DELETE FROM cursor WHERE shard = $1 AND endpoint = $2 AND run = $3

-- name: drop_run_lanes
-- Ends a run's lanes.
DELETE FROM lane WHERE shard = $1 AND endpoint = $2 AND run = $3

-- name: drop_lanes_above
-- What the live cursor, moved back, covers again.
DELETE FROM lane WHERE shard = $1 AND endpoint = $2 AND run = 0 AND head > $3

-- name: drop_endpoint
-- A deleted endpoint keeps no cursor.
DELETE FROM cursor WHERE shard = $1 AND endpoint = $2

-- name: drop_endpoint_lanes
-- Nor lanes.
DELETE FROM lane WHERE shard = $1 AND endpoint = $2

-- name: make_due
-- What waits after a failure waits no longer; a parked lane starts its schedule anew.
UPDATE lane
SET attempt = CASE WHEN state = 'parked' THEN 0 ELSE attempt END, due_at = $3, state = 'retrying'
WHERE shard = $1 AND endpoint = $2 AND (state = 'parked' OR due_at > $3)

-- name: lanes_listed
-- Lanes as people see them, oldest head first.
SELECT run, key, head, attempt, due_at, state, first_at FROM lane
WHERE shard = $1 AND endpoint = $2 ORDER BY head LIMIT $3

-- name: lanes_by_head
-- The lanes whose head is an event of a customer, of a kind, or both; null: of any.
SELECT lane.run, lane.key, lane.head, lane.attempt, lane.due_at, lane.state, lane.first_at
FROM lane JOIN event ON event.shard = lane.shard AND event."offset" = lane.head
WHERE lane.shard = $1 AND lane.endpoint = $2
  AND ($3::bigint IS NULL OR event.customer = $3)
  AND ($4::text IS NULL OR event.body::json ->> 'kind' = $4)
ORDER BY lane.head LIMIT $5

-- name: lanes_of_key
-- The lanes of a key, of every run, that begin at an offset or before it.
SELECT run, key, head, attempt, due_at, state, first_at FROM lane
WHERE shard = $1 AND endpoint = $2 AND key = $3 AND head <= $4 ORDER BY run

-- name: lanes_counted
-- How many lanes wait, by state.
SELECT state, count(*) AS count, min(head) AS oldest FROM lane
WHERE shard = $1 AND endpoint = $2 GROUP BY state

-- name: count_between
-- How many events of a project and class lie between two offsets, counted up to a limit.
SELECT count(*) FROM (
    SELECT 1 FROM event
    WHERE shard = $1 AND project = $2 AND class = $3 AND "offset" > $4 AND "offset" <= $5 LIMIT $6
) counted

-- name: attempts_of
-- An endpoint's attempts, newest first.
SELECT at, delivery, number, "offset", event, status, outcome, took_ms, detail FROM attempt
WHERE shard = $1 AND endpoint = $2 AND at < $3 ORDER BY at DESC, delivery, number DESC LIMIT $4

-- name: old_attempts
-- Forgets a chunk of attempts that are older than they need be.
WITH old AS (
    SELECT at, delivery, number FROM attempt
    WHERE shard = $1 AND endpoint = $2 AND at < $3 ORDER BY at LIMIT $4
)
DELETE FROM attempt USING old
WHERE attempt.shard = $1 AND attempt.endpoint = $2 AND attempt.at = old.at
  AND attempt.delivery = old.delivery AND attempt.number = old.number

-- name: with_old_attempts
-- Endpoints, deleted ones too, with attempts that are older than they need be.
SELECT e.number AS endpoint FROM endpoint e
WHERE EXISTS (SELECT 1 FROM attempt a WHERE a.shard = $1 AND a.endpoint = e.number AND a.at < $2)
ORDER BY e.number

-- name: behind
-- Live cursors that have not passed an offset, or whose lanes begin at or below it.
SELECT c.endpoint, c.mark, l.head, l.lanes
FROM cursor c
CROSS JOIN LATERAL (
    SELECT min(lane.head) AS head, count(*) AS lanes FROM lane
    WHERE lane.shard = $1 AND lane.endpoint = c.endpoint AND lane.run = 0 AND lane.head <= $2
) l
WHERE c.shard = $1 AND c.run = 0 AND (c.mark < $2 OR l.lanes > 0)
ORDER BY c.endpoint

-- name: start_log
-- What lies below is dropped.
UPDATE shard_head SET log_start = $2 WHERE shard = $1 AND log_start < $2

-- name: drop_events
-- A chunk of what lies below the log's start.
WITH old AS (
    SELECT "offset" FROM event WHERE shard = $1 AND "offset" < $2 ORDER BY "offset" LIMIT $3
)
DELETE FROM event USING old WHERE event.shard = $1 AND event."offset" = old."offset"

-- name: beat
-- A sign of life, by the database's clock: machines need not agree on theirs. Answers whether the
-- process is asked to give up its work.
INSERT INTO process (id, roles, host, pid, version, endpoints, draining, started_at, beat_at)
VALUES ($1, $2, $3, $4, $5, $6, $7,
        (extract(epoch FROM now()) * 1000)::bigint, (extract(epoch FROM now()) * 1000)::bigint)
ON CONFLICT (id) DO UPDATE
SET beat_at = excluded.beat_at, roles = excluded.roles, endpoints = excluded.endpoints
RETURNING draining

-- name: processes
-- Who lives, by signs of life at most so many milliseconds old.
SELECT id, roles, host, pid, version, endpoints, draining, started_at, beat_at FROM process
WHERE beat_at > (extract(epoch FROM now()) * 1000)::bigint - $1::bigint ORDER BY id

-- name: ask_to_drain
-- Processes are to give up their work, or to take it up again.
UPDATE process SET draining = $2 WHERE id = ANY($1::text[])

-- name: leave
-- A process ends in order.
DELETE FROM process WHERE id = $1

-- name: bury
-- Processes that are proven dead, or long silent.
DELETE FROM process
WHERE id <> $1 AND ($2 OR beat_at < (extract(epoch FROM now()) * 1000)::bigint - $3::bigint)

-- name: notify
-- A hint to other processes: a shard's number, or a word for the catalog.
SELECT pg_notify($1, $2)
