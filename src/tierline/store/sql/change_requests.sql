-- Changes of programs that somebody proposes: a small table, written with the catalog.

-- name: asks_for_approval
-- Whether a project's programs change only with a second person's approval, as it is now.
SELECT coalesce((body::json ->> 'program_approval')::boolean, false) FROM project WHERE number = $1

-- name: add
-- A change that somebody proposes, based on the program's newest version.
INSERT INTO change_request (id, project, program, based_on, body, request, effective_at, on_change,
                            supersede, reason, proposed_at, proposer_kind, proposer)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)

-- name: newest_version
-- The number of a program's newest version; no row where there is no such program.
SELECT latest FROM program WHERE project = $1 AND id = $2 AND state <> 'deleted'

-- name: count_open
-- How many changes of a project wait.
SELECT count(*) FROM change_request WHERE project = $1 AND state = 'open'

-- name: one
-- One proposed change, as it is now.
SELECT id, program, based_on, body, request, effective_at, on_change, supersede, reason, state,
       proposed_at, proposer_kind, proposer, decided_at, decider, version
FROM change_request WHERE project = $1 AND id = $2

-- name: page
-- The proposed changes of a project, of one program or of all, the newest first.
SELECT id, program, based_on, body, request, effective_at, on_change, supersede, reason, state,
       proposed_at, proposer_kind, proposer, decided_at, decider, version
FROM change_request
WHERE project = $1 AND ($2::text IS NULL OR state = $2) AND ($3::text IS NULL OR program = $3)
  AND ($4::text IS NULL OR id < $4)
ORDER BY id DESC LIMIT $5

-- name: decide
-- What became of it; no row where that is decided already.
UPDATE change_request SET state = $3, decided_at = $4, decider = $5, version = $6
WHERE project = $1 AND id = $2 AND state = 'open'
RETURNING id

-- name: key_makers
-- Who made a key, or a key that it was made with.
WITH RECURSIVE maker AS (
    SELECT actor_kind, actor FROM audit WHERE object = $1 AND kind = 'key.created'
    UNION
    SELECT a.actor_kind, a.actor
    FROM maker m
    JOIN audit a ON a.object = m.actor AND a.kind = 'key.created'
    WHERE m.actor_kind = 'key'
)
SELECT actor FROM maker WHERE actor_kind = 'user'
