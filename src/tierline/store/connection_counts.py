"""How many connections a process has open to its database, and how many it may.

Each is of a kind with a bound of its own: the two pools', and so many for each holder of dedicated
ones. Nothing is counted while they work: who asks (a scrape, `doctor`) asks the holders.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, Literal, Protocol
from weakref import WeakSet

from msgspec import Struct

ConnectionKind = Literal["pool", "lookups", "batch", "sweep", "line", "errand"]
POOL_MAX: Final = 16
LOOKUPS_MAX: Final = 4
BATCHES_MAX: Final = 3  # of one shard under way, each on a connection
SWEEPS_MAX: Final = 2  # the batch that is written, and the one decided meanwhile
LOG_LINES_MAX: Final = 4  # of one log for reading, and for writing: few, however many shards
ADVANCES_MAX: Final = 2  # sandboxes whose clock is moved at once, by one connection in each shard
ERRANDS_MAX: Final = 8  # erasures at once
PREVIEWS_MAX: Final = 1
SIGN_LINES: Final = 3  # signs of life, telling others, hearing them


class ConnectionFigures(Struct, frozen=True):
    """Of one kind."""

    kind: ConnectionKind
    in_use: int
    idle: int
    most: int


class ConnectionHolder(Protocol):
    """Whoever keeps dedicated connections."""

    connection_kind: ConnectionKind
    connections_most: int

    @property
    def connections_idle(self) -> int: ...


class SizedPool(Protocol):
    """As the driver's."""

    def get_size(self) -> int: ...
    def get_idle_size(self) -> int: ...
    def get_max_size(self) -> int: ...


def process_most(shards: int, *, nodes: int = 0) -> int:
    """How many connections a process with every role may open at most. `nodes`: of a cluster, to
    each of which the log has lines of its own."""
    lines = 2 * 2 * min(LOG_LINES_MAX, shards) * (1 + nodes) + SIGN_LINES + (nodes > 0)
    # Batches of requests, and of what the sweep finishes for others.
    each = 2 * BATCHES_MAX + SWEEPS_MAX + ADVANCES_MAX
    return POOL_MAX + LOOKUPS_MAX + lines + ERRANDS_MAX + PREVIEWS_MAX + each * shards


class ConnectionCounts:
    """What one process has open to one database."""

    def __init__(self) -> None:
        self._open: Counter[ConnectionKind] = Counter()
        self._allowed = Counter[ConnectionKind](errand=ERRANDS_MAX + PREVIEWS_MAX)
        self._holders: WeakSet[Any] = WeakSet()

    def allow(self, kind: ConnectionKind, most: int) -> None:
        """For holders that come and go, and count nothing themselves."""
        self._allowed[kind] += most

    def hold(self, holder: ConnectionHolder) -> None:
        """It may open connections, and counts until it is gone. Twice is once."""
        self._holders.add(holder)

    def opened(self, kind: ConnectionKind, connection: Any) -> None:
        """Counts until it is closed, or lost."""
        self._open[kind] += 1
        connection.add_termination_listener(lambda _: self._closed(kind))

    def _closed(self, kind: ConnectionKind) -> None:
        self._open[kind] -= 1

    def figures(self, pool: SizedPool, lookups: SizedPool) -> Iterator[ConnectionFigures]:
        """Yields those of each kind."""
        pools: tuple[tuple[ConnectionKind, SizedPool], ...] = (("pool", pool), ("lookups", lookups))
        for kind, each in pools:
            idle = each.get_idle_size()
            yield ConnectionFigures(kind, each.get_size() - idle, idle, each.get_max_size())
        most, idle_by_kind = self._allowed.copy(), Counter[ConnectionKind]()
        for holder in list(self._holders):
            most[holder.connection_kind] += holder.connections_most
            idle_by_kind[holder.connection_kind] += holder.connections_idle
        kinds: tuple[ConnectionKind, ...] = ("batch", "sweep", "line", "errand")
        for kind in kinds:
            idle = min(idle_by_kind[kind], self._open[kind])
            yield ConnectionFigures(kind, self._open[kind] - idle, idle, most[kind])
