-- Names are one namespace: whose a text is, of whatever kind, takes one look.

ALTER TABLE alias DROP CONSTRAINT alias_pk;
ALTER TABLE alias ADD CONSTRAINT alias_pk PRIMARY KEY (shard, project, name, kind);
CREATE INDEX alias_customer ON alias (shard, customer); -- a customer's names, to take them away
