-- Orders of a project in one order, numbered when somebody asks for a list of them. How far they are
-- numbered stands in `points_list`, under the negative of the project's number.

ALTER TABLE order_state ADD COLUMN number bigint;  -- of the project, rising; null: none was asked for yet
CREATE INDEX order_state_number ON order_state (shard, project, number) WHERE number IS NOT NULL;
CREATE INDEX order_state_unnumbered ON order_state (shard, project, created_at, name) WHERE number IS NULL;
