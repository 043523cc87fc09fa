-- The audit log, newest first: a page of the small tables' lines, and one of each shard's.

-- name: page
-- Lines of the small tables, of a project or (null) of all.
SELECT a.id, a.project, a.at, a.actor_kind, a.actor, a.kind, a.object, a."before", a."after"
FROM audit a
WHERE a.id < $1 AND a.id >= $2
  AND ($3::integer IS NULL OR a.project = $3)
  AND ($4::text IS NULL OR a.actor = $4)
  AND ($5::text IS NULL OR a.kind = $5 OR split_part(a.kind, '.', 1) = $5)
  AND ($6::text IS NULL OR a.object = $6)
ORDER BY a.id DESC LIMIT $7;

-- name: member_page
-- Lines about members, of one shard.
SELECT a.id, a.project, a.at, a.actor_kind, a.actor, a.kind, p.id AS program, a.customer, a.entry,
       a."before", a."after"
FROM member_audit a
LEFT JOIN program p ON p.number = a.program
WHERE a.shard = $1 AND a.id < $2 AND a.id >= $3
  AND ($4::integer IS NULL OR a.project = $4)
  AND ($5::text IS NULL OR a.actor = $5)
  AND ($6::text IS NULL OR a.kind = $6 OR split_part(a.kind, '.', 1) = $6)
  AND ($7::bigint IS NULL OR a.customer = $7)
ORDER BY a.id DESC LIMIT $8;
