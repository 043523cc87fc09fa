"""The names of the statements in `sql/event_log.sql`."""

from __future__ import annotations

from tierline.store.named_queries import Queries


class EventLogSql(Queries, file="event_log.sql"):
    heads: str
    heads_of: str
    head: str
    slice: str
    slice_of: str
    slices_of: str
    slice_of_customers: str
    newest_of_customer: str
    at_offsets: str
    ids_at: str
    recorded_at: str
    before_in_sandbox: str
    by_id: str
    ops_by_id: str
    take_over: str
    open_cursors: str
    lanes_of: str
    advance: str
    put_lanes: str
    drop_lanes: str
    add_attempts: str
    raise_head: str
    add_ops_event: str
    hold_cursor: str
    health_of: str
    put_health: str
    cursors_of: str
    generations: str
    fence: str
    rewind: str
    drop_run: str
    drop_run_lanes: str
    drop_lanes_above: str
    drop_endpoint: str
    drop_endpoint_lanes: str
    make_due: str
    lanes_listed: str
    lanes_by_head: str
    lanes_of_key: str
    lanes_counted: str
    count_between: str
    attempts_of: str
    old_attempts: str
    with_old_attempts: str
    behind: str
    start_log: str
    drop_events: str
    beat: str
    processes: str
    ask_to_drain: str
    leave: str
    bury: str
    notify: str
