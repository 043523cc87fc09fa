-- Changes of members' points in one order for a whole program, numbered when somebody asks for a list.

CREATE TABLE points_line (
    shard       smallint NOT NULL,           -- the customer's
    program     integer  NOT NULL,
    number      bigint   NOT NULL,           -- of the program, rising; never given twice
    customer    bigint   NOT NULL,
    at          bigint   NOT NULL,           -- when the points changed; with `nth` it names the change
    nth         integer  NOT NULL,           -- 1, 2, 3 … of the member's changes at one instant
    kind        text     NOT NULL,           -- of points event
    moved       bigint   NOT NULL,           -- by how many the balance changed
    waits       bigint   NOT NULL,           -- by how many the pending points changed
    entry       integer,                     -- the ledger entry that brought it; null: time did
    of_entry    integer,                     -- the entry that this one speaks of
    CONSTRAINT points_line_pk PRIMARY KEY (shard, program, number)
);
CREATE INDEX points_line_member ON points_line (shard, customer, program, at, nth);

CREATE TABLE points_list (                   -- how far a program's lines are numbered
    shard       smallint NOT NULL,           -- the program's home
    program     integer  NOT NULL,
    last        bigint   NOT NULL,           -- the highest number
    upto        bigint   NOT NULL,           -- last changes up to this place are numbered
    customer    bigint   NOT NULL,
    CONSTRAINT points_list_pk PRIMARY KEY (shard, program)
) WITH (fillfactor = 50);
