-- Programs and projects are deleted: what is of their members goes, row by row. What names them in
-- the log stays, so that events keep their tiers' names.

ALTER TABLE project ADD COLUMN deleted_at bigint; -- wall time; its state is `deleted` then
ALTER TABLE program ADD COLUMN deleted_at bigint;

CREATE TABLE removal (                       -- of what a deleted program held, and how far it has come
    shard       smallint NOT NULL,
    program     integer  NOT NULL,
    pass        smallint NOT NULL,           -- 1; 2: once more, for what was on its way; 3: all is gone
    due_at      bigint   NOT NULL,           -- wall time
    CONSTRAINT removal_pk PRIMARY KEY (shard, program)
) WITH (fillfactor = 50);
