"""The part of a preview that works through pages: here, or in processes of its own.

A page is read, judged under both rules, and becomes a tally. Nothing is written and nothing is
locked. A page that failed for the database's reasons is read again: its tally is made anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import multiprocessing
import os
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import groupby
from multiprocessing.connection import wait
from operator import itemgetter
from typing import Any, Final, TypeVar

from msgspec import Struct

from tierline.analysis.explain import Explanation, explain
from tierline.analysis.preview import Chosen, OutcomeTally, Proposal, compare
from tierline.engine.decide import HistoryNeeded
from tierline.ledger.stored_originals import entry_of
from tierline.model.encoding import decode_standing
from tierline.model.entries import Entry
from tierline.model.standing import Standing, effective_ledger
from tierline.model.tenant import Customer
from tierline.store.errors import is_retryable
from tierline.store.preview_pages import MemberPage, PreviewReader, in_portions

T = TypeVar("T")
MEMBERS_AT_ONCE: Final = 50  # judged before the event loop may look elsewhere: a few ms
ATTEMPTS: Final = 5
NICENESS: Final = 10  # processes of their own leave the cores to requests


class Work(Struct, frozen=True):
    """What a process needs to know once."""

    url: str
    program: int
    proposal: Proposal
    samples: int


class Explained(Struct, frozen=True):
    """A sample with its arithmetic. `customer` is None where the row is gone."""

    chosen: Chosen
    customer: Customer | None
    explanation: Explanation


class Judge:
    """Judges pages on one connection, which is opened again after it was lost."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self._reader: PreviewReader | None = None

    async def close(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.close()

    async def page(self, page: MemberPage) -> OutcomeTally:
        return await self._again(lambda reader: self._page(reader, page))

    async def explained(self, chosen: Sequence[Chosen]) -> list[Explained]:
        """The arithmetic of samples, from the ledger as far as their standings knew it."""
        return await self._again(lambda reader: self._explained(reader, chosen))

    async def _again(self, task: Callable[[PreviewReader], Awaitable[T]]) -> T:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                if self._reader is None:
                    self._reader = await PreviewReader.open(self.work.url, self.work.program)
                return await task(self._reader)
            except Exception as error:
                if not is_retryable(error) or attempt == ATTEMPTS:
                    raise
                if self._reader is not None:
                    self._reader.connection.terminate()
                    self._reader = None
                await asyncio.sleep(0.1 * 2**attempt)
        raise AssertionError

    # -- a page -------------------------------------------------------------------------------

    async def _page(self, reader: PreviewReader, page: MemberPage) -> OutcomeTally:
        tally = OutcomeTally(kept_samples=self.work.samples)
        unanswered: dict[int, Standing] = {}
        for i, (customer, raw) in enumerate(await reader.standings(page), 1):
            if i % MEMBERS_AT_ONCE == 0:
                await asyncio.sleep(0)
            try:
                standing = decode_standing(raw)
                try:
                    self._add(tally, page.shard, customer, standing, None)
                except HistoryNeeded:
                    unanswered[customer] = standing
            except Exception as fault:  # noqa: BLE001 - one broken member must not end the others
                tally.fail(customer, repr(fault))
        if unanswered:
            await self._reread(reader, page.shard, unanswered, tally)
        return tally

    async def _reread(
        self, reader: PreviewReader, shard: int, standings: dict[int, Standing], tally: OutcomeTally
    ) -> None:
        """Whom the standing does not answer for: judged from all of the ledger."""
        sizes = [(customer, standing.entries) for customer, standing in standings.items()]
        for portion in in_portions(sizes):
            rows = await reader.histories(shard, portion)
            for i, (customer, entries) in enumerate(_histories(rows), 1):
                if i % MEMBERS_AT_ONCE == 0:
                    await asyncio.sleep(0)
                standing = standings[customer]
                prior = effective_ledger(entries[: standing.entries], standing)
                try:
                    self._add(tally, shard, customer, standing, prior)
                except Exception as fault:  # noqa: BLE001 - as above
                    tally.fail(customer, repr(fault))
                tally.reread += 1
                tally.reread_entries += len(prior)

    def _add(
        self,
        tally: OutcomeTally,
        shard: int,
        customer: int,
        standing: Standing,
        history: Sequence[Entry] | None,
    ) -> None:
        outcome = compare(self.work.proposal, standing, history)
        tally.add(outcome, shard, customer, standing)

    # -- samples ------------------------------------------------------------------------------

    async def _explained(self, reader: PreviewReader, chosen: Sequence[Chosen]) -> list[Explained]:
        explanations: list[Explained] = []
        for shard, group in groupby(sorted(chosen, key=_shard), key=_shard):
            here = {one.customer: one for one in group}
            profiles = await reader.profiles(shard, list(here))
            for portion in in_portions([(c, one.entries) for c, one in here.items()]):
                rows = await reader.histories(shard, portion)
                for customer, entries in _histories(rows):
                    one = here[customer]
                    ledger = effective_ledger(entries[: one.entries], one.former)
                    explanation = self._explain(ledger)
                    explanations.append(Explained(one, profiles.get(customer), explanation))
                    await asyncio.sleep(0)
        return explanations

    def _explain(self, entries: Sequence[Entry]) -> Explanation:
        proposal = self.work.proposal
        newest = entries[-1].recorded_at
        if newest >= proposal.effective_at:
            proposal = proposal.put_off(newest + 1)
        return explain(proposal.tried, entries, proposal.until)


def _shard(chosen: Chosen) -> int:
    return chosen.shard


def _histories(rows: Iterable[Any]) -> Iterable[tuple[int, list[Entry]]]:
    for customer, lines in groupby(rows, key=itemgetter(0)):
        yield customer, [entry_of(tuple(line)[1:]) for line in lines]


# -- a process of its own -----------------------------------------------------------------------

_here: dict[str, Any] = {}


def begin(work: Work) -> None:
    """Runs once in each process."""
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    gc.disable()  # nothing here makes cycles but errors; see `judge_page`
    _here["judge"] = Judge(work)
    _here["loop"] = asyncio.new_event_loop()


def judge_page(page: MemberPage) -> OutcomeTally:
    tally: OutcomeTally = _here["loop"].run_until_complete(_here["judge"].page(page))
    gc.collect(0)
    return tally


def explain_samples(chosen: Sequence[Chosen]) -> list[Explained]:
    explanations: list[Explained] = _here["loop"].run_until_complete(
        _here["judge"].explained(chosen)
    )
    return explanations


def _end_with_the_parent() -> None:
    """A parent that was killed cannot tell its processes to stop."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
