"""The statements by which texts and lines that are old enough are forgotten."""

from __future__ import annotations

from tierline.store.named_queries import Queries


class RetentionSql(Queries, file="retention.sql"):
    """The statements of `sql/retention.sql`."""

    attempts_before: str
    rewrite_attempts: str
    endpoints: str
    profiles_before: str
    drop_profiles: str
    old_member_audit: str
    drop_member_audit: str
    drop_audit: str
