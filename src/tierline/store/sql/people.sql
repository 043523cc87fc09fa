-- People who sign in. Small tables: each change is one transaction.

-- name: add_user
-- Somebody who was invited; no row where the address is somebody's already.
INSERT INTO user_account (id, email, name, state, grants, created_at, updated_at)
VALUES ($1, $2, $3, 'invited', $4, $5, $5)
ON CONFLICT (email) DO NOTHING
RETURNING id

-- name: users
-- Everybody, oldest first.
SELECT id, email, name, password, identity, state, grants, created_at FROM user_account
ORDER BY created_at, id

-- name: user
-- Somebody by id, inside the transaction that changes them.
SELECT id, email, name, password, identity, state, grants, created_at FROM user_account WHERE id = $1
FOR UPDATE

-- name: user_by_email
-- Somebody by their address.
SELECT id, email, name, password, identity, state, grants, created_at FROM user_account WHERE email = $1

-- name: user_by_identity
-- Somebody by who they are at an OpenID provider.
SELECT id, email, name, password, identity, state, grants, created_at FROM user_account
WHERE identity = $1

-- name: change_user
-- Another name, password, identity, state or grants.
UPDATE user_account SET name = $2, password = $3, identity = $4, state = $5, grants = $6, updated_at = $7
WHERE id = $1

-- name: anybody
-- Whether there is anybody yet.
SELECT EXISTS (SELECT 1 FROM user_account)

-- name: add_link
-- A link to set a password.
INSERT INTO sign_in_link (hash, user_id, expires_at, created_at) VALUES ($1, $2, $3, $4)

-- name: use_link
-- Takes a link away, whatever its age; it was good only where it had not expired.
DELETE FROM sign_in_link WHERE hash = $1 RETURNING user_id, expires_at

-- name: link
-- A link as it is.
SELECT user_id, expires_at FROM sign_in_link WHERE hash = $1

-- name: drop_links
-- Somebody's links; those of the first user for null.
DELETE FROM sign_in_link WHERE user_id IS NOT DISTINCT FROM $1::text

-- name: add_session
-- A session.
INSERT INTO session (hash, id, user_id, address, agent, created_at, seen_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $6, $7)

-- name: session
-- A session and whose it is.
SELECT s.id, s.user_id, s.address, s.agent, s.created_at, s.seen_at, s.expires_at, p.state, p.email,
       p.name, p.grants
FROM session s JOIN user_account p ON p.id = s.user_id WHERE s.hash = $1

-- name: see_session
-- It was used just now.
UPDATE session SET seen_at = $2 WHERE hash = $1

-- name: sessions_of
-- Somebody's sessions, newest first.
SELECT id, user_id, address, agent, created_at, seen_at, expires_at FROM session WHERE user_id = $1
ORDER BY created_at DESC, id

-- name: session_row
-- A session by its id.
SELECT id, user_id, address, agent, created_at, seen_at, expires_at FROM session WHERE id = $1

-- name: end_session
-- Ends a session; no row where there is none.
DELETE FROM session WHERE id = $1 RETURNING id

-- name: end_sessions
-- Ends all sessions of somebody.
DELETE FROM session WHERE user_id = $1 RETURNING id

-- name: drop_expired
-- What ended by itself.
DELETE FROM session WHERE expires_at < $1 OR seen_at < $2

-- name: count_attempt
-- One more attempt; the count begins anew when its time is over.
INSERT INTO sign_in_attempt AS a (key, count, since) VALUES ($1, 1, $2)
ON CONFLICT (key) DO UPDATE SET
    count = CASE WHEN a.since <= $3 THEN 1 ELSE a.count + 1 END,
    since = CASE WHEN a.since <= $3 THEN $2 ELSE a.since END
RETURNING count, since

-- name: forget_attempts
-- An account's attempts, after a good one.
DELETE FROM sign_in_attempt WHERE key = $1

-- name: forgive_attempt
-- Of an address, the one attempt that was good.
UPDATE sign_in_attempt SET count = greatest(count - 1, 0) WHERE key = $1

-- name: drop_attempts
-- Counts whose time is over.
DELETE FROM sign_in_attempt WHERE since <= $1
