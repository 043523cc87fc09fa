-- Lists of customers in the order in which they were made, of which an import may say another than
-- that of their numbers. When somebody was made stands in the profile, after their metadata.
CREATE INDEX customer_created ON customer
    (shard, project, (coalesce(substring(profile FROM '.*"created_at":([0-9]+),"updated_at":')::bigint, 0)), id);
