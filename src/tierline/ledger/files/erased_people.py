"""Whom a file must not bring back: records that name somebody who was erased here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec import Struct

from tierline.errors import TierlineError
from tierline.ledger.files.records import Record
from tierline.model.tenant import Project
from tierline.store import erasures
from tierline.store.catalog.digests import Digests
from tierline.store.database import Database


class ErasedHere(TierlineError):
    """The record names a customer who was erased here; leave it out, or import it with
    --allow-erased where they agreed to come back."""

    code = "erased"
    status = 409


class _Named(Struct):
    """Whom an activity names."""

    customer: str | None = None
    to: str | None = None


_read = msgspec.json.Decoder(_Named).decode


class ErasedPeople:
    """Knows them by the fingerprints of their names and mails. `allowed`: anybody may come back."""

    def __init__(
        self, database: Database, digests: Digests, project: Project, *, allowed: bool
    ) -> None:
        self.database = database
        self.digests = digests
        self.project = project
        self.allowed = allowed

    async def among(self, batch: Sequence[Record]) -> set[int]:
        """Returns the records, by `id`, that name one of them."""
        if self.allowed:
            return set()
        async with self.database.pool.acquire() as connection:
            shards, project = self.database.shards, self.project.number
            if not await erasures.any_erased(connection, shards, project):
                return set()
            await self.digests.ensure(connection)
            prints = {id(record): set(self._prints(record)) for record in batch}
            every = set[str]().union(*prints.values())
            erased = await erasures.erased_among(connection, shards, project, every)
        return {record for record, own in prints.items() if not own.isdisjoint(erased)}

    def _prints(self, record: Record) -> Iterator[str]:
        yield from map(self.digests.name, _names(record))
        if record.person is not None and record.person.email:
            yield self.digests.email(record.person.email)


def _names(record: Record) -> Iterable[str]:
    person = record.person
    if person is not None:
        yield from person.every_name
    for line in (record.entry, record.order):
        if line is not None:
            yield line.customer
    if record.activity is not None:
        try:
            activity = _read(record.activity)
        except msgspec.MsgspecError:
            return  # it is refused for what is wrong with it
        yield from (name for name in (activity.customer, activity.to) if name)
