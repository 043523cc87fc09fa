-- Members, read one at a time: what the API shows and explains.

-- name: member
-- One member's standing, and why the sweep leaves it alone.
SELECT standing, quarantined FROM member WHERE shard = $1 AND customer = $2 AND program = $3

-- name: standings
-- The standings of a customer in all programs.
SELECT program, standing FROM member WHERE shard = $1 AND customer = $2
