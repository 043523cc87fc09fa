"""Which node of a cluster holds each shard, for whoever speaks to that node itself.

Every node of a cluster plans and runs what is its own. So batches and sweeps connect to the node
that holds their shard, and the coordinator has no part in them. `NodeWatch` reads from the
coordinator's catalog where each shard lies now; of a database in one place nothing is known here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import structlog

from tierline.config import is_loopback
from tierline.logging import RecurringFaults

# Then a node that could not be reached from here is tried again; twice as late each time it fails.
UNREACHABLE_SECONDS: Final = 60.0
UNREACHABLE_SECONDS_MAX: Final = 3_600.0
_log = structlog.get_logger("tierline.store")
_again = RecurringFaults(_log)


class ShardNodes:
    """Where shards lie. What cannot be reached from here is left to the coordinator for a while:
    nodes may know each other by addresses of a network of their own. Such as `localhost`: that is
    another server, unless the database's own address (`url`) is here, too."""

    def __init__(self, url: str, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        host = _host(url)
        self._here = not host or host.startswith("/") or is_loopback(host)  # a socket's directory
        self._nodes: Mapping[int, str] = {}  # host:port; replaced, never changed
        self._unreachable: dict[str, tuple[float, float]] = {}  # until when, and how long it was

    def saw(self, nodes: Mapping[int, str]) -> None:
        """Every shard's node, as the coordinator's catalog has it now."""
        self._nodes = {
            shard: node
            for shard, node in nodes.items()
            if self._here or not is_loopback(node.rpartition(":")[0].strip("[]"))
        }

    def of(self, shard: int) -> str | None:
        """Returns the node to connect to; None: to the database's own address."""
        node = self._nodes.get(shard)
        if node is None:
            return None
        until, _ = self._unreachable.get(node, _NEVER)
        return None if self._clock() < until else node

    def reached(self, node: str) -> None:
        """It was connected to, or is back: nothing that failed before speaks against it."""
        self._unreachable.pop(node, None)

    def failed(self, node: str, error: BaseException) -> None:
        """It could not be connected to."""
        now = self._clock()
        until, former = self._unreachable.get(node, _NEVER)
        if now >= until:
            wait = min(2 * former, UNREACHABLE_SECONDS_MAX) or UNREACHABLE_SECONDS
            self._unreachable[node] = now + wait, wait
        _again.warning("node_not_reached", node=node, error=repr(error))


def _host(url: str) -> str:
    parts = urlsplit(url)
    return parts.hostname or dict(parse_qsl(parts.query)).get("host", "")


def at_node(url: str, node: str) -> str:
    """The same database on another node, with the same user, password and options."""
    parts = urlsplit(url)
    login, _, _ = parts.netloc.rpartition("@")
    options = [(name, value) for name, value in parse_qsl(parts.query) if name not in _PLACE]
    place = f"{login}@{node}" if login else node
    return parts._replace(netloc=place, query=urlencode(options)).geturl()


_PLACE: Final = frozenset({"host", "port"})
_NEVER: Final = (0.0, 0.0)
