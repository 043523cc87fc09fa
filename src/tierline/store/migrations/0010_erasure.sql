-- A customer is erased: their text goes, their numbers stay.

ALTER TABLE member ADD COLUMN erased_at bigint; -- nothing is recorded any more, and time stands still

CREATE TABLE erasure (                       -- of a customer, and how far it has come
    shard       smallint NOT NULL,           -- the customer's
    customer    bigint   NOT NULL,
    project     integer  NOT NULL,
    step        text     NOT NULL,           -- the last one that is done
    begun_at    bigint   NOT NULL,           -- wall time
    due_at      bigint,                      -- when somebody has to go on; null: it has ended
    names       text,                        -- JSON: what others may call them; gone at the end
    CONSTRAINT erasure_pk PRIMARY KEY (shard, customer)
);
CREATE INDEX erasure_due ON erasure (shard, due_at) WHERE due_at IS NOT NULL;

CREATE TABLE erased_name (                   -- what an erased customer was called, not to be read
    shard       smallint NOT NULL,           -- by the fingerprint's first digits
    project     integer  NOT NULL,
    fingerprint text     COLLATE "C" NOT NULL, -- a keyed hash, in hexadecimal
    customer    bigint   NOT NULL,
    CONSTRAINT erased_name_pk PRIMARY KEY (shard, project, fingerprint)
);

ALTER TABLE installation ADD COLUMN digest_key bytea; -- encrypted: the key of digests and fingerprints
