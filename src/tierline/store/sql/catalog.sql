-- The small tables: projects, keys, programs with their versions, endpoints. Reference tables on a
-- distributed database: written alone, one transaction each, which begins with `raise_revision`.

-- name: revision
-- How many changes the small tables have seen; caches ask for this and then only for what is newer.
SELECT revision FROM installation WHERE id = 1

-- name: raise_revision
-- Begins every change: serialises them, so that rows become visible in the order of revisions.
UPDATE installation SET revision = revision + 1 WHERE id = 1 RETURNING revision

-- name: projects_since
-- Projects changed after a revision.
SELECT number, id, clock, body, secrets, number_floor, state FROM project WHERE revision > $1 ORDER BY number

-- name: keys_since
-- API keys changed after a revision; disabled ones too, so that caches forget them.
SELECT k.id, p.number AS project, k.kind, k.lookup, k.hash, k.scopes, k.label, k.created_at,
       k.disabled_at, k.revoked, k.beginning
FROM api_key k JOIN project p ON p.id = k.project
WHERE k.revision > $1 ORDER BY k.created_at, k.id

-- name: programs_since
-- Programs changed after a revision.
SELECT r.number, p.number AS project, r.id, r.latest, r.state, r.ended_at
FROM program r JOIN project p ON p.id = r.project
WHERE r.revision > $1 ORDER BY r.number

-- name: endpoints_since
-- Endpoints changed after a revision; deleted ones too, so that caches forget them.
SELECT e.number, e.id, p.number AS project, e.body, e.secrets, e.state, e.revision, e.start_at,
       e.created_at, e.updated_at
FROM endpoint e JOIN project p ON p.id = e.project
WHERE e.revision > $1 ORDER BY e.number

-- name: add_project
-- A new project; its number is the next free one.
INSERT INTO project (id, number, clock, body, secrets, revision, created_at)
SELECT $1, coalesce(max(number), 0) + 1, $2, $3, NULL, $4, $5 FROM project
ON CONFLICT (id) DO NOTHING
RETURNING number

-- name: project_body
-- A project as it is stored now, inside the transaction that changes it.
SELECT body FROM project WHERE number = $1

-- name: change_project
-- Another name, zone, currency or presentation.
UPDATE project SET body = $2, revision = $3 WHERE number = $1

-- name: living_project
-- No row for a project that is deleted.
SELECT number FROM project WHERE number = $1 AND state <> 'deleted'

-- name: change_project_state
-- A project is paused, or goes on; no row where it is deleted, or being erased.
UPDATE project SET state = $2, revision = $3
WHERE number = $1 AND state NOT IN ('deleted', 'erasing')
RETURNING number

-- name: begin_erasing_project
-- Nothing new is taken until all of its people are erased; no row where that has begun, or where it
-- is deleted.
UPDATE project SET state = 'erasing', erasing_at = $2, revision = $3
WHERE number = $1 AND state NOT IN ('deleted', 'erasing')
RETURNING number

-- name: end_erasing_project
-- All of its people are erased; no row where somebody else has noted that.
UPDATE project SET state = 'paused', revision = $2
WHERE number = $1 AND state = 'erasing'
RETURNING erasing_at

-- name: erasing_since
-- When erasing a project began; no row where it is not being erased.
SELECT erasing_at FROM project WHERE number = $1 AND state = 'erasing'

-- name: delete_project
-- Nobody finds a project any more, and it signs nothing; no row where it is deleted already.
UPDATE project SET state = 'deleted', deleted_at = $2, secrets = NULL, revision = $3
WHERE number = $1 AND state <> 'deleted'
RETURNING number

-- name: delete_programs_of
-- With it go its programs.
UPDATE program SET state = 'deleted', deleted_at = $2, revision = $3
WHERE project = $1 AND state <> 'deleted'

-- name: disable_keys_of
-- And its keys.
UPDATE api_key SET disabled_at = $2, revision = $3 WHERE project = $1 AND disabled_at IS NULL

-- name: delete_endpoints_of
-- And its endpoints.
UPDATE endpoint SET state = 'deleted', updated_at = $2, revision = $3
WHERE project = $1 AND state <> 'deleted'

-- name: program_state
-- A program's state, inside the transaction that changes it.
SELECT number, state, ended_at FROM program WHERE project = $1 AND id = $2

-- name: change_program_state
-- A program is paused, ends, or goes on.
UPDATE program SET state = $2, ended_at = $3, revision = $4 WHERE number = $1

-- name: delete_program
-- A program takes nothing at all any more; its row and versions stay, for events name them.
UPDATE program SET state = 'deleted', deleted_at = $2, revision = $3 WHERE number = $1

-- name: project_clock
-- A sandbox's own time, inside the transaction of a change; null for wall time.
SELECT clock FROM project WHERE number = $1

-- name: move_clock
-- A sandbox's clock moves forward only; no row when it is not one, or is later already.
UPDATE project SET clock = $2, revision = $3
WHERE number = $1 AND clock IS NOT NULL AND clock <= $2
RETURNING clock

-- name: seal_project
-- The project's own signing secrets, encrypted.
UPDATE project SET secrets = $2, revision = $3 WHERE number = $1

-- name: raise_number_floor
-- Imported customer numbers lie at or below this; numbers made here lie above it.
UPDATE project SET number_floor = greatest(number_floor, $2), revision = $3 WHERE number = $1

-- name: project_secrets
-- One project's signing secrets as they are now.
SELECT secrets FROM project WHERE number = $1

-- name: add_key
-- A new key: only a hash of its secret part.
INSERT INTO api_key (id, project, kind, lookup, hash, scopes, label, revision, created_at, beginning)
SELECT $1, p.id, $3, $4, $5, $6, $7, $8, $9, $10 FROM project p WHERE p.number = $2

-- name: note_uses
-- These keys were used. Many processes say so, none of them more often than it must.
UPDATE api_key SET last_used_at = $2 WHERE id = ANY($1) AND coalesce(last_used_at, 0) < $2;

-- name: last_uses
-- When a project's keys were used last.
SELECT k.id, k.last_used_at FROM api_key k JOIN project p ON p.id = k.project WHERE p.number = $1;

-- name: any_key
-- Whether a project has a key, or had one.
SELECT EXISTS (
    SELECT 1 FROM api_key k JOIN project p ON p.id = k.project WHERE p.number = $1
)

-- name: disable_key
-- Disables a key with its further doors (`key_1`, `key_1.management`); no row when there is none.
-- A shared door ($5) came with the first key of its kind, and is for all: it ends with the last.
UPDATE api_key k SET disabled_at = coalesce(disabled_at, $3), revision = $2
WHERE (
    k.id = $1
    OR (split_part(k.id, '.', 1) = $1 AND k.kind <> ALL($5::text[]))
    OR (
        k.kind = ANY($5::text[])
        AND EXISTS (
            SELECT 1 FROM api_key g
            WHERE g.id = $1 AND g.kind = split_part(k.kind, '.', 1) AND g.project = k.project
        )
        AND NOT EXISTS (
            SELECT 1 FROM api_key o
            WHERE o.id <> $1 AND o.kind = split_part(k.kind, '.', 1) AND o.project = k.project
              AND o.disabled_at IS NULL
        )
    )
)
  AND ($4::integer IS NULL OR k.project = (SELECT p.id FROM project p WHERE p.number = $4))
RETURNING k.id

-- name: door
-- A key by what the caller names it by: whether it opens nothing any more, and what it may do.
SELECT disabled_at IS NOT NULL AS dead, scopes FROM api_key WHERE lookup = $1

-- name: program_row
-- A program, inside the transaction that changes it.
SELECT number, latest, state FROM program WHERE project = $1 AND id = $2

-- name: add_program
-- A new program; its number is the next free one.
INSERT INTO program (number, project, id, latest, revision, created_at)
SELECT coalesce(max(number), 0) + 1, $1, $2, 1, $3, $4 FROM program
RETURNING number

-- name: raise_latest
-- A program got a newer version.
UPDATE program SET latest = $2, revision = $3 WHERE number = $1

-- name: add_version
-- A version of a program: never changed afterwards.
INSERT INTO program_version (program, number, effective_at, recorded_at, on_change, body, request)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- name: latest_version
-- What a new version is compared with.
SELECT effective_at, body FROM program_version
WHERE program = $1 AND number = $2

-- name: versions
-- All versions of some programs, each program's oldest first.
SELECT program, number, effective_at, on_change, body FROM program_version
WHERE program = ANY($1::int[]) ORDER BY program, number

-- name: version_request
-- What the caller sent to make a version, verbatim.
SELECT request FROM program_version WHERE program = $1 AND number = $2

-- name: add_endpoint
-- A new endpoint; its number is the next free one.
INSERT INTO endpoint (number, id, project, body, secrets, state, revision, start_at, created_at,
                      updated_at)
SELECT coalesce(max(e.number), 0) + 1, $1, $2, $3, $4, $5, $6, $7, $8, $8 FROM endpoint e
RETURNING number

-- name: endpoint_row
-- An endpoint, inside the transaction that changes it.
SELECT e.id, e.project, p.number AS owner, e.body, e.secrets, e.state, e.revision, e.start_at,
       e.created_at
FROM endpoint e JOIN project p ON p.id = e.project WHERE e.number = $1

-- name: change_endpoint
-- Another body, secret or state.
UPDATE endpoint SET body = $2, secrets = $3, state = $4, revision = $5, updated_at = $6
WHERE number = $1

-- name: has_members
-- Whether any program of a project has a member, in one shard: its zone and currency are fixed then.
SELECT 1 AS one FROM member WHERE shard = $1 AND program = ANY($2) LIMIT 1

-- name: add_audit
-- A line of the audit log, in the transaction of the change.
INSERT INTO audit (id, project, at, actor_kind, actor, kind, object, "before", "after")
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: key_row
-- A key, for the audit log.
SELECT p.number AS project, k.kind, k.disabled_at FROM api_key k JOIN project p ON p.id = k.project
WHERE k.id = $1

-- name: revoked_tokens
-- The revoked tokens of a key, inside the transaction that adds one.
SELECT revoked FROM api_key WHERE id = $1

-- name: revoke_token
-- The revoked tokens of a key: those that have not expired, and one more.
UPDATE api_key SET revoked = $2, revision = $3 WHERE id = $1

-- name: imports_since
-- Imports that ended, for the server's log.
SELECT a.id, p.id AS project, a."after"
FROM audit a JOIN project p ON p.number = a.project
WHERE a.id > $1 AND a.kind = 'import.ended' ORDER BY a.id

-- name: keep_digest_key
-- The key of digests, made once. Small tables only.
UPDATE installation SET digest_key = $1 WHERE id = 1 AND digest_key IS NULL;

-- name: digest_key
-- The key of digests, sealed. Small tables only.
SELECT digest_key FROM installation WHERE id = 1;

-- name: reseal_project
-- The same signing secrets, encrypted with another key: nobody has to read them again.
UPDATE project SET secrets = $2 WHERE number = $1;

-- name: reseal_endpoint
-- The like of it for an endpoint.
UPDATE endpoint SET secrets = $2 WHERE number = $1;

-- name: reseal_digest_key
-- The like of it for the key of digests.
UPDATE installation SET digest_key = $2 WHERE id = $1;
