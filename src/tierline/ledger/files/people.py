"""Writing the customers of a file, many at once; or saying, for a dry run, what would be."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, Protocol

import asyncpg

from tierline.errors import Conflict, Invalid, NotFound, TierlineError
from tierline.model import ids
from tierline.model.tenant import Project
from tierline.store import bulk_customers, customers, profiles
from tierline.store.column_encoding import Unstorable
from tierline.store.customers import shard_of_name
from tierline.store.database import Database
from tierline.store.errors import blames_data
from tierline.store.profiles import Profile, applied, claims_of

WRITES_MAX: Final = 8  # profiles at once

Outcome = Literal["made", "changed", "same"] | TierlineError
Named = tuple[str, Profile]  # by source id


class People(Protocol):
    """Where the profiles of an import go."""

    async def write(self, people: Sequence[Named], now: int) -> list[Outcome]:
        """Returns what became of each, in their order: all of a profile, or nothing."""
        ...


class StoredPeople:
    """Profiles that are written."""

    def __init__(self, database: Database, project: Project) -> None:
        self.database = database
        self.project = project
        self._gate = asyncio.Semaphore(WRITES_MAX)

    async def write(self, people: Sequence[Named], now: int) -> list[Outcome]:
        self.database.disk.require_room()
        plain: dict[str, tuple[int, Profile]] = {}
        owners: dict[tuple[str, str], int] = {}
        late: set[int] = set()  # who want a name that another before them wants, too
        for i, (name, profile) in enumerate(people):
            claims = claims_of(profile, new=True)
            if any(owners.setdefault(claim, i) != i for claim in claims):
                late.add(i)
            else:
                plain.setdefault(name, (i, profile))
        new = {name: profile for name, (_, profile) in plain.items()}
        made = await self._add(new, now)
        outcomes: list[Outcome] = ["made"] * len(people)
        newcomers = {plain[name][0] for name in made}
        rest: dict[str, list[int]] = defaultdict(list)  # whoever stands there twice: in turn
        for i in set(range(len(people))) - newcomers - late:
            rest[people[i][0]].append(i)

        async def put_in_turn(places: list[int]) -> None:
            for i in sorted(places):
                outcomes[i] = await self._put(people[i], now)

        await asyncio.gather(*map(put_in_turn, rest.values()))
        for i in sorted(late):
            outcomes[i] = await self._put(people[i], now)
        return outcomes

    async def _add(self, new: Mapping[str, Profile], now: int) -> set[str]:
        """Makes those who are plainly new, at once; those that the database refuses are left."""
        try:
            return await bulk_customers.add(self.database, self.project, new, now)
        except (asyncpg.PostgresError, Unstorable) as error:
            if not blames_data(error) and not isinstance(error, Unstorable):
                raise
            return set()

    async def _put(self, person: Named, now: int) -> Outcome:
        name, profile = person
        try:
            async with self._gate:
                before = await _customer(self.database, self.project, name)
                await profiles.put(self.database, self.project, name, profile, now)
        except TierlineError as error:
            return error
        except (asyncpg.PostgresError, Unstorable) as error:
            if not blames_data(error) and not isinstance(error, Unstorable):
                raise
            return Invalid(reason="The database cannot hold this record; look at its characters.")
        if before is None:
            return "made"
        return "same" if applied(before.customer, profile) == before.customer else "changed"


class TrialPeople:
    """Profiles that would be written."""

    def __init__(self, database: Database, project: Project) -> None:
        self.database = database
        self.project = project
        self._new: set[str] = set()
        self._owners: dict[
            tuple[bool, str], str
        ] = {}  # (whether a number, name) -> source id, of this file

    async def write(self, people: Sequence[Named], now: int) -> list[Outcome]:
        return [await self._would(name, profile) for name, profile in people]

    async def _would(self, name: str, profile: Profile) -> Outcome:
        row = None if name in self._new else await _customer(self.database, self.project, name)
        new = row is None and name not in self._new
        if new and ids.number_of_customer(name) is not None:
            return NotFound(what="customer", name=name, path="source_id")
        claims = claims_of(profile, new=new)
        for (kind, text), field in claims.items():
            owner = await self._owner(kind, text)
            other = owner is not None and (row is None or owner != row.id)
            if other or self._owners.get((kind == "number", text), name) != name:
                reason = f"The {kind} {text!r} belongs to another customer."
                return Conflict(path=field, reason=reason)
        if row is not None:
            try:
                profiles.check_fixed(row, profile)
            except TierlineError as error:
                return error
        self._owners |= {(kind == "number", text): name for kind, text in claims}
        if new:
            self._owners[False, name] = name
            self._new.add(name)
            return "made"
        same = row is not None and applied(row.customer, profile) == row.customer
        return "same" if same else "changed"

    async def _owner(self, kind: str, name: str) -> int | None:
        """Nobody gets what is a name of somebody else's, of whatever kind, but for numbers."""
        async with self.database.pool.acquire() as connection:
            place = connection, self.database.shards, self.project
            if kind == "number":
                return await customers.find_numbered(*place, int(name))
            return await customers.find_by_name(*place, name)


async def _customer(
    database: Database, project: Project, name: str
) -> customers.CustomerRow | None:
    async with database.pool.acquire() as connection:
        number = await customers.find_by_name(connection, database.shards, project, name)
        if number is None:
            return None
        return await customers.read(connection, database.shards, number)


async def numbers_of(database: Database, project: Project, names: Iterable[str]) -> dict[str, int]:
    """Returns the ids of those source ids that exist."""
    by_shard: dict[int, list[str]] = defaultdict(list)
    for name in names:
        by_shard[shard_of_name(database.shards, project.id, name)].append(name)
    numbers: dict[str, int] = {}
    async with database.pool.acquire() as connection:
        for shard, own in sorted(by_shard.items()):
            numbers |= await customers.numbers_of(connection, shard, project.number, own)
    return numbers
