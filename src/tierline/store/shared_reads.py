"""Trips to the database that many requests make at once, each for one key: those who wait share a
statement. Whoever asks is answered by a read that begins after they asked, so that they see what
they have written.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from itertools import chain
from typing import Any, Final, Generic, TypeVar

from msgspec import Struct

from tierline.model import ids
from tierline.model.encoding import decode_standing
from tierline.model.standing import Standing
from tierline.model.tenant import Project
from tierline.store import customers
from tierline.store.customers import CustomerRow, CustomersSql, row_of
from tierline.store.database import Database
from tierline.store.members import MembersSql
from tierline.store.orders import OrderPlace, OrdersSql

KEYS_MAX: Final = 256  # of one read
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
Name = tuple[int, str, str]  # a project's number, its id, and a customer's name there


class SharedRead(Generic[K, V]):
    """One kind of read, or of write whose outcome is read. `read` answers what there is of some
    keys."""

    def __init__(self, read: Callable[[list[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._read = read
        self._waiting: dict[K, list[asyncio.Future[V | None]]] = {}
        self._running: asyncio.Task[None] | None = None

    async def of(self, key: K) -> V | None:
        """Returns what there is of a key. Raises what the read raises."""
        # Each has a future of their own: who gives up cancels nobody else's.
        answer: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(answer)
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await answer

    async def _run(self) -> None:
        try:
            while self._waiting:
                keys = list(self._waiting)[:KEYS_MAX]
                await self._settle({key: self._waiting.pop(key) for key in keys})
        finally:
            self._running = None

    async def _settle(self, answers: dict[K, list[asyncio.Future[V | None]]]) -> None:
        try:
            values = await self._read(list(answers))
        except BaseException as error:
            fault = error if isinstance(error, Exception) else ConnectionError()
            for answer in chain.from_iterable(answers.values()):
                if not answer.done():
                    answer.set_exception(fault)
            if not isinstance(error, Exception):
                raise
            return
        for key, those in answers.items():
            value = values.get(key)
            for answer in those:
                if not answer.done():
                    answer.set_result(value)


class CustomerStandings(Struct, frozen=True):
    """A customer, and where they stand by the programs' numbers; None: it was not read."""

    row: CustomerRow
    standings: Mapping[int, Standing] | None = None


class CustomerReads:
    """Customers by name or id, and where they stand."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._numbers = SharedRead(self._read_numbers)
        self._named = SharedRead(self._read_named)
        self._with_standings = SharedRead(self._read_with_standings)
        self._numbered = SharedRead(self._read_numbered)
        self._standings = SharedRead(self._read_standings)

    async def named(self, project: Project, name: str) -> CustomerRow | None:
        """Returns a customer of a project by any name of theirs but the number, as
        `customers.find_by_name` looks; nobody who was erased."""
        return await self._named.of((project.number, project.id, name))

    async def with_standings(self, project: Project, name: str) -> CustomerStandings | None:
        """Returns a customer as `named` does, and where they stand, by one statement."""
        return await self._with_standings.of((project.number, project.id, name))

    async def number_of(self, project: Project, name: str) -> int | None:
        """Returns a customer's id as `customers.find_by_name` does."""
        return await self._numbers.of((project.number, project.id, name))

    async def numbered(self, customer: int) -> CustomerRow | None:
        """Returns a customer of any project, also one who was erased."""
        return await self._numbered.of(customer)

    async def standings(self, customer: int) -> dict[int, Standing]:
        """Returns where a customer stands, by the programs' numbers."""
        return await self._standings.of(customer) or {}

    async def _read_numbers(self, names: list[Name]) -> dict[Name, int]:
        shards = self.database.shards
        places: dict[tuple[int, int], list[Name]] = defaultdict(list)
        for name in names:
            places[customers.shard_of_name(shards, name[1], name[2]), name[0]].append(name)
        numbers: dict[Name, int] = {}
        own: dict[Name, int] = {}  # by an id that we made, where nobody has that name
        async with self.database.lookups.acquire() as connection:
            for (shard, project), there in places.items():
                texts = [name[2] for name in there]
                held = await customers.holders(connection, shard, project, texts)
                for name in there:
                    if name[2] in held:
                        numbers[name] = held[name[2]]
                    elif number := ids.number_of_customer(name[2]):
                        own[name] = number
        rows = await self._read_numbered(list(set(own.values()))) if own else {}
        return numbers | {
            name: number
            for name, number in own.items()
            if number in rows and rows[number].project == name[0]
        }

    async def _read_named(self, names: list[Name]) -> dict[Name, CustomerRow]:
        numbers = await self._read_numbers(names)
        rows = await self._read_numbered(list(set(numbers.values())))
        answers = {}
        for name, number in numbers.items():
            row = rows.get(number)
            if row is not None and row.project == name[0] and row.erased_at is None:
                answers[name] = row
        return answers

    async def _read_with_standings(self, names: list[Name]) -> dict[Name, CustomerStandings]:
        shards = self.database.shards
        places: dict[tuple[int, int], dict[str, Name]] = defaultdict(dict)
        for name in names:
            places[customers.shard_of_name(shards, name[1], name[2]), name[0]][name[2]] = name
        answers: dict[Name, CustomerStandings] = {}
        elsewhere: dict[Name, int] = {}
        async with self.database.lookups.acquire() as connection:
            for (shard, project), there in places.items():
                texts = list(there)
                rows = await connection.fetch(CustomersSql.standing_of, shard, project, texts)
                holders = _by_name(rows)
                for text, name in there.items():
                    holder = holders.get(text)
                    if holder is None:
                        if own := ids.number_of_customer(text):
                            elsewhere[name] = own
                    elif holder[0]["profile"] is None:
                        elsewhere[name] = holder[0]["customer"]
                    elif holder[0]["erased_at"] is None:
                        answers[name] = _with_standings(holder)
        return answers | await self._numbered_with_standings(elsewhere) if elsewhere else answers

    async def _numbered_with_standings(
        self, numbers: Mapping[Name, int]
    ) -> dict[Name, CustomerStandings]:
        distinct = list(set(numbers.values()))
        rows = await self._read_numbered(distinct)
        standings = await self._read_standings(distinct)
        return {
            name: CustomerStandings(rows[number], standings.get(number, {}))
            for name, number in numbers.items()
            if number in rows and rows[number].project == name[0] and rows[number].erased_at is None
        }

    async def _read_numbered(self, numbers: list[int]) -> dict[int, CustomerRow]:
        rows: dict[int, CustomerRow] = {}
        async with self.database.lookups.acquire() as connection:
            for shard, there in self._by_shard(numbers):
                for row in await connection.fetch(CustomersSql.customers, shard, there):
                    rows[row["id"]] = row_of(row)
        return rows

    async def _read_standings(self, numbers: list[int]) -> dict[int, dict[int, Standing]]:
        standings: dict[int, dict[int, Standing]] = defaultdict(dict)
        async with self.database.lookups.acquire() as connection:
            for shard, there in self._by_shard(numbers):
                for row in await connection.fetch(MembersSql.standings_of, shard, there):
                    standings[row["customer"]][row["program"]] = decode_standing(row["standing"])
        return standings

    def _by_shard(self, numbers: Iterable[int]) -> Iterable[tuple[int, list[int]]]:
        by_shard: dict[int, list[int]] = defaultdict(list)
        for number in numbers:
            by_shard[customers.shard_of_customer(self.database.shards, number)].append(number)
        return by_shard.items()


def _by_name(rows: Iterable[Any]) -> dict[str, list[Any]]:
    """Records of `standing_of` by the name, those of its holder: a source id goes first."""
    by_name: dict[str, list[Any]] = {}
    for row in rows:
        holder = by_name.get(row["name"])
        if holder is not None and holder[0]["kind"] == row["kind"]:
            holder.append(row)
        elif holder is None or row["kind"] == "source":
            by_name[row["name"]] = [row]
    return by_name


def _with_standings(records: list[Any]) -> CustomerStandings:
    standings = {
        record["program"]: decode_standing(record["standing"])
        for record in records
        if record["program"] is not None
    }
    return CustomerStandings(row_of(records[0]), standings)


class OrderReads:
    """Orders by name, as they are booked: records of `orders.one`. Planned each time: while their
    table is empty, all of its indexes look equally good, and a plan must not be kept from then."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._orders = SharedRead(self._read)

    async def one(self, place: OrderPlace) -> Any | None:
        return await self._orders.of(place)

    async def _read(self, places: list[OrderPlace]) -> dict[OrderPlace, Any]:
        by_home: dict[tuple[int, int], list[str]] = defaultdict(list)
        for place in places:
            by_home[place.shard, place.project].append(place.name)
        rows = {}
        async with self.database.pool.acquire() as connection:
            for home, names in by_home.items():
                for row in await connection.fetch(OrdersSql.several, *home, names):
                    rows[OrderPlace(*home, row["name"])] = row
        return rows
