-- Who changed what: one line each, written in the transaction of the change. What is changed in the
-- small tables stands in a small table, what is changed of a member in that member's shard.

CREATE TABLE audit (
    id          text     CONSTRAINT audit_pk PRIMARY KEY, -- begins with the instant
    project     integer,                     -- null: of the whole installation
    at          bigint   NOT NULL,           -- wall time, also in a sandbox
    actor_kind  text     NOT NULL,           -- key | user | cli | system
    actor       text     NOT NULL,
    kind        text     NOT NULL,           -- endpoint.paused, program.changed …
    object      text     NOT NULL,           -- the id of what was changed
    "before"    text,                        -- JSON
    "after"     text
);
CREATE INDEX audit_project ON audit (project, id);
CREATE INDEX audit_actor ON audit (actor, id);
CREATE INDEX audit_object ON audit (object, id);

CREATE TABLE member_audit (
    shard       smallint NOT NULL,
    id          text     NOT NULL,
    project     integer  NOT NULL,
    program     integer  NOT NULL,
    customer    bigint   NOT NULL,
    entry       integer  NOT NULL,           -- the number of the entry that it made
    at          bigint   NOT NULL,
    actor_kind  text     NOT NULL,
    actor       text     NOT NULL,
    kind        text     NOT NULL,           -- member.adjusted | member.overridden | …
    "before"    text,
    "after"     text,
    CONSTRAINT member_audit_pk PRIMARY KEY (shard, id)
);
CREATE INDEX member_audit_project ON member_audit (shard, project, id);
CREATE INDEX member_audit_actor ON member_audit (shard, actor, id);
CREATE INDEX member_audit_customer ON member_audit (shard, customer, id);
