"""Whose activity a key names, where a refund, a void or an approval does not say the customer.

Only the index on keys is asked, in every shard, and nothing is locked: the customer's own shard
decides again, as if they had been named. What is on its way under that key counts too, so that an
array or a stream may speak of what stands before in it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import asyncpg
from msgspec import Struct
from msgspec.structs import replace

from tierline.errors import AmbiguousOriginal, NoOriginalAnywhere, TierlineError
from tierline.ledger.commands import Command
from tierline.ledger.queue import QueuedCommand
from tierline.model import ids
from tierline.store import members, orders
from tierline.store.database import Database
from tierline.store.errors import is_node_away, translate
from tierline.store.orders import OrderPlace

NAMES_MAX: Final = 10  # customers that a refusal names

OriginalKey = tuple[int, str]  # a program, and the key of an activity in it
UnderWay = Callable[[set[OriginalKey]], list[QueuedCommand]]


class KeyOwner(Struct, frozen=True):
    """Somebody with an activity of that key."""

    customer: int
    name: str  # the source id, else the id


class OriginalSearch:
    """Names the customers of commands that name nobody."""

    def __init__(self, database: Database, under_way: UnderWay = lambda _: []) -> None:
        self.database = database
        self._under_way = under_way

    async def addressed(self, command: Command) -> Command:
        """Returns the command with its customer. Raises NoOriginalAnywhere, AmbiguousOriginal."""
        outcome = (await self.addressed_from([command], 0))[0]
        if isinstance(outcome, TierlineError):
            raise outcome
        return outcome

    async def addressed_from(
        self, commands: Sequence[Command], first: int
    ) -> dict[int, Command | TierlineError]:
        """Returns, by position, the commands that name nobody from `first` on, with their
        customers or why there is none. Where what is on its way leaves it open, only the first is
        answered, when that has arrived."""
        places = [i for i in range(first, len(commands)) if _speaks(commands[i])]
        named = {_original_key(commands[i]) for i in places}
        under_way = self._under_way(named)
        owners = await self.owners(named)
        sent: dict[OriginalKey, list[Command]] = defaultdict(list)
        for queued in under_way:
            sent[queued.command.program, queued.command.key].append(queued.command)
        outcomes: dict[int, Command | TierlineError] = {}
        for i in range(first, len(commands)):
            command = commands[i]
            if not command.needs_customer:
                sent[command.program, command.key].append(command)
            elif _speaks(command):
                key = _original_key(command)
                if not sent.get(key):
                    outcomes[i] = await self._outcome(command, owners)
                elif original := _only(sent[key], owners.get(key, [])):
                    outcomes[i] = _addressed_as(command, original)
        if first not in outcomes:
            await asyncio.wait([queued.answer for queued in under_way])
            owners = await self.owners({_original_key(commands[first])})
            outcomes[first] = await self._outcome(commands[first], owners)
        return outcomes

    async def owners(self, keys: Iterable[OriginalKey]) -> dict[OriginalKey, list[KeyOwner]]:
        """Returns who has an activity of each key: one more than a refusal names at most. Raises
        NodeAway while any shard is away."""
        self.database.absent.require_all()  # whom else a key names is not known
        try:
            return await self._owners(list(keys))
        except asyncpg.PostgresError as error:
            if not is_node_away(error):
                raise
            raise translate(error, "") or error from error

    async def _owners(self, distinct: Sequence[OriginalKey]) -> dict[OriginalKey, list[KeyOwner]]:
        owners: dict[OriginalKey, list[KeyOwner]] = defaultdict(list)
        async with self.database.pool.acquire() as connection:
            for shard in range(self.database.shards):
                rows = await members.owners(connection, shard, distinct, NAMES_MAX + 1)
                for place, customer, name in rows:
                    owners[distinct[place]].append(KeyOwner(customer, name))
        return owners

    async def _outcome(
        self, command: Command, owners: dict[OriginalKey, list[KeyOwner]]
    ) -> Command | TierlineError:
        candidates = owners.get(_original_key(command), [])
        if not candidates:
            candidates = await self.buyer(command)
        if len(candidates) > 1:
            candidates = await self.recorded(command) or candidates
        return address(command, candidates)

    async def buyer(self, command: Command) -> list[KeyOwner]:
        """Returns whose the order of that name is, where there is one that is told whole."""
        place = OrderPlace.of(self.database.shards, command.project, command.of or "")
        async with self.database.pool.acquire() as connection:
            row = await orders.one(connection, place)
        return [KeyOwner(row["customer"], row["buyer"])] if row and row["customer"] else []

    async def recorded(self, command: Command) -> list[KeyOwner]:
        """Returns who has this very command already: a repetition is the same person's, though
        others have got an activity of that key since."""
        own = command.program, command.key
        candidates = (await self.owners([own])).get(own, [])
        holders = []
        async with self.database.pool.acquire() as connection:
            for owner in candidates:
                key = owner.customer, *_original_key(command)
                if await members.receipt(connection, self.database.shards, key) is not None:
                    holders.append(owner)
        return holders


def address(command: Command, owners: Sequence[KeyOwner]) -> Command | TierlineError:
    """Returns the command with the only one of these as its customer, or why there is none."""
    if not owners:
        return NoOriginalAnywhere(of=command.of, path="of")
    if len(owners) > 1:
        names = sorted(repr(owner.name) for owner in owners)[:NAMES_MAX]
        names += ["others"] if len(owners) > NAMES_MAX else []
        return AmbiguousOriginal(of=command.of, customers=", ".join(names), path="of")
    owner = owners[0]
    route = ids.route_of_customer(owner.customer)
    return replace(command, customer=owner.name, number=owner.customer, route=route)


def _speaks(command: Command) -> bool:
    """Whether a command leaves its customer to the activity that it names."""
    return command.needs_customer and command.order is None


def _only(sent: Sequence[Command], owners: Sequence[KeyOwner]) -> Command | None:
    """Returns one of the commands where all of these, sent and stored, are surely one person's."""
    people = {(command.number, command.customer) for command in sent}
    if len(people) > 1 or len(owners) > 1:
        return None
    number, name = people.pop()
    for owner in owners:
        if number != owner.customer and name != owner.name:
            return None
    return sent[0]


def _addressed_as(command: Command, original: Command) -> Command:
    """With the customer of another command: what is refused there is unknown here."""
    return replace(
        command, customer=original.customer, number=original.number, route=original.route
    )


def _original_key(command: Command) -> OriginalKey:
    return command.program, command.of or ""
