"""A database that goes away: what may have been committed is waited for, and nothing else is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.ledger.conftest import Club
from tierline.errors import Busy, TierlineError
from tierline.ledger import group_commit
from tierline.ledger.commands import Answer
from tierline.ledger.writer import Writer
from tierline.store.database import Database

HIDE = "ALTER TABLE entry RENAME COLUMN occurred_at TO hidden"
SHOW = "ALTER TABLE entry RENAME COLUMN hidden TO occurred_at"


class Wire:
    """The way to a database, which breaks for good with the answer to the next commit."""

    def __init__(self, url: str) -> None:
        self.parts = urlsplit(url)
        self.named = {name: values[0] for name, values in parse_qs(self.parts.query).items()}
        self.port = 0
        self.cutting = False
        self.cut = asyncio.Event()
        self._ends: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Without encryption, which a server may offer: a commit has to be seen in what passes."""
        login = self.parts.netloc.rpartition("@")[0] or self.named.get("user", "postgres")
        return f"postgresql://{login}@127.0.0.1:{self.port}{self.parts.path}?sslmode=disable"

    async def mend(self) -> None:
        self.cutting = False
        self.cut.clear()
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def break_(self) -> None:
        assert self._server is not None
        self._server.close()
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()
        self.cut.set()

    async def _upstream(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host = self.named.get("host") or self.parts.hostname or "127.0.0.1"
        port = self.parts.port or int(self.named.get("port", "5432"))
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await self._upstream()
        self._ends += [writer, up_writer]
        committing = asyncio.Event()

        async def there() -> None:
            while data := await reader.read(65_536):
                if self.cutting and b"COMMIT" in data:
                    committing.set()
                up_writer.write(data)
            up_writer.close()

        async def back() -> None:
            while data := await up_reader.read(65_536):
                if committing.is_set():
                    self.break_()
                    return
                writer.write(data)
            writer.close()

        await asyncio.gather(there(), back(), return_exceptions=True)


@asynccontextmanager
async def wired(url: str) -> AsyncIterator[Wire]:
    wire = Wire(url)
    await wire.mend()
    try:
        yield wire
    finally:
        wire.break_()


async def test_only_what_may_be_committed_waits_for_the_database(
    club: Club, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer to a commit was lost on the way: it is given as soon as it can be known. Who
    comes meanwhile is sent away, and a writer that has to end does not wait for ever."""
    monkeypatch.setattr(group_commit, "AWAY_SECONDS_MAX", 0.0)
    await club.create()
    async with wired(database_url) as wire, await Database.open(wire.url) as far:
        writer = Writer(far, club.catalog, club.committed.append)
        await writer.start()
        await writer.submit(club.activity(points=1, key="first"))

        wire.cutting = True
        unknown = writer.submit(club.activity(points=1, key="unknown"))
        await wire.cut.wait()
        with pytest.raises(Busy):
            async with asyncio.timeout(30):
                await writer.submit(club.activity(points=1, key="behind"))
        assert not unknown.done()
        await wire.mend()
        answer = await unknown
        assert isinstance(answer, Answer)
        behind = await writer.submit(club.activity(points=1, key="behind"))
        assert [answer.balance, behind.balance] == [2, 3]

        wire.cutting = True
        left = writer.submit(club.activity(points=1, key="left"))
        await wire.cut.wait()
        async with asyncio.timeout(30):
            await writer.stop()
        assert not left.done()

    assert (await club.standing("ada")).balance == 4


async def test_what_fails_before_the_commit_is_said_at_once(club: Club) -> None:
    """What is sent with the commit fails, here for want of a column: so nothing is unknown,
    nobody waits for a database that is there, and nothing of it was written."""
    await club.create()
    async with club.writer() as writer:
        await writer.submit(club.activity(points=1, key="first"))
        await club.database.pool.execute(HIDE)
        for _ in range(2):
            with pytest.raises(TierlineError):
                async with asyncio.timeout(10):
                    await writer.submit(club.activity(points=1, key="second"))
        await club.database.pool.execute(SHOW)
        answer = await writer.submit(club.activity(points=1, key="second"))

    assert (answer.balance, answer.repeated) == (2, False)


@pytest.mark.parametrize("gone", ["shard_head", "customer"])
async def test_nothing_is_left_out_for_want_of_a_row(club: Club, gone: str) -> None:
    """What is written takes its shard from the head and its profile from the customer: where a hand
    took such a row away, it is refused, not answered and lost."""
    await club.create()
    async with club.writer() as writer:
        await writer.submit(club.activity(points=1, key="first"))
        await club.database.pool.execute(f"DELETE FROM {gone}")  # noqa: S608
        with pytest.raises(TierlineError):
            await writer.submit(club.activity(points=1_000, key="second"))
    rows = await club.database.pool.fetchval("SELECT count(*) FROM entry WHERE key = 'second'")

    assert rows == 0
