"""Ids: stable, opaque, and carrying their route, so that a resharding copy changes none.

A customer's number is `counter << 16 | route`; route is 16 bits of a hash of the project and the
first source id, and `shard = route * shards >> 16`.
"""

from __future__ import annotations

import hashlib
import re

ROUTES = 1 << 16
_route = hashlib.blake2b(digest_size=2)  # a copy costs less than a new one
NUMBER_MAX = 2**52  # of an imported customer: numbers made above it stay below 2**53


def route(project: str, name: str) -> int:
    """16 bits of BLAKE2b over project and name: where a customer first named so lives."""
    digest = _route.copy()
    digest.update(f"{project}\x00{name}".encode())
    return int.from_bytes(digest.digest(), "big")


def shard_of(route_: int, shards: int) -> int:
    return route_ * shards >> 16


def route_of_customer(number: int) -> int:
    """The route inside a customer's number."""
    return number & (ROUTES - 1)


def customer_number(counter: int, route_: int) -> int:
    """Below 2**53 for counters below 2**37."""
    return counter << 16 | route_


def customer_id(number: int) -> str:
    return f"cust_{number:014x}"


def number_of_customer(text: str) -> int | None:
    """The number inside an id that we made; None for any other text."""
    digits = text.removeprefix("cust_")
    if len(text) != 19 or len(digits) != 14 or set(digits) - set("0123456789abcdef"):
        return None
    return int(digits, 16)


def event_fact(project: str, program: str, customer: int, nth: int | str, kind: str) -> str:
    """What an event's id is made of, but for the instant at which the log takes the event. `nth`
    is the event's `seq`, or what tells a points event from the member's others."""
    return f"{project}\x1f{program}\x1f{customer}\x1f{nth}\x1f{kind}"


def event_id(fact: str, customer: int, recorded_at: int) -> str:
    """`evt_` + the customer's number + a hash of (project, member, seq, kind, recorded_at). The
    statement `add_events` makes the same, for only the log knows the instant."""
    digest = hashlib.sha256(f"{fact}\x1f{recorded_at}".encode()).hexdigest()
    return f"evt_{customer:014x}{digest[:20]}"


def customer_of_event(event: str) -> int:
    """The customer's number inside an event's id; ValueError for anything else."""
    if re.fullmatch("evt_[0-9a-f]{34}", event) is None:
        raise ValueError(event)
    return int(event[4:18], 16)


def derived(prefix: str, *parts: str, size: int = 16) -> str:
    """An id that follows from others, the same whenever it is asked for."""
    return prefix + hashlib.blake2b("\x00".join(parts).encode(), digest_size=size).hexdigest()


def derived_uuid(*parts: str) -> str:
    """A UUID (version 8: ours) that follows from other ids."""
    text = hashlib.blake2b("\x00".join(parts).encode(), digest_size=16).hexdigest()
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-8{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"
