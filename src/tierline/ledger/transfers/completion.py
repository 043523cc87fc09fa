"""Transfers under way: each is brought to its end right after its first half is durable, by the
process that took it; what a crash leaves behind is taken up by the sweep.

Whatever is tried twice, here or in two processes at once, is done once: both second half and
compensation have keys that follow from the first half's, and only one of them can ever be recorded
(`halves`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

from tierline.errors import Busy
from tierline.ledger.batch import ProgramCatalog
from tierline.ledger.commands import Answer, Command, ProgramRef, Transfer
from tierline.ledger.receipts import first_answer
from tierline.ledger.transfers.legs import TransferRefused, compensation, second_half, void_key
from tierline.model.entries import Detail
from tierline.store import customers
from tierline.store import transfers as store
from tierline.store.database import Database
from tierline.store.transfers import Intent, IntentKey

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session

PAGE: Final = 100  # left-over transfers that are taken up at once

Record = Callable[[Command], Awaitable[Answer]]
_read_detail = msgspec.json.Decoder(Detail).decode
_log = structlog.get_logger("tierline.ledger")


class Returned(Struct, frozen=True):
    """Points that are back: the sender right after, and why (`code: sentence`)."""

    answer: Answer
    why: str


class Transfers:
    """Second halves, by way of `record`: what makes a command durable."""

    def __init__(self, database: Database, catalog: ProgramCatalog, record: Record) -> None:
        self.database = database
        self.catalog = catalog
        self.record = record
        self._under_way: dict[IntentKey, asyncio.Task[Returned | None]] = {}
        self._following: set[asyncio.Task[None]] = set()

    def follow(
        self, command: Command, first: Answer, intent: Intent | None, answer: asyncio.Future[Answer]
    ) -> None:
        """Go on after a first half is durable, and answer then. `intent`: as it left it; None for
        a repeated one."""
        task = asyncio.create_task(self._follow(command, first, intent, answer), name="transfer")
        self._following.add(task)
        task.add_done_callback(self._following.discard)

    async def finish(self, intent: Intent) -> Returned | None:
        """Bring one transfer to its end: None when the points arrived. Raises what keeps it from
        its end for now; it can be tried again at any time."""
        task = self._under_way.get(intent.identity)
        if task is None:
            task = self._under_way[intent.identity] = asyncio.create_task(self._finish(intent))
            task.add_done_callback(lambda _: self._under_way.pop(intent.identity, None))
        return await asyncio.shield(task)

    async def resume(self, shard: int, before: int) -> int:
        """Take up a shard's transfers that began until an instant (wall time) and are not settled;
        how many were. One that cannot end now is left for the next time."""
        done, after = 0, (0, 0, "")
        while True:
            async with self.database.pool.acquire() as connection:
                page = await store.open_intents(connection, shard, before, after, PAGE)
            if not page:
                return done
            finished = await asyncio.gather(*map(self.finish, page), return_exceptions=True)
            for intent, how in zip(page, finished, strict=True):
                if isinstance(how, BaseException):
                    _log.warning("transfer_left_open", key=intent.key, error=repr(how))
            done += sum(not isinstance(how, BaseException) for how in finished)
            after = page[-1].identity

    async def stop(self) -> None:
        """When nothing more is recorded: what is not settled by now stays in transit."""
        while self._following or self._under_way:
            tasks = [*self._following, *self._under_way.values()]
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _finish(self, intent: Intent) -> Returned | None:
        program_ref = ProgramRef(self.catalog.project(intent.project), intent.program)
        try:
            await self.record(second_half(program_ref, intent))
        except TransferRefused as refused:
            why: str = refused.facts["why"]
            return Returned(await self.record(compensation(program_ref, intent, why)), why)
        except Busy:
            async with self.database.pool.acquire() as connection:
                if await store.intent(connection, self.database.shards, intent.identity):
                    raise
            return await self._return_of(intent.identity)  # another process has ended it
        async with self.database.pool.acquire() as connection:
            await store.drop_intent(connection, self.database.shards, intent.identity)
        return None

    async def _follow(
        self, command: Command, first: Answer, intent: Intent | None, answer: asyncio.Future[Answer]
    ) -> None:
        to = (command.detail or Detail()).counterpart or ""
        try:
            final = _with_arrival(first, to, await self._end(command, intent))
        except Exception as error:  # noqa: BLE001 - the first half is durable: that is told
            if not isinstance(error, Busy):
                _log.warning("transfer_left_open", key=command.key, error=repr(error))
            final = replace(first, transfer=Transfer(to, "in_transit"))
        if not answer.done():
            answer.set_result(final)

    async def _end(self, command: Command, intent: Intent | None) -> Returned | None:
        if intent is not None:
            return await self.finish(intent)
        async with self.database.pool.acquire() as connection:
            place = (await self._sender(connection, command), command.program, command.key)
            intent = await store.intent(connection, self.database.shards, place)
        if intent is not None:
            return await self.finish(intent)
        return await self._return_of(place)

    async def _return_of(self, place: IntentKey) -> Returned | None:
        """How a transfer ended that is not under way any more."""
        customer, program, key = place
        async with self.database.pool.acquire() as connection:
            back = (customer, program, void_key(key))
            row = await store.receipt(connection, self.database.shards, back)
        if row is None:
            return None
        detail = Detail() if row["detail"] is None else _read_detail(row["detail"])
        voided = first_answer(back[2], row["n"], row["points"], row["amount"], row["answer"])
        return Returned(voided, detail.reason or "")

    async def _sender(self, connection: Session, command: Command) -> int:
        if command.number:
            return command.number
        project = self.catalog.project(command.project)
        name = command.customer
        customer = await customers.find_by_name(connection, self.database.shards, project, name)
        return customer or 0


def _with_arrival(first: Answer, to: str, returned: Returned | None) -> Answer:
    """The first half's answer, with what became of it: points that are back are counted again."""
    if returned is None:
        return replace(first, transfer=Transfer(to, "arrived"))
    code, _, reason = returned.why.partition(": ")
    back = returned.answer
    return replace(
        first,
        balance=back.balance,
        pending=back.pending,
        tier=back.tier,
        since=back.since,
        expires_at=back.expires_at,
        events=(*first.events, *back.events),
        transfer=Transfer(to, "returned", code, reason),
    )
