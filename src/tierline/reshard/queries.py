"""The names of the statements in `sql/copy.sql`."""

from __future__ import annotations

from tierline.store.named_queries import Queries


class ReshardSql(Queries, file="reshard.sql"):
    heads: str
    customer: str
    alias: str
    member: str
    entry: str
    intent: str
    arrival: str
    last_change: str
    member_audit: str
    order_state: str
    order_booking: str
    erasure: str
    erased_name: str
    points_line: str
    points_list: str
    event: str
    health: str
    attempt: str
    customer_sums: str
    alias_sums: str
    member_sums: str
    entry_sums: str
    intent_sums: str
    arrival_sums: str
    last_change_sums: str
    member_audit_sums: str
    order_state_sums: str
    order_booking_sums: str
    erasure_sums: str
    erased_name_sums: str
    points_line_sums: str
    points_list_sums: str
    event_sums: str
    health_sums: str
    attempt_sums: str
    cursors: str
    lanes: str
    offsets: str
    add_lanes: str
    set_head: str
    positions: str
    advance: str
    forget_positions: str
    installation: str
    rename: str
    project_ids: str
    endpoint_ids: str
    endpoints: str
