"""Lists of customers and members: pages by key, over all shards, right while others write.

A *walk* meets the customers of a project in one order: by number, or by the name or email that
begins with a text. Each shard is read by an index of its own, and the shards are merged. A *sieve*
keeps those who are asked for. A page ends when it is full, or when the walk has met so many that
the request has cost enough; whoever asks again with the last place goes on behind it. So a page
never costs more than its bound, however deep it lies and however few match.

Numbers never change, so nobody is missed or met twice while a walk goes on, however many pages it
takes. A name or an email that changes meanwhile moves its owner to the new place. Whoever changes
while a walk by last change goes on moves to its end, beyond the mark at which the walk stops.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from tierline.model.encoding import decode_standing
from tierline.model.standing import Standing
from tierline.store.customers import CustomerRow, row_of, search_key, shard_of_customer
from tierline.store.named_queries import Queries

if TYPE_CHECKING:
    from asyncpg import Record

    from tierline.store.catalog.queries import Session

Order = Literal["number", "name", "email", "created_at", "updated_at"]
MET_MAX: Final = 5_000  # customers whom one page looks at
ROUND_MAX: Final = 1_000  # of them at once, so that others get their turn in between
NUMBER_END: Final = 2**62  # lies above every number
HIGHEST: Final = "\U0010ffff"  # no text goes on with it: what begins with a prefix lies below


class ListingSql(Queries, file="listing.sql"):
    """The statements of `sql/listing.sql`."""

    by_number: str
    by_number_backwards: str
    by_number_down: str
    by_name: str
    by_email: str
    by_created_at: str
    by_created_at_down: str
    by_updated_at: str
    by_updated_at_backwards: str
    by_updated_at_down: str
    count: str
    customers_among: str
    members_among: str
    standings_among: str


Sql = ListingSql


class ListPlace(Struct, frozen=True, array_like=True, order=True):
    """A customer's place in an order: the key there, and what tells equal keys apart."""

    key: int | str
    customer: int


class MemberFilter(Struct, frozen=True):
    """Which members of a program. None lets everybody through; instants are milliseconds."""

    program: int
    tier: str | None = None
    since_from: int | None = None  # in this tier since then or later
    since_before: int | None = None
    expires_before: int | None = None
    balance_min: int | None = None
    balance_max: int | None = None
    attribute: tuple[str, str] | None = None  # name, and the value as text


class Search(Struct, frozen=True):
    """What a list holds, and in which order. `prefix` goes with the orders `name` and `email`,
    `updated_from` and `updated_before`, which lies above no shard's mark, with `updated_at`.
    Instants named `from` are inclusive, those named `before` exclusive. Numbers and last changes
    are walked `downwards`, too."""

    order: Order = "number"
    prefix: str = ""
    updated_from: int = 0
    updated_before: int = 0
    email_part: str | None = None
    members: MemberFilter | None = None  # None: all customers
    downwards: bool = False
    created_from: int | None = None
    created_before: int | None = None

    @property
    def statement(self) -> str:
        name = f"by_{self.order}_down" if self.downwards else f"by_{self.order}"
        text: str = getattr(Sql, name)
        return text

    def admits(self, row: CustomerRow) -> bool:
        """Whether a customer was made at a time that the list asks for."""
        at, end = row.customer.created_at, self.created_before
        return (self.created_from or 0) <= at and (end is None or at < end)


class Listed(Struct, frozen=True):
    """One line of a list; `standing` where members are listed. `key`: its place in the order."""

    customer: CustomerRow
    standing: Standing | None = None
    key: int | str = 0


class ListPage(Struct, frozen=True):
    """`last`: where to go on; None: there is nothing more."""

    rows: list[Listed]
    last: ListPlace | None


class Walk:
    """The customers of a project in one order, from a place on."""

    def __init__(
        self,
        connection: Session,
        shards: int,
        project: int,
        search: Search,
        after: ListPlace | None,
        absent: Container[int] = (),
    ) -> None:
        self._connection = connection
        self._project = project
        self._statement = search.statement
        self._next = max if search.downwards else min
        first, bounds = _ends(search)
        self._bounds = bounds
        self._after = [after or ListPlace(first, -1)] * shards
        self._ahead: list[deque[ListPlace]] = [deque() for _ in range(shards)]
        self._ended = [shard in absent for shard in range(shards)]

    async def take(self, count: int) -> list[ListPlace]:
        """Returns the next `count` places; fewer only where the walk ends."""
        size = count // len(self._ahead) + 16
        places: list[ListPlace] = []
        while len(places) < count:
            for shard, ahead in enumerate(self._ahead):
                if not ahead and not self._ended[shard]:
                    await self._fill(shard, size)
            heads = [(ahead[0], shard) for shard, ahead in enumerate(self._ahead) if ahead]
            if not heads:
                break
            places.append(self._ahead[self._next(heads)[1]].popleft())
        return places

    async def _fill(self, shard: int, size: int) -> None:
        after = self._after[shard]
        facts = (self._project, after.key, after.customer, size, *self._bounds)
        rows = await self._connection.fetch(self._statement, shard, *facts)
        self._ahead[shard].extend(ListPlace(row["key"], row["id"]) for row in rows)
        self._ended[shard] = len(rows) < size
        if rows:
            self._after[shard] = self._ahead[shard][-1]


def _ends(search: Search) -> tuple[int | str, tuple[int | str, ...]]:
    """Where a walk begins, and what it stays below."""
    if search.order == "number":
        return (NUMBER_END if search.downwards else -1), ()
    if search.order == "created_at":
        start = search.created_from or 0
        end = NUMBER_END if search.created_before is None else search.created_before
        return (end, (start,)) if search.downwards else (start, (end,))
    if search.order == "updated_at" and search.downwards:
        return search.updated_before, (search.updated_from,)
    if search.order == "updated_at":
        return search.updated_from, (search.updated_before,)
    prefix = search_key(search.prefix) or ""
    return prefix, (prefix + HIGHEST,)


async def page(
    connection: Session,
    shards: int,
    project: int,
    search: Search,
    after: ListPlace | None,
    limit: int,
    *,
    met_max: int = MET_MAX,
    absent: Container[int] = (),
) -> ListPage:
    """Returns the next page of at most `limit` lines behind a place, having met `met_max` customers
    at most. It may hold fewer, even none, while `last` says that there is more. `absent`: shards
    that are left out."""
    walk = Walk(connection, shards, project, search, after, absent)
    rows: list[Listed] = []
    last, met, size = after, 0, limit + 1
    while met < met_max:
        size = min(size, met_max - met)
        places = await walk.take(size)
        lines = await sieve(connection, shards, search, [place.customer for place in places])
        for place in places:
            if len(rows) == limit:
                return ListPage(rows, last)
            if place.customer in lines:
                rows.append(replace(lines[place.customer], key=place.key))
            last, met = place, met + 1
        if len(places) < size:
            return ListPage(rows, None)
        size = min(size * 4, ROUND_MAX)
    return ListPage(rows, last)


async def count(connection: Session, shards: int, project: int) -> int:
    """How many customers a project has, counted one by one."""
    return sum([await connection.fetchval(Sql.count, shard, project) for shard in range(shards)])


async def sieve(
    connection: Session, shards: int, search: Search, customers: Iterable[int]
) -> dict[int, Listed]:
    """Returns the lines of those customers whom the search lets through, by customer."""
    standings: dict[int, Standing] | None = None
    if search.members is not None:
        standings = await _members(connection, shards, search.members, customers)
        customers = standings
    lines: dict[int, Listed] = {}
    part = search_key(search.email_part)
    for shard, group in _by_shard(shards, customers).items():
        for record in await connection.fetch(Sql.customers_among, shard, group, part):
            row = row_of(record)
            if not search.admits(row):
                continue
            standing = None if standings is None else standings[row.id]
            lines[row.id] = Listed(row, standing)
    return lines


async def _members(
    connection: Session, shards: int, only: MemberFilter, customers: Iterable[int]
) -> dict[int, Standing]:
    filters = (
        *(only.tier, only.since_from, only.since_before, only.expires_before),
        *(only.balance_min, only.balance_max),
    )
    standings = {}
    for shard, group in _by_shard(shards, customers).items():
        rows = await connection.fetch(Sql.members_among, shard, only.program, group, *filters)
        standings.update(_standings(rows))
    if only.attribute is None:
        return standings
    name, value = only.attribute
    return {id_: each for id_, each in standings.items() if _text(each, name) == value}


def _text(standing: Standing, name: str) -> str | None:
    """A member's attribute as a query names it: `true`, `7`, `blue`."""
    value = standing.attributes.get(name)
    return str(value).lower() if isinstance(value, bool) else None if value is None else str(value)


async def changed_before(
    connection: Session, shards: int, project: int, place: ListPlace, size: int
) -> list[ListPlace]:
    """Returns the customers who changed last before a place, at most so many, the newest change
    first. What was not listed yet (`last_changes.mark`) is not among them."""
    return await _before(connection, shards, Sql.by_updated_at_backwards, project, place, size)


async def numbered_before(
    connection: Session, shards: int, project: int, place: ListPlace, size: int
) -> list[ListPlace]:
    """Returns the customers below a number, at most so many, the highest first."""
    return await _before(connection, shards, Sql.by_number_backwards, project, place, size)


async def _before(
    connection: Session, shards: int, statement: str, project: int, place: ListPlace, size: int
) -> list[ListPlace]:
    places: list[ListPlace] = []
    for shard in range(shards):
        facts = (project, place.key, place.customer, size)
        rows = await connection.fetch(statement, shard, *facts)
        places += [ListPlace(row["key"], row["id"]) for row in rows]
    return sorted(places, reverse=True)[:size]


async def standings(
    connection: Session, shards: int, program: int, customers: Iterable[int]
) -> dict[int, Standing]:
    """Returns the standings of those of these customers who are or were members of a program."""
    return await _members(connection, shards, MemberFilter(program), customers)


async def changed_at(
    connection: Session, shards: int, customers: Iterable[int]
) -> Mapping[int, int]:
    """Returns the instant of the newest change of points or tier, in any program, by customer."""
    newest: dict[int, int] = {}
    for shard, group in _by_shard(shards, customers).items():
        for row in await connection.fetch(Sql.standings_among, shard, group):
            at = decode_standing(row["standing"]).at
            newest[row["customer"]] = max(at, newest.get(row["customer"], 0))
    return newest


def _standings(rows: Sequence[Record]) -> dict[int, Any]:
    return {row["customer"]: decode_standing(row["standing"]) for row in rows}


def _by_shard(shards: int, customers: Iterable[int]) -> dict[int, list[int]]:
    groups: dict[int, list[int]] = defaultdict(list)
    for customer in customers:
        groups[shard_of_customer(shards, customer)].append(customer)
    return groups
