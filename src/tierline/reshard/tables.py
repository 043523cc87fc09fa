"""Which tables there are, how they are paged, and where their rows go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import asyncpg
from msgspec import Struct

from tierline.model import ids
from tierline.reshard.queries import ReshardSql as Sql
from tierline.store.erasures import shard_of_fingerprint
from tierline.store.orders import shard_of_order
from tierline.store.points_lines import home_of_list

Key = tuple[int | str, ...]

# In the order in which foreign keys allow; `installation` has a way of its own, processes stay.
SMALL: Final = (
    "project",
    "api_key",
    "program",
    "program_version",
    "endpoint",
    "audit",
    "change_request",
    "user_account",
)
# Every installation makes its own; a roll-out that begins anew passes over whom it reached before,
# counts are counted anew, and what no list says yet is noted anew.
MADE: Final = frozenset(
    {
        *("shard_head", "lease", "copying", "rollout", "removal", "tier_count", "tier_move"),
        *("unlisted_change", "list_mark"),
    }
)
OWED: Final = frozenset({"cursor", "lane"})  # see `owed`
# Users move; their links, sessions and attempts end with the installation that they are of.
NOT_COPIED: Final = frozenset(
    {
        *("installation", "process", "alembic_version"),
        *("sign_in_link", "session", "sign_in_attempt"),
    }
)


class Table(Struct, frozen=True):
    """A large table: its key without the shard, from where its pages begin, and the statements
    for a page of rows and of their sums."""

    name: str
    key: tuple[str, ...]
    start: Key
    page: str
    sums: str


CUSTOMER: Final = Table("customer", ("id",), (0,), Sql.customer, Sql.customer_sums)
ALIAS: Final = Table("alias", ("project", "name", "kind"), (0, "", ""), Sql.alias, Sql.alias_sums)
MEMBER: Final = Table("member", ("customer", "program"), (0, 0), Sql.member, Sql.member_sums)
ENTRY: Final = Table("entry", ("customer", "program", "n"), (0, 0, 0), Sql.entry, Sql.entry_sums)
HEALTH: Final = Table("health", ("endpoint",), (0,), Sql.health, Sql.health_sums)
INTENT: Final = Table(
    "intent", ("customer", "program", "key"), (0, 0, ""), Sql.intent, Sql.intent_sums
)
ARRIVAL: Final = Table(
    "arrival",
    ("route", "customer", "program", "key"),
    (-1, 0, 0, ""),
    Sql.arrival,
    Sql.arrival_sums,
)
LAST_CHANGE: Final = Table(
    "last_change", ("customer",), (0,), Sql.last_change, Sql.last_change_sums
)
MEMBER_AUDIT: Final = Table("member_audit", ("id",), ("",), Sql.member_audit, Sql.member_audit_sums)
ORDER_STATE: Final = Table(
    "order_state", ("project", "name"), (0, ""), Sql.order_state, Sql.order_state_sums
)
ORDER_BOOKING: Final = Table(
    "order_booking",
    ("customer", "program", "name"),
    (0, 0, ""),
    Sql.order_booking,
    Sql.order_booking_sums,
)
ERASURE: Final = Table("erasure", ("customer",), (0,), Sql.erasure, Sql.erasure_sums)
ERASED_NAME: Final = Table(
    "erased_name",
    ("project", "fingerprint"),
    (0, ""),
    Sql.erased_name,
    Sql.erased_name_sums,
)
POINTS_LINE: Final = Table(
    "points_line", ("program", "number"), (0, 0), Sql.points_line, Sql.points_line_sums
)
POINTS_LIST: Final = Table(
    "points_list", ("program",), (-(2**31),), Sql.points_list, Sql.points_list_sums
)
EVENT: Final = Table("event", ("offset",), (0,), Sql.event, Sql.event_sums)
ATTEMPT: Final = Table(
    "attempt",
    ("endpoint", "at", "delivery", "number"),
    (0, 0, "", 0),
    Sql.attempt,
    Sql.attempt_sums,
)
# Moved row by row, in any order.
ROWS: Final = (
    *(CUSTOMER, ALIAS, MEMBER, ENTRY, INTENT, ARRIVAL, HEALTH, LAST_CHANGE, MEMBER_AUDIT),
    *(ORDER_STATE, ORDER_BOOKING, ERASURE, ERASED_NAME, POINTS_LINE, POINTS_LIST),
)
LARGE: Final = (*ROWS, EVENT, ATTEMPT)


class Places(Struct, frozen=True):
    """Where rows lie in an installation of `shards` shards."""

    shards: int
    projects: Mapping[int, str]  # number -> id
    endpoints: Mapping[int, str]

    def of_row(self, table: Table, row: asyncpg.Record) -> int:
        """The shard of a row of ROWS."""
        if table is ALIAS:
            return self.of_name(row["project"], row["name"])
        if table is ARRIVAL:
            return ids.shard_of(row["route"], self.shards)
        if table is ORDER_STATE:
            return shard_of_order(self.shards, row["project"], row["name"])
        if table is ERASED_NAME:
            return shard_of_fingerprint(self.shards, row["fingerprint"])
        if table is POINTS_LIST:
            return home_of_list(self.shards, row["program"])
        if table is HEALTH:
            return self.of_endpoint(row["endpoint"])
        return self.of_customer(row["id" if table is CUSTOMER else "customer"])

    def of_customer(self, customer: int) -> int:
        return ids.shard_of(ids.route_of_customer(customer), self.shards)

    def of_name(self, project: int, name: str) -> int:
        return ids.shard_of(ids.route(self.projects[project], name), self.shards)

    def of_endpoint(self, endpoint: int | str) -> int:
        """An endpoint's home, by its number or its id."""
        name = self.endpoints[endpoint] if isinstance(endpoint, int) else endpoint
        return ids.shard_of(ids.route("endpoint", name), self.shards)
