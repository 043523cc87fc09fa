"""What is known of shards whose node is away: of a database in one place, never anything.

Nobody asks the database here. `NodeWatch` looks, and writes down what it saw; whoever is about to
speak to a shard reads it, and whoever failed at one asks for a look (`confirms`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Final

from tierline.store.errors import NODE_RETRY_SECONDS, NodeAway

NONE: Final[Mapping[int, str]] = {}


def shards_text(shards: Iterable[int]) -> str:
    """For messages: `shard 3`, or `shards 1, 2 and 5`."""
    *others, last = map(str, sorted(shards))
    return f"shards {', '.join(others)} and {last}" if others else f"shard {last}"


def absent_text(shards: Collection[int]) -> str:
    """One sentence for operators."""
    away = "is" if len(shards) == 1 else "are"
    return (
        f"{shards_text(shards)} {away} away with the node; requests for their customers are refused"
        " (node_away), all others go on"
    )


class AbsentShards:
    """Which shards cannot be reached now. Read on every hot path: a look into an empty mapping."""

    def __init__(self) -> None:
        self.nodes: Mapping[int, str] = NONE  # shard -> its node; replaced, never changed
        self._looking: Callable[[], Awaitable[None]] | None = None
        self._listeners: list[Callable[[], None]] = []

    def __contains__(self, shard: object) -> bool:
        return shard in self.nodes

    @property
    def numbers(self) -> tuple[int, ...]:
        """For answers, which leave these shards out."""
        return tuple(sorted(self.nodes))

    def present(self, shards: int) -> list[int]:
        """Of so many shards those that are there."""
        return [shard for shard in range(shards) if shard not in self.nodes]

    def require(self, shard: int) -> None:
        """Raises NodeAway for a shard that is away."""
        if self.nodes and shard in self.nodes:
            raise self.refusal([shard])

    def require_all(self) -> None:
        """Raises NodeAway while any shard is away: for what is only true of all of them."""
        if self.nodes:
            raise self.refusal(self.nodes)

    def refusal(self, shards: Collection[int]) -> NodeAway:
        return NodeAway(shards=shards_text(shards), retry_after=NODE_RETRY_SECONDS)

    async def confirms(self, shard: int) -> bool:
        """Something failed in this shard: whether its node is away. Looks now, where anybody
        watches."""
        if self._looking is not None:
            await self._looking()
        return shard in self.nodes

    async def confirms_any(self) -> bool:
        """Something failed that asks several shards: whether one of them is away."""
        if self._looking is not None:
            await self._looking()
        return bool(self.nodes)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Called after a shard went, or came back."""
        self._listeners.append(listener)

    def watched_by(self, looking: Callable[[], Awaitable[None]] | None) -> None:
        """`looking` sees what is away now, and `saw` it before it returns."""
        self._looking = looking

    def saw(self, nodes: Mapping[int, str]) -> bool:
        """Returns whether that is news."""
        if nodes == self.nodes:
            return False
        self.nodes = nodes
        for listener in self._listeners:
            listener()
        return True
