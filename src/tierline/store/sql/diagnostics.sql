-- Looking an installation over: `tierline doctor`.

-- name: shard_state
-- A shard's head, and the newest event that is really there.
SELECT h.head, h.log_start, (SELECT max(e."offset") FROM event e WHERE e.shard = $1) AS newest
FROM shard_head h WHERE h.shard = $1

-- name: quarantined
-- Members whom the sweep leaves alone.
SELECT count(*) AS count FROM member WHERE shard = $1 AND quarantined IS NOT NULL

-- name: unwell
-- Endpoints that the sender found failing, or paused for it.
SELECT endpoint, state FROM health WHERE shard = $1 AND state <> 'healthy'

-- name: connections
-- Tierline's own to this database, and how many the server takes.
SELECT count(*) AS count, current_setting('max_connections') AS most
FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tierline'

-- name: server_version
-- As PostgreSQL itself says it.
SELECT current_setting('server_version') AS version

-- name: sweep_owner
-- The process that sweeps a shard.
SELECT owner FROM lease WHERE shard = $1 AND name = 'sweep' AND until > $2
