-- A project that is being erased is a state of its own, which a sweep finds and brings to its end.

ALTER TABLE project ADD COLUMN erasing_at bigint; -- wall time; its state is `erasing` until that has ended
