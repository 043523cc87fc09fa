-- What is kept for a time: texts go before the rows that they stand in.

-- name: attempts_before
-- The next attempts at an endpoint that began before an instant.
SELECT at, delivery, number, detail FROM attempt
WHERE shard = $1 AND endpoint = $2 AND (at, delivery, number) > ($3, $4, $5) AND at < $6
ORDER BY at, delivery, number LIMIT $7;

-- name: rewrite_attempts
-- Attempts without what was sent and answered.
UPDATE attempt a SET detail = u.detail
FROM unnest($3::bigint[], $4::text[], $5::integer[], $6::text[]) AS u (at, delivery, number, detail)
WHERE a.shard = $1 AND a.endpoint = $2 AND a.at = u.at AND a.delivery = u.delivery
  AND a.number = u.number;

-- name: endpoints
-- All endpoints, deleted ones too. Small tables only.
SELECT number FROM endpoint ORDER BY number;

-- name: profiles_before
-- The places of the next events with a profile, up to one.
SELECT "offset" FROM event
WHERE shard = $1 AND "offset" > $2 AND "offset" <= $3 AND profile IS NOT NULL
ORDER BY "offset" LIMIT $4;

-- name: drop_profiles
-- Events without the customers as they were then.
UPDATE event SET profile = NULL WHERE shard = $1 AND "offset" = ANY($2::bigint[]);

-- name: old_member_audit
-- A chunk of lines about members that are older than they need be.
SELECT id FROM member_audit WHERE shard = $1 AND id < $2 ORDER BY id LIMIT $3;

-- name: drop_member_audit
-- Lines about members.
DELETE FROM member_audit WHERE shard = $1 AND id = ANY($2::text[]);

-- name: drop_audit
-- Lines of the small tables that are older than they need be. Who made a key stays: nobody approves
-- what a key of theirs proposed. Small tables only.
DELETE FROM audit WHERE id < $1 AND NOT (kind = 'key.created' AND strpos(object, '.') = 0);
