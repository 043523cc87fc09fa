"""The connections of a log: few, however many shards there are."""

from __future__ import annotations

from tierline.store.connection_counts import LOG_LINES_MAX
from tierline.store.database import Database
from tierline.store.reconnecting_connection import ReconnectingConnection


class LogLines:
    """Those for reading, or those for writing. On a cluster there are some to each node."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._count = min(LOG_LINES_MAX, database.shards)
        self._lines: dict[tuple[str | None, int], ReconnectingConnection] = {
            (None, i): ReconnectingConnection(database) for i in range(self._count)
        }
        self.first = self._lines[None, 0]  # for what several shards are asked

    def of(self, shard: int) -> ReconnectingConnection:
        place = self._database.nodes.of(shard), shard % self._count
        if (line := self._lines.get(place)) is None:
            line = self._lines[place] = ReconnectingConnection(self._database, place[0])
        return line

    async def close(self) -> None:
        for line in self._lines.values():
            await line.close()
