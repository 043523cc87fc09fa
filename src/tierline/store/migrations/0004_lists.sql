-- What lists and summaries read: search keys of customers, and counts that move with tiers.

ALTER TABLE customer ADD COLUMN name_key text COLLATE "C";   -- the name in lower case
ALTER TABLE customer ADD COLUMN email_key text COLLATE "C";  -- the email in lower case
UPDATE customer
SET name_key = lower(profile::json ->> 'name'), email_key = lower(profile::json ->> 'email')
WHERE erased_at IS NULL;
CREATE INDEX customer_name ON customer (shard, project, name_key, id) WHERE name_key IS NOT NULL;
CREATE INDEX customer_email ON customer (shard, project, email_key, id)
    WHERE email_key IS NOT NULL;

CREATE TABLE tier_count (                    -- of members; changes only with somebody's tier
    shard       smallint NOT NULL,
    program     integer  NOT NULL,
    tier        text     NOT NULL,           -- empty: members without a tier
    members     bigint   NOT NULL,
    CONSTRAINT tier_count_pk PRIMARY KEY (shard, program, tier)
) WITH (fillfactor = 30);

CREATE TABLE tier_move (                     -- how many events of a kind a civil day had
    shard       smallint NOT NULL,
    program     integer  NOT NULL,
    day         integer  NOT NULL,           -- since 1970-01-01, in the project's time zone
    kind        text     NOT NULL,
    moves       bigint   NOT NULL,
    CONSTRAINT tier_move_pk PRIMARY KEY (shard, program, day, kind)
) WITH (fillfactor = 70);

CREATE TABLE last_change (                   -- of a customer or a membership of theirs, as lists see it
    shard       smallint NOT NULL,
    customer    bigint   NOT NULL,
    project     integer  NOT NULL,
    changed_at  bigint   NOT NULL,           -- wall time; later than the shard's mark before it
    CONSTRAINT last_change_pk PRIMARY KEY (shard, customer)
) WITH (fillfactor = 70);
CREATE INDEX last_change_order ON last_change (shard, project, changed_at, customer);

CREATE TABLE unlisted_change (               -- what a batch changed and `last_change` does not say yet
    shard       smallint NOT NULL,
    token       bigint   NOT NULL,           -- random
    customers   bigint[] NOT NULL,
    CONSTRAINT unlisted_change_pk PRIMARY KEY (shard, token)
);

CREATE TABLE list_mark (                     -- no change is ever listed at or below it any more
    shard       smallint NOT NULL,
    upto        bigint   NOT NULL,
    CONSTRAINT list_mark_pk PRIMARY KEY (shard)
) WITH (fillfactor = 30);

INSERT INTO last_change (shard, customer, project, changed_at)
SELECT shard, id, project, (extract(epoch FROM now()) * 1000)::bigint
FROM customer WHERE erased_at IS NULL;

INSERT INTO list_mark (shard, upto)
SELECT shard, (extract(epoch FROM now()) * 1000)::bigint FROM shard_head;

INSERT INTO tier_count (shard, program, tier, members)
SELECT shard, program, coalesce(tier, ''), count(*)
FROM member WHERE entries > 0
GROUP BY 1, 2, 3;

INSERT INTO tier_move (shard, program, day, kind, moves)
SELECT e.shard, e.program,
       (to_timestamp((e.body::json ->> 'at')::bigint / 1000.0)
            AT TIME ZONE coalesce(p.body::json ->> 'time_zone', 'UTC'))::date - date '1970-01-01',
       e.body::json ->> 'kind', count(*)
FROM event e JOIN project p ON p.number = e.project
WHERE e.class = 'tier'
GROUP BY 1, 2, 3, 4;
