-- People who sign in. Secrets of links and of sessions are known only by their hashes.

CREATE TABLE user_account (
    id          text     CONSTRAINT user_account_pk PRIMARY KEY,
    email       text     NOT NULL,           -- in lower case
    name        text     NOT NULL,
    password    text,                        -- argon2id; null: signs in elsewhere, or not yet
    identity    text,                        -- of an OpenID provider: issuer and subject
    state       text     NOT NULL,           -- invited | active | disabled
    grants      text     NOT NULL,           -- JSON: project's id or * -> role
    created_at  bigint   NOT NULL,
    updated_at  bigint   NOT NULL,
    CONSTRAINT user_account_email_unique UNIQUE (email),
    CONSTRAINT user_account_identity_unique UNIQUE (identity)
);

CREATE TABLE sign_in_link (                  -- to set a password, once
    hash        bytea    CONSTRAINT sign_in_link_pk PRIMARY KEY,
    user_id     text     CONSTRAINT sign_in_link_user_fk REFERENCES user_account (id), -- null: the first
    expires_at  bigint   NOT NULL,
    created_at  bigint   NOT NULL
);
CREATE INDEX sign_in_link_of_user ON sign_in_link (user_id);

CREATE TABLE session (
    hash        bytea    CONSTRAINT session_pk PRIMARY KEY,
    id          text     NOT NULL,           -- what lists name it by
    user_id     text     NOT NULL CONSTRAINT session_user_fk REFERENCES user_account (id),
    address     text     NOT NULL,           -- where it began
    agent       text     NOT NULL,
    created_at  bigint   NOT NULL,
    seen_at     bigint   NOT NULL,           -- to the minute
    expires_at  bigint   NOT NULL,           -- however busy it is
    CONSTRAINT session_id_unique UNIQUE (id)
);
CREATE INDEX session_of_user ON session (user_id);

CREATE TABLE sign_in_attempt (
    key         bytea    CONSTRAINT sign_in_attempt_pk PRIMARY KEY, -- hash of an account or address
    count       integer  NOT NULL,
    since       bigint   NOT NULL
);
