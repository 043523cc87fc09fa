-- A program, or a whole project, that takes nothing new: for a while, or from an instant on.

ALTER TABLE project ADD COLUMN state text NOT NULL DEFAULT 'active'; -- active | paused
ALTER TABLE program ADD COLUMN state text NOT NULL DEFAULT 'active';
ALTER TABLE program ADD COLUMN ended_at bigint; -- from when on; null: it has no end
