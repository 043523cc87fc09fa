"""Preview of a change of rules over all members of a program: who would move, by how many, why.

Small programs are judged by a thread of this process; large ones, and those with long ledgers, by
processes of their own, page by page, each with one connection. Either way the event loop that asks
is free for others. Memory is flat: a page is tallied and forgotten.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol, TypeVar

from msgspec import Struct

from tierline.analysis.explain import Explanation
from tierline.analysis.preview import Cell, Chosen, Failure, OutcomeTally, Proposal
from tierline.errors import TierlineError
from tierline.ledger.previews import page_workers
from tierline.ledger.previews.page_workers import Explained, Judge, Work
from tierline.model.calendar import format_instant
from tierline.rules.ladder import TierName
from tierline.rules.lint import lint
from tierline.rules.lint.finding import Finding
from tierline.rules.program import OnChange, Version, successors
from tierline.store.database import Database
from tierline.store.preview_pages import MemberPage, PreviewReader, PreviewSql

T = TypeVar("T")
HERE_MEMBERS_MAX: Final = 4_000  # below, starting processes costs more than it saves
HERE_ENTRIES_MAX: Final = 1_000  # of one member: a longer fold would take the interpreter too long
EXPLAINED_MAX: Final = 60  # samples of one preview, however many cells it has
SAMPLES_DEFAULT: Final = 3
SAMPLES_MAX: Final = 20  # of one cell


class PreviewTooLarge(TierlineError):
    """The program has {members} members, more than the {limit} that are answered in one piece;
    ask with `Accept: application/x-ndjson`, which shows progress while it works."""

    code = "preview_too_large"
    status = 422


class PreviewProgress(Struct, frozen=True):
    """How far a preview is. `reread` members had to be judged from the ledger."""

    done: int
    total: int
    reread: int
    reread_entries: int


class Count(Struct, frozen=True, rename={"from_": "from"}):
    """Members by the tier they would have otherwise (`from`) and under the new rules (`to`).
    `moves`: the tier is another one, not the same under a new id."""

    from_: str | None
    to: str | None
    members: int
    moves: bool


class Sample(Struct, frozen=True, rename={"from_": "from"}):
    """One member of a cell, with the arithmetic under the new rules."""

    customer: str | None
    customer_id: str | None
    from_: str | None
    to: str | None
    explanation: Explanation


class Report(Struct, frozen=True):
    """What a change of rules would do. Every count is exact.

    `matrix` compares both futures at `until`; `earned` holds what the totals reach under the new
    rules, where next assessments lead. `events` would be announced from `effective_at` until
    `until`, reminders included, `otherwise` without the change. `former` left the program and are
    not counted; `changed_meanwhile` were judged as they were found, after `effective_at`.
    """

    program: str
    effective_at: str
    until: str
    on_change: OnChange
    members: int
    moved: int
    matrix: tuple[Count, ...]
    earned: tuple[Count, ...]
    events: dict[str, int]
    otherwise: dict[str, int]
    samples: tuple[Sample, ...]
    tiers: tuple[TierName, ...]
    tiers_before: tuple[TierName, ...]
    former: int
    changed_meanwhile: int
    reread: int
    reread_entries: int
    failed: int
    failures: tuple[Failure, ...]
    warnings: tuple[Finding, ...]
    took_ms: int


async def preview(
    database: Database,
    program: int,
    proposal: Proposal,
    *,
    samples: int = SAMPLES_DEFAULT,
    processes: int | None = None,
    members_max: int | None = None,
    on_progress: Callable[[PreviewProgress], None] = lambda _: None,
) -> Report:
    """Judge every member of the program numbered `program` under both rules.

    `processes` 0: in this one; None: as the size asks for. `on_progress` is called after each page.
    Cancelling ends it, its processes included. Raises PreviewTooLarge for more members than
    `members_max`, another TierlineError where the database is away.
    """
    began = time.monotonic()
    work = Work(database.url, program, proposal, min(samples, SAMPLES_MAX))
    pages = await _pages(database, program)
    total = sum(page.members for page in pages)
    if members_max is not None and total > members_max:
        raise PreviewTooLarge(members=total, limit=members_max)
    if processes is None:
        processes = processes_for(total, await _longest(database, program, total), len(pages))
    async with _hands(work, processes) as hands:
        tally = OutcomeTally(kept_samples=work.samples)
        done = 0
        on_progress(PreviewProgress(0, total, 0, 0))
        async for page, part in hands.pages(pages):
            tally.merge(part)
            done += page.members
            on_progress(PreviewProgress(done, total, tally.reread, tally.reread_entries))
        explained = await hands.explained(_to_explain(proposal, tally))
    return _report(proposal, tally, explained, round((time.monotonic() - began) * 1000))


async def _pages(database: Database, program: int) -> list[MemberPage]:
    reader = PreviewReader(await database.connect(), program)
    try:
        return await reader.pages(database.shards)
    finally:
        await reader.close()


async def _longest(database: Database, program: int, members: int) -> int:
    """How many entries the longest ledger has, where that decides."""
    if members > HERE_MEMBERS_MAX:
        return 0
    async with database.pool.acquire() as connection:
        lengths: list[int] = [
            await connection.fetchval(PreviewSql.longest, shard, program)
            for shard in range(database.shards)
        ]
    return max(lengths)


def processes_for(members: int, longest: int, pages: int) -> int:
    """Returns how many processes judge so many members, the longest of whose ledgers has so many
    entries; 0: a thread of this one does."""
    if members <= HERE_MEMBERS_MAX and longest <= HERE_ENTRIES_MAX:
        return 0
    return max(1, min(cores(), pages))


# -- who does the work ---------------------------------------------------------------------------


class Hands(Protocol):
    """Whoever judges pages."""

    def pages(
        self, pages: Sequence[MemberPage]
    ) -> AsyncIterator[tuple[MemberPage, OutcomeTally]]: ...
    async def explained(self, chosen: Sequence[Chosen]) -> list[Explained]: ...


@asynccontextmanager
async def _hands(work: Work, processes: int) -> AsyncIterator[Hands]:
    if processes == 0:
        here = Here(Judge(work))
        try:
            yield here
        finally:
            await here.close()
        return
    # Spawned, not forked: this process may have threads and open connections.
    executor = ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), page_workers.begin, (work,)
    )
    try:
        yield Elsewhere(executor, processes)
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def cores() -> int:
    """How many this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


class Here:
    """A thread of this process, with an event loop and a connection of its own. Who stops waiting
    for a page ends it after a few members."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="preview", daemon=True)
        self._thread.start()

    async def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def close(self) -> None:
        try:
            await self._run(self._end())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            await asyncio.to_thread(self._thread.join)
            self._loop.close()

    async def _end(self) -> None:
        """When whatever was given up has ended, too: it uses the same connection."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)
        await self.judge.close()

    async def pages(
        self, pages: Sequence[MemberPage]
    ) -> AsyncIterator[tuple[MemberPage, OutcomeTally]]:
        for page in pages:
            yield page, await self._run(self.judge.page(page))

    async def explained(self, chosen: Sequence[Chosen]) -> list[Explained]:
        return await self._run(self.judge.explained(chosen))


class Elsewhere:
    """Processes of their own. Only pages' keys and tallies pass between them and this one."""

    def __init__(self, executor: ProcessPoolExecutor, processes: int) -> None:
        self.executor = executor
        self.processes = processes

    async def pages(
        self, pages: Sequence[MemberPage]
    ) -> AsyncIterator[tuple[MemberPage, OutcomeTally]]:
        loop = asyncio.get_running_loop()
        waiting = list(reversed(pages))
        running: dict[asyncio.Future[OutcomeTally], MemberPage] = {}
        while waiting or running:
            while waiting and len(running) < 2 * self.processes:
                page = waiting.pop()
                task = loop.run_in_executor(self.executor, page_workers.judge_page, page)
                running[task] = page
            finished, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in finished:
                yield running.pop(task), task.result()

    async def explained(self, chosen: Sequence[Chosen]) -> list[Explained]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.executor, page_workers.explain_samples, chosen)


# -- the report ----------------------------------------------------------------------------------


class _Ladders:
    """The two ladders of a proposal: order, names, and which tier became which."""

    def __init__(self, proposal: Proposal) -> None:
        self.before = proposal.program.version(proposal.until)
        self.after = proposal.version
        self.successors = successors(self.before, self.after)

    def moves(self, cell: Cell) -> bool:
        was, now = cell
        return now is not None if was is None else self.successors.get(was) != now

    def order(self, cell: Cell) -> tuple[int, int]:
        return _rank(self.before, cell[0]), _rank(self.after, cell[1])

    def counts(self, cells: dict[Cell, int]) -> tuple[Count, ...]:
        ordered = sorted(cells.items(), key=lambda item: self.order(item[0]))
        return tuple(Count(*cell, members, self.moves(cell)) for cell, members in ordered)


def _rank(version: Version, tier: str | None) -> int:
    return -1 if tier is None else version.rank.get(tier, len(version.rank))


def _labels(version: Version) -> tuple[TierName, ...]:
    return tuple(TierName(tier.id, tier.name) for tier in version.rules.policy.tiers)


def _to_explain(proposal: Proposal, tally: OutcomeTally) -> list[Chosen]:
    """One of each cell first, then the seconds …; cells that move before those that stay."""
    ladders = _Ladders(proposal)
    cells = sorted(tally.samples, key=lambda c: (not ladders.moves(c), ladders.order(c)))
    turns = [
        tally.samples[cell][turn]
        for turn in range(tally.kept_samples)
        for cell in cells
        if turn < len(tally.samples[cell])
    ]
    return turns[:EXPLAINED_MAX]


def _report(
    proposal: Proposal, tally: OutcomeTally, explained: list[Explained], took_ms: int
) -> Report:
    ladders = _Ladders(proposal)
    counts = ladders.counts(tally.cells)
    findings = lint.lint(proposal.version.rules)
    return Report(
        program=proposal.program.id,
        effective_at=format_instant(proposal.effective_at),
        until=format_instant(proposal.until),
        on_change=proposal.version.on_change,
        members=tally.members,
        moved=sum(count.members for count in counts if count.moves),
        matrix=counts,
        earned=ladders.counts(tally.earned),
        events=dict(sorted(tally.events.items())),
        otherwise=dict(sorted(tally.otherwise.items())),
        samples=tuple(_samples(ladders, tally, explained)),
        tiers=_labels(ladders.after),
        tiers_before=_labels(ladders.before),
        former=tally.former,
        changed_meanwhile=tally.changed,
        reread=tally.reread,
        reread_entries=tally.reread_entries,
        failed=tally.failed,
        failures=tuple(tally.failures),
        warnings=tuple(finding for finding in findings if finding.severity == "warning"),
        took_ms=took_ms,
    )


def _samples(ladders: _Ladders, tally: OutcomeTally, explained: list[Explained]) -> list[Sample]:
    by_member = {(one.chosen.shard, one.chosen.customer): one for one in explained}
    samples: list[Sample] = []
    for cell in sorted(tally.samples, key=lambda c: (not ladders.moves(c), ladders.order(c))):
        for chosen in tally.samples[cell]:
            one = by_member.get((chosen.shard, chosen.customer))
            if one is not None:
                customer: Any = one.customer
                source, own = (
                    (None, None) if customer is None else (customer.source_id, customer.id)
                )
                samples.append(Sample(source, own, cell[0], cell[1], one.explanation))
    return samples
