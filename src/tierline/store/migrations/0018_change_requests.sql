-- Changes of programs that somebody proposes, and another person approves.

CREATE TABLE change_request (
    id            text    CONSTRAINT change_request_pk PRIMARY KEY, -- begins with the instant
    project       integer NOT NULL,
    program       text    NOT NULL,          -- its id; the program may be yet to be made
    based_on      integer NOT NULL,          -- the newest version then; 0: there was none
    body          text    NOT NULL,          -- the rules, as versions have them
    request       text    NOT NULL,          -- as they were sent
    effective_at  bigint,                    -- null: at once, when it is approved
    on_change     text    NOT NULL,
    supersede     boolean NOT NULL,
    reason        text    NOT NULL,          -- in the proposer's words
    state         text    NOT NULL DEFAULT 'open', -- open | approved | rejected | withdrawn
    proposed_at   bigint  NOT NULL,          -- wall time
    proposer_kind text    NOT NULL,
    proposer      text    NOT NULL,
    decided_at    bigint,
    decider       text,
    version       integer                    -- that holds the rules since it was approved
);
CREATE INDEX change_request_project ON change_request (project, state, id);
