-- What each process is, for people who run several; and whether it is asked to give up its work.

ALTER TABLE process
    ADD COLUMN host text NOT NULL DEFAULT '',
    ADD COLUMN pid integer NOT NULL DEFAULT 0,
    ADD COLUMN version text NOT NULL DEFAULT '',
    ADD COLUMN endpoints integer NOT NULL DEFAULT 0, -- that it sends to
    ADD COLUMN draining boolean NOT NULL DEFAULT false;
