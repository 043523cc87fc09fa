-- The whole installation. Rules that keep it running unchanged on PostgreSQL 15-18 and on Citus:
-- large tables carry `shard` first in every key; every constraint is named; no triggers, no
-- sequences where order matters, no foreign keys from small tables to large ones.
-- Instants are bigint milliseconds since 1970, UTC.

-- Small tables: the same on every node. ------------------------------------------------------

CREATE TABLE installation (
    id          smallint CONSTRAINT installation_pk PRIMARY KEY,
    epoch       text     NOT NULL,           -- names this set of logs: feed cursors carry it
    shards      smallint NOT NULL,
    revision    bigint   NOT NULL DEFAULT 0, -- raised by every change of a small table, in its transaction
    plan_cache_mode text NOT NULL DEFAULT 'force_generic_plan', -- of the batch path; see Database
    created_at  bigint   NOT NULL,
    CONSTRAINT installation_one CHECK (id = 1)
);

CREATE TABLE project (
    id          text     CONSTRAINT project_pk PRIMARY KEY,
    number      integer  NOT NULL,
    clock       bigint,                      -- a sandbox's own time; null: wall time
    body        text     NOT NULL,           -- Project as JSON, without clock
    secrets     bytea,                       -- encrypted: vendors' project-wide signing secrets
    number_floor bigint  NOT NULL DEFAULT 0, -- imported customer numbers lie at or below this
    revision    bigint   NOT NULL DEFAULT 0, -- of the installation, when this row changed last
    created_at  bigint   NOT NULL,
    CONSTRAINT project_number_unique UNIQUE (number)
);

CREATE TABLE api_key (
    id          text     CONSTRAINT api_key_pk PRIMARY KEY,
    project     text     NOT NULL CONSTRAINT api_key_project_fk REFERENCES project (id),
    kind        text     NOT NULL,           -- native, or a vendor's
    lookup      text     NOT NULL,           -- what the caller names the key by
    hash        bytea    NOT NULL,           -- of the secret part
    scopes      text[]   NOT NULL,
    label       text     NOT NULL DEFAULT '',
    revision    bigint   NOT NULL DEFAULT 0,
    created_at  bigint   NOT NULL,
    disabled_at bigint,
    CONSTRAINT api_key_lookup_unique UNIQUE (lookup)
);

CREATE TABLE program (
    number      integer  CONSTRAINT program_pk PRIMARY KEY,
    project     text     NOT NULL CONSTRAINT program_project_fk REFERENCES project (id),
    id          text     NOT NULL,
    latest      integer  NOT NULL,           -- number of the newest version
    revision    bigint   NOT NULL DEFAULT 0,
    created_at  bigint   NOT NULL,
    CONSTRAINT program_id_unique UNIQUE (project, id)
);

CREATE TABLE program_version (
    program      integer NOT NULL CONSTRAINT program_version_program_fk REFERENCES program (number),
    number       integer NOT NULL,
    effective_at bigint  NOT NULL,
    recorded_at  bigint  NOT NULL,
    on_change    text    NOT NULL,
    body         text    NOT NULL,           -- Rules as JSON
    request      text    NOT NULL,           -- what the caller sent, verbatim
    CONSTRAINT program_version_pk PRIMARY KEY (program, number)
);

CREATE TABLE endpoint (
    number      integer  CONSTRAINT endpoint_pk PRIMARY KEY,
    id          text     NOT NULL,
    project     text     NOT NULL CONSTRAINT endpoint_project_fk REFERENCES project (id),
    body        text     NOT NULL,           -- Endpoint as JSON: url, format, kinds, retry …
    secrets     bytea    NOT NULL,           -- encrypted: signing secrets, client certificate
    state       text     NOT NULL,           -- active | paused | deleted, by hand; see health
    revision    bigint   NOT NULL,           -- raised with every change: the sender re-reads
    start_at    bigint   NOT NULL,           -- events recorded from here on are its own
    created_at  bigint   NOT NULL,
    updated_at  bigint   NOT NULL,
    CONSTRAINT endpoint_id_unique UNIQUE (project, id)
);

CREATE TABLE process (
    id          text     CONSTRAINT process_pk PRIMARY KEY,
    roles       text     NOT NULL,
    started_at  bigint   NOT NULL,
    beat_at     bigint   NOT NULL
) WITH (fillfactor = 50);

-- Large tables: shard first. ------------------------------------------------------------------

CREATE TABLE shard_head (
    shard       smallint CONSTRAINT shard_head_pk PRIMARY KEY,
    head        bigint   NOT NULL,           -- offset of the newest event
    recorded_at bigint   NOT NULL,           -- of the newest event; never decreases
    customers   bigint   NOT NULL,           -- counter for customers' numbers
    log_start   bigint   NOT NULL            -- events below were dropped by retention
) WITH (fillfactor = 20);

CREATE TABLE lease (
    shard       smallint NOT NULL,
    name        text     NOT NULL,           -- sweep
    owner       text     NOT NULL,
    generation  bigint   NOT NULL,
    until       bigint   NOT NULL,
    CONSTRAINT lease_pk PRIMARY KEY (shard, name)
) WITH (fillfactor = 50);

CREATE TABLE customer (
    shard       smallint NOT NULL,
    id          bigint   NOT NULL,           -- counter << 16 | route
    project     integer  NOT NULL,
    number      bigint   NOT NULL,           -- what some vendors call the id; = id unless imported
    profile     text     NOT NULL,           -- Customer as JSON
    updated_at  bigint   NOT NULL,
    erased_at   bigint,
    CONSTRAINT customer_pk PRIMARY KEY (shard, id)
);
CREATE INDEX customer_number ON customer (shard, project, number);

CREATE TABLE alias (
    shard       smallint NOT NULL,           -- by the hash of the name itself
    project     integer  NOT NULL,
    kind        text     NOT NULL,           -- source | id | number | card, or a vendor's
    name        text     NOT NULL,
    customer    bigint   NOT NULL,
    CONSTRAINT alias_pk PRIMARY KEY (shard, project, kind, name)
);

CREATE TABLE member (
    shard       smallint NOT NULL,
    customer    bigint   NOT NULL,
    program     integer  NOT NULL,
    standing    bytea    NOT NULL,           -- version byte, then the encoded Standing
    tier        text,
    since       bigint,
    expires_at  bigint,
    balance     bigint   NOT NULL,
    entries     integer  NOT NULL,
    seq         integer  NOT NULL,
    clock       integer  NOT NULL,           -- 0: wall time; else the sandbox project's number
    due_at      bigint,
    version     integer  NOT NULL,           -- newest rules that due_at knows of
    quarantined text,                        -- why the sweep leaves this member alone
    CONSTRAINT member_pk PRIMARY KEY (shard, customer, program)
) WITH (fillfactor = 70);
CREATE INDEX member_due ON member (shard, clock, due_at) WHERE due_at IS NOT NULL;

CREATE TABLE rollout (                       -- of a program's newest rules among its members
    shard       smallint NOT NULL,
    program     integer  NOT NULL,
    version     integer  NOT NULL,
    began_at    bigint   NOT NULL,
    pass        smallint NOT NULL,           -- 1, 2; 3: everybody is due
    after       bigint   NOT NULL,           -- the customer up to whom this pass has come
    CONSTRAINT rollout_pk PRIMARY KEY (shard, program)
);

CREATE TABLE entry (
    shard       smallint NOT NULL,
    customer    bigint   NOT NULL,
    program     integer  NOT NULL,
    n           integer  NOT NULL,           -- 1, 2, 3 … per member
    kind        text     NOT NULL,
    key         text     NOT NULL,           -- idempotency: the caller's, else ours
    digest      bytea    NOT NULL,           -- of the normalised command
    occurred_at bigint   NOT NULL,
    recorded_at bigint   NOT NULL,
    points      bigint   NOT NULL,
    amount      bigint   NOT NULL,
    detail      text,                        -- Detail as JSON
    reverses    integer,                     -- n of the entry that this one takes back
    answer      text     NOT NULL,           -- what the caller was told
    CONSTRAINT entry_pk PRIMARY KEY (shard, customer, program, n),
    CONSTRAINT entry_key_unique UNIQUE (shard, customer, key)
);
CREATE INDEX entry_reverses ON entry (shard, customer, program, reverses)
    WHERE reverses IS NOT NULL;

CREATE TABLE intent (                        -- points that left somebody and did not arrive yet
    shard       smallint NOT NULL,           -- the sender's
    customer    bigint   NOT NULL,           -- the sender
    key         text     NOT NULL,           -- of the entry that took the points
    project     integer  NOT NULL,
    program     integer  NOT NULL,
    points      bigint   NOT NULL,
    begun_at    bigint   NOT NULL,           -- wall time, also in a sandbox
    body        text     NOT NULL,           -- Promise as JSON: to whom, when, why
    CONSTRAINT intent_pk PRIMARY KEY (shard, customer, key)
);

CREATE TABLE arrival (                       -- what became of second halves, where no entry tells
    shard       smallint NOT NULL,
    route       integer  NOT NULL,           -- 16 bits, of the recipient's name or id
    customer    bigint   NOT NULL,           -- the sender
    key         text     NOT NULL,           -- of the sender's entry
    recipient   bigint,                      -- whom the name meant, who lives in another shard
    refused     text,                        -- why the points go back
    CONSTRAINT arrival_pk PRIMARY KEY (shard, route, customer, key)
);

CREATE TABLE event (
    shard       smallint NOT NULL,
    "offset"    bigint   NOT NULL,           -- 1, 2, 3 … per shard, in commit order
    class       text     NOT NULL,           -- tier | points | customer | ops
    project     integer  NOT NULL,
    program     integer  NOT NULL,
    customer    bigint   NOT NULL,
    id          text     NOT NULL,
    recorded_at bigint   NOT NULL,
    body        text     NOT NULL,           -- Event as JSON: ids, numbers, cause, version
    profile     text,                        -- the customer at that moment; erasing empties it
    CONSTRAINT event_pk PRIMARY KEY (shard, "offset")
);
CREATE INDEX event_project ON event (shard, project, class, "offset");
CREATE INDEX event_customer ON event (shard, customer, "offset");

CREATE TABLE cursor (
    shard       smallint NOT NULL,
    endpoint    integer  NOT NULL,
    run         integer  NOT NULL,           -- 0: live; others: replays
    mark        bigint   NOT NULL,           -- everything at or below is settled
    done        bytea    NOT NULL,           -- settled offsets in the 1,024 above, as bits
    generation  bigint   NOT NULL,
    plan        text,                        -- a replay's range, filter and rate
    CONSTRAINT cursor_pk PRIMARY KEY (shard, endpoint, run)
) WITH (fillfactor = 30);

CREATE TABLE lane (
    shard       smallint NOT NULL,
    endpoint    integer  NOT NULL,
    run         integer  NOT NULL,
    key         bigint   NOT NULL,           -- the customer; 0 under fifo; the offset if unordered
    head        bigint   NOT NULL,           -- oldest offset that is still owed
    attempt     integer  NOT NULL,           -- of the head
    due_at      bigint   NOT NULL,
    state       text     NOT NULL,           -- retrying | parked
    format      text     NOT NULL,           -- what the head's bytes depend on; frozen at its first attempt
    first_at    bigint   NOT NULL,
    CONSTRAINT lane_pk PRIMARY KEY (shard, endpoint, run, key)
) WITH (fillfactor = 50);

CREATE TABLE health (
    shard       smallint NOT NULL,           -- the endpoint's home: a hash of its id
    endpoint    integer  NOT NULL,
    state       text     NOT NULL,           -- healthy | failing | paused, as the sender found
    since       bigint   NOT NULL,
    body        text     NOT NULL,           -- Health as JSON
    CONSTRAINT health_pk PRIMARY KEY (shard, endpoint)
);

CREATE TABLE attempt (
    shard       smallint NOT NULL,
    endpoint    integer  NOT NULL,
    at          bigint   NOT NULL,
    delivery    text     NOT NULL,
    number      integer  NOT NULL,           -- 1, 2, 3 … of this delivery
    "offset"    bigint   NOT NULL,
    event       text     NOT NULL,
    status      smallint,                    -- HTTP status; null: no answer
    outcome     text     NOT NULL,           -- delivered | retry | gone | stopped | refused …
    took_ms     integer  NOT NULL,
    detail      text     NOT NULL,           -- address, timings, headers, the answer's beginning
    CONSTRAINT attempt_pk PRIMARY KEY (shard, endpoint, at, delivery, number)
);

CREATE TABLE copying (                       -- how far a copy into this database is; else empty
    shard       smallint NOT NULL,           -- of the source
    name        text     NOT NULL,           -- of the table
    position    text     NOT NULL,           -- Position as JSON
    CONSTRAINT copying_pk PRIMARY KEY (shard, name)
);
