"""A batch on its way beside others: what it waits for, so that whoever is in two of them is decided
in the order of their commands."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cached_property

from tierline.ledger.batch import Batch, Person
from tierline.ledger.queue import QueuedCommand


class Overtaken(Exception):
    """A batch before was rolled back, and has to be done first."""

    def __init__(self, by: RunningBatch) -> None:
        super().__init__()
        self.by = by


class RunningBatch:
    """A batch on its way, and those before it that are not over yet."""

    def __init__(self, batch: Sequence[QueuedCommand], before: tuple[RunningBatch, ...]) -> None:
        self.batch = batch
        self.before = before
        self.members: frozenset[tuple[int, int]] = frozenset()  # whose locks it held first
        self.strangers: frozenset[Person] = frozenset()  # of its people, who were not there yet
        self.failed = False  # it was rolled back once, so its locks were let go
        self.loaded = asyncio.Event()  # its locks are held, or its first attempt has ended
        self.ended = asyncio.Event()  # its first attempt
        self.over = asyncio.Event()  # everybody in it was answered

    async def follow(self, work: Batch) -> None:
        """Called with the locks held. Raises Overtaken when a turn before has to end first."""
        if not work.missing:
            await self._let_next_begin(work)
        for before in self.before:
            # Who was not found may have come while our locks were waited for, even if it is over.
            if self._is_apart_from(before, work) or (before.over.is_set() and not work.missing):
                continue
            await before.ended.wait()
            if before.failed and not before.over.is_set():
                raise Overtaken(before)
            await work.look_again()
        # Who was missing may be there now, and locked: before that was known nobody could follow.
        await self._let_next_begin(work)

    async def _let_next_begin(self, work: Batch) -> None:
        if not self.loaded.is_set():
            self.members, self.strangers = work.members, work.strangers
            self.loaded.set()
            # The next one's look-ups are sent first: the database does them while this one is
            # decided. It begins in the first round of the loop, and sends in the second.
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    def _is_apart_from(self, before: RunningBatch, work: Batch) -> bool:
        """Whether nobody is in both."""
        if before.failed or not work.members.isdisjoint(before.members):
            return False
        strangers = work.strangers
        if not strangers and not before.strangers:
            return True
        mine, theirs = self.people, before.people
        if mine is None or theirs is None:
            return False
        return strangers.isdisjoint(theirs) and before.strangers.isdisjoint(mine)

    @cached_property
    def people(self) -> frozenset[Person] | None:
        """Of whom it speaks; None: by numbers, too, which may be anybody's."""
        if any(waiting.number for waiting in self.batch):
            return None
        return frozenset((w.command.project, w.command.customer) for w in self.batch)

    def attempted(self, *, committed: bool) -> None:
        self.failed = self.failed or not committed
        self.loaded.set()
        self.ended.set()
