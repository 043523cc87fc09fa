-- Erasing a customer. Each statement may be repeated, by two processes at once, to the same end.

-- name: begin
-- Notes that a customer is to be erased.
INSERT INTO erasure (shard, customer, project, step, begun_at, due_at, names)
SELECT h.shard, $2, $3, 'begun', $4, $4, $5 FROM shard_head h WHERE h.shard = $1
ON CONFLICT (shard, customer) DO NOTHING
RETURNING customer;

-- name: note
-- Who asked for it, in the audit log.
INSERT INTO member_audit (shard, id, project, program, customer, entry, at, actor_kind, actor, kind)
VALUES ($1, $2, $3, 0, $4, 0, $5, $6, $7, 'customer.erased');

-- name: one
-- How far a customer's erasure has come.
SELECT e.customer, e.project, e.step, e.begun_at, e.names,
       (SELECT c.erased_at FROM customer c WHERE c.shard = $1 AND c.id = e.customer) AS erased_at
FROM erasure e WHERE e.shard = $1 AND e.customer = $2;

-- name: due
-- Erasures that somebody has to go on with.
SELECT customer FROM erasure
WHERE shard = $1 AND due_at <= $2 AND customer > $3
ORDER BY customer LIMIT $4;

-- name: advance
-- A step is done, unless somebody else has noted that already.
UPDATE erasure SET step = $4, due_at = $5, names = CASE WHEN $6 THEN names END
WHERE shard = $1 AND customer = $2 AND step = $3;

-- name: names_of
-- What a customer is called, as far as one shard knows.
SELECT kind, name FROM alias WHERE shard = $1 AND customer = $2 ORDER BY kind, name;

-- name: drop_names
-- A customer's names in one shard.
DELETE FROM alias WHERE shard = $1 AND customer = $2;

-- name: add_fingerprints
-- What an erased customer was called.
INSERT INTO erased_name (shard, project, fingerprint, customer)
SELECT h.shard, $2, u.fingerprint, $4
FROM shard_head h CROSS JOIN unnest($3::text[]) AS u (fingerprint)
WHERE h.shard = $1
ON CONFLICT (shard, project, fingerprint) DO UPDATE SET customer = excluded.customer;

-- name: any_erased
-- Whether somebody of a project was erased, as far as one shard knows.
SELECT EXISTS (SELECT 1 FROM erased_name WHERE shard = $1 AND project = $2);

-- name: fingerprints
-- Which of these names were of somebody who was erased.
SELECT fingerprint, customer FROM erased_name
WHERE shard = $1 AND project = $2 AND fingerprint = ANY($3::text[]);

-- name: lock_members
-- All memberships of a customer, locked in order.
SELECT m.program, m.standing, m.tier, m.entries, m.seq, m.version FROM member m
WHERE m.shard = $1 AND m.customer = $2
ORDER BY m.program
FOR UPDATE OF m;

-- name: newest_entries
-- The numbers of a customer's newest entries. Read when the memberships are locked: who waited for
-- a lock sees of everything else what was there before.
SELECT program, max(n) AS n FROM entry WHERE shard = $1 AND customer = $2 GROUP BY program;

-- name: lock_member
-- One membership of somebody else, whose ledger loses a text.
SELECT m.standing, m.version, m.erased_at FROM member m
WHERE m.shard = $1 AND m.customer = $2 AND m.program = $3
FOR UPDATE OF m;

-- name: still_members
-- Time stands still for these memberships.
UPDATE member SET erased_at = $3, due_at = NULL, quarantined = NULL
WHERE shard = $1 AND customer = $2;

-- name: empty_customer
-- Nothing is left of a person but the ids that we made.
UPDATE customer
SET profile = $3, number = id, updated_at = $4, erased_at = $4, name_key = NULL, email_key = NULL
WHERE shard = $1 AND id = $2;

-- name: entries
-- The next entries of a customer's.
SELECT program, n, kind, key, detail FROM entry
WHERE shard = $1 AND customer = $2 AND (program, n) > ($3, $4)
ORDER BY program, n LIMIT $5;

-- name: rewrite_entries
-- What is left of a customer's entries: their numbers.
UPDATE entry e
SET key = 'erased' || chr(31) || e.n, digest = ''::bytea, detail = nullif(u.detail, ''),
    answer = 'null'
FROM unnest($3::integer[], $4::integer[], $5::text[]) AS u (program, n, detail)
WHERE e.shard = $1 AND e.customer = $2 AND e.program = u.program AND e.n = u.n;

-- name: drop_bookings
-- What a customer's ledgers hold of orders.
DELETE FROM order_booking WHERE shard = $1 AND customer = $2;

-- name: events
-- The next events of a customer's that say more than they may.
SELECT "offset", class, body FROM event
WHERE shard = $1 AND customer = $2 AND "offset" > $3
ORDER BY "offset" LIMIT $4;

-- name: rewrite_events
-- What is left of events.
UPDATE event v SET body = u.body, profile = NULL
FROM unnest($2::bigint[], $3::text[]) AS u ("offset", body)
WHERE v.shard = $1 AND v."offset" = u."offset";

-- name: points_events
-- Somebody's next events of points, from an instant on.
SELECT "offset", body FROM event
WHERE shard = $1 AND customer = $2 AND class = 'points' AND recorded_at >= $3
ORDER BY "offset";

-- name: rewrite_points_events
-- Events of somebody who stays, without a key of another's.
UPDATE event v SET body = u.body
FROM unnest($2::bigint[], $3::text[]) AS u ("offset", body)
WHERE v.shard = $1 AND v."offset" = u."offset";

-- name: entry
-- One entry of somebody's, by its key.
SELECT n, kind, recorded_at, detail FROM entry
WHERE shard = $1 AND program = $2 AND key = $3 AND customer = $4;

-- name: holders_of
-- Whose entries have a key: a transfer's second half lies with whoever got it.
SELECT customer FROM entry WHERE shard = $1 AND program = $2 AND key = $3 ORDER BY customer;

-- name: rewrite_entry
-- An entry of somebody's who stays, without another's text.
UPDATE entry SET key = $5, detail = $6, digest = CASE WHEN $7 THEN ''::bytea ELSE digest END
WHERE shard = $1 AND customer = $2 AND program = $3 AND n = $4;

-- name: arrivals
-- How second halves were decided that were to go a customer's way.
SELECT route, customer, program, key, recipient, refused FROM arrival
WHERE shard = $1 AND route = $2 ORDER BY customer, program, key;

-- name: rewrite_arrival
-- A refusal without its words.
UPDATE arrival SET refused = $6
WHERE shard = $1 AND route = $2 AND customer = $3 AND program = $4 AND key = $5;

-- name: drop_arrivals
-- What became of an erased sender's transfers.
DELETE FROM arrival WHERE shard = $1 AND customer = $2;

-- name: pending_orders
-- Orders that are not booked everywhere, whoever's they are.
SELECT name, buyer, pending FROM order_state
WHERE shard = $1 AND project = $2 AND pending_at IS NOT NULL ORDER BY name;

-- name: drop_orders
-- A customer's orders, and those of whoever had a name of theirs before they were known.
-- Locked by name, as statements of several orders lock them.
WITH theirs AS (
    SELECT name FROM order_state
    WHERE shard = $1 AND project = $2 AND pending IS NULL
      AND (customer = $3 OR customer = 0 AND buyer = ANY($4::text[]))
    ORDER BY name
    FOR UPDATE
)
DELETE FROM order_state o USING theirs t
WHERE o.shard = $1 AND o.project = $2 AND o.name = t.name AND o.pending IS NULL;

-- name: endpoints_of
-- All endpoints of a project, deleted ones too. Small tables only.
SELECT e.number FROM endpoint e JOIN project p ON p.id = e.project
WHERE p.number = $1 ORDER BY e.number;

-- name: first_event
-- When the first event of a customer's was recorded.
SELECT recorded_at FROM event WHERE shard = $1 AND customer = $2 ORDER BY "offset" LIMIT 1;

-- name: events_held
-- The next events of a customer's, as they stand in the log.
SELECT "offset", class, id, recorded_at, body, profile FROM event
WHERE shard = $1 AND customer = $2 AND "offset" > $3
ORDER BY "offset" LIMIT $4;

-- name: intents_held
-- A customer's points that are under way.
SELECT key, points, begun_at, body FROM intent
WHERE shard = $1 AND customer = $2 ORDER BY program, key;

-- name: attempts_held
-- The next attempts at an endpoint that told of a customer, whole.
SELECT at, delivery, number, event, status, outcome, took_ms, detail FROM attempt
WHERE shard = $1 AND endpoint = $2 AND (at, delivery, number) > ($3, $4, $5)
  AND (event LIKE $6 OR detail LIKE $7)
ORDER BY at, delivery, number LIMIT $8;

-- name: attempts
-- The next attempts at an endpoint that told of a customer.
SELECT at, delivery, number, detail FROM attempt
WHERE shard = $1 AND endpoint = $2 AND (at, delivery, number) > ($3, $4, $5)
  AND (event LIKE $6 OR detail LIKE $7)
ORDER BY at, delivery, number LIMIT $8;

-- name: rewrite_attempts
-- What is left of attempts: where, when, how long, and what came of it.
UPDATE attempt a SET detail = u.detail
FROM unnest($3::bigint[], $4::text[], $5::integer[], $6::text[]) AS u (at, delivery, number, detail)
WHERE a.shard = $1 AND a.endpoint = $2 AND a.at = u.at AND a.delivery = u.delivery
  AND a.number = u.number;

-- name: owed
-- Lanes whose head tells of a customer, with the newest attempt at it.
SELECT l.endpoint, l.run, l.key, l.head, l.attempt, v.id AS event,
       (SELECT a.delivery FROM attempt a
        WHERE a.shard = $1 AND a.endpoint = l.endpoint AND a.at >= l.first_at
          AND a."offset" = l.head
        ORDER BY a.at DESC LIMIT 1) AS delivery
FROM lane l
JOIN event v ON v.shard = l.shard AND v."offset" = l.head
WHERE l.shard = $1 AND v.customer = $2
ORDER BY l.endpoint, l.run, l.key;

-- name: drop_lane
-- Nothing of it is owed any more.
DELETE FROM lane WHERE shard = $1 AND endpoint = $2 AND run = $3 AND key = $4 AND head = $5;

-- name: go_on_lane
-- A lane of several customers' events goes on behind what is not owed any more.
UPDATE lane SET attempt = 0, due_at = $6, state = 'retrying', format = ''
WHERE shard = $1 AND endpoint = $2 AND run = $3 AND key = $4 AND head = $5;

-- name: fence
-- Whoever sends there reads again what is owed.
UPDATE cursor SET generation = generation + 1 WHERE shard = $1 AND endpoint = $2 AND run = $3;

-- name: settle
-- A delivery that will not be made, in the log of attempts.
INSERT INTO attempt (shard, endpoint, at, delivery, number, "offset", event, status, outcome,
                     took_ms, detail)
SELECT h.shard, $2, $3, $4, $5, $6, $7, NULL, 'erased', 0, $8
FROM shard_head h WHERE h.shard = $1
ON CONFLICT (shard, endpoint, at, delivery, number) DO NOTHING;

-- name: not_erased
-- The next customers of a project who are not erased, or not to the end; nobody of a project that is
-- neither being erased nor deleted, as one whose erasure another process has ended. (Beside a small
-- table a subquery that takes its shard from the row, not from $1, is no single task on a cluster.)
SELECT c.id FROM customer c
JOIN project p ON p.number = c.project AND p.state IN ('erasing', 'deleted')
WHERE c.shard = $1 AND c.project = $2 AND c.id > $3
  AND (c.erased_at IS NULL
       OR EXISTS (SELECT 1 FROM erasure e
                  WHERE e.shard = $1 AND e.customer = c.id
                    AND e.step NOT IN ('cleared', 'ended')))
ORDER BY c.id LIMIT $4;

-- name: erased_since
-- How many customers of a project were erased since then.
SELECT count(*) FROM customer WHERE shard = $1 AND project = $2 AND erased_at >= $3;

-- name: forget_orders
-- A project's orders, when nobody is left who might have them; none where it goes on again.
-- Locked by name, as statements of several orders lock them.
WITH theirs AS (
    SELECT o.name FROM order_state o
    WHERE o.shard = $1 AND o.project = $2
      AND EXISTS (SELECT 1 FROM project p
                  WHERE p.number = $2 AND p.state IN ('erasing', 'deleted'))
    ORDER BY o.name
    FOR UPDATE
)
DELETE FROM order_state o USING theirs t
WHERE o.shard = $1 AND o.project = $2 AND o.name = t.name;

-- name: forget_names
-- Who was erased in a project that is no more; nobody where it goes on again.
DELETE FROM erased_name n USING project p
WHERE n.shard = $1 AND n.project = $2
  AND p.number = n.project AND p.state IN ('erasing', 'deleted');
