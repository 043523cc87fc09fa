-- Orders that are told whole: what the project knows of each, and what members' ledgers hold of it.

CREATE TABLE order_state (
    shard       smallint NOT NULL,           -- by the hash of the order's name
    project     integer  NOT NULL,
    name        text     COLLATE "C" NOT NULL,
    customer    bigint   NOT NULL,           -- whose it is; 0: nobody known here
    buyer       text     NOT NULL,           -- the name that the caller used for them
    revision    integer  NOT NULL,           -- of the record; 0: nothing was booked yet
    record      text,                        -- OrderRecord as JSON, as it is booked
    pending     text,                        -- Pending as JSON: decided, not booked everywhere yet
    pending_at  bigint,                      -- wall time
    created_at  bigint   NOT NULL,
    updated_at  bigint   NOT NULL,
    CONSTRAINT order_state_pk PRIMARY KEY (shard, project, name)
);
CREATE INDEX order_state_customer ON order_state (shard, project, customer, name);
CREATE INDEX order_state_updated ON order_state (shard, project, updated_at, name);
CREATE INDEX order_state_pending ON order_state (shard, pending_at) WHERE pending_at IS NOT NULL;

CREATE TABLE order_booking (
    shard       smallint NOT NULL,           -- the customer's
    customer    bigint   NOT NULL,
    program     integer  NOT NULL,
    name        text     COLLATE "C" NOT NULL, -- of the order
    body        text     NOT NULL,           -- OrderBooking as JSON
    CONSTRAINT order_booking_pk PRIMARY KEY (shard, customer, program, name)
);
