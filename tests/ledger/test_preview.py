"""Preview over a real ledger: exact counts, samples with arithmetic, and nobody kept waiting."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.ledger.conftest import LADDER, Club, wall
from tests.ledger.test_sweep import START, YEARLY, advance
from tierline.analysis.preview import Proposal, propose
from tierline.ledger import commands
from tierline.ledger.previews import preview as module
from tierline.ledger.previews.page_workers import Judge, Work
from tierline.ledger.previews.preview import (
    HERE_ENTRIES_MAX,
    HERE_MEMBERS_MAX,
    PreviewProgress,
    Report,
    cores,
    preview,
    processes_for,
)
from tierline.rules.ladder import Tier
from tierline.rules.metric import Metric
from tierline.rules.policy import Policy
from tierline.rules.program import OnChange, Rules
from tierline.store.preview_pages import LAST, PreviewReader

SPEND = {"ada": 600, "bob": 150, "cem": 90, "dee": 99, "eve": 20, "fay": 101}


def lowered(silver: int, rules: Rules = LADDER) -> Rules:
    """The same ladder with another way into silver."""
    bronze, middle, gold = rules.policy.tiers
    tiers = (replace(bronze, to=silver - 1), replace(middle, from_=silver), gold)
    return replace(rules, policy=replace(rules.policy, tiers=tiers))


async def populate(club: Club) -> None:
    async with club.writer() as writer:
        for customer, points in SPEND.items():
            await writer.submit(club.activity(customer=customer, points=points))


async def proposed(
    club: Club, rules: Rules, choice: OnChange = "rejudge", at: int | None = None
) -> Proposal:
    program = await club.catalog.program_numbered(club.program)
    return propose(program, rules, on_change=choice, effective_at=wall() if at is None else at)


def matrix(report: Report) -> dict[tuple[str | None, str | None], int]:
    return {(cell.from_, cell.to): cell.members for cell in report.matrix}


async def test_a_preview_counts_everybody_and_shows_why(club: Club) -> None:
    """The matrix is exact, movers come first, and a sample's arithmetic reaches its tier."""
    await club.create()
    await populate(club)
    progress: list[PreviewProgress] = []
    proposal = await proposed(club, lowered(90))
    report = await preview(club.database, club.program, proposal, on_progress=progress.append)

    assert matrix(report) == {
        ("bronze", "bronze"): 1,
        ("bronze", "silver"): 2,
        ("silver", "silver"): 2,
        ("gold", "gold"): 1,
    }
    assert (report.members, report.moved, report.events) == (6, 2, {"upgraded": 2})
    assert [(s.from_, s.to) for s in report.samples[:2]] == [("bronze", "silver")] * 2
    assert {s.customer for s in report.samples} == set(SPEND)
    for sample in report.samples:
        assert sample.explanation.tier == sample.to
        assert sample.customer is not None
        assert sample.explanation.totals["metric"].total == SPEND[sample.customer]
    assert (progress[0].done, progress[-1].done, progress[-1].total) == (0, 6, 6)
    assert [(cell.from_, cell.to) for cell in report.earned][-1] == ("gold", "gold")


async def test_processes_of_their_own_give_the_same_report(club: Club) -> None:
    """Where the work is done changes nothing that is said."""
    await club.create()
    await populate(club)
    proposal = await proposed(club, lowered(90))
    here = await preview(club.database, club.program, proposal, processes=0)
    elsewhere = await preview(club.database, club.program, proposal, processes=1)

    assert replace(elsewhere, took_ms=0) == replace(here, took_ms=0)


@pytest.mark.parametrize("processes", [None, 0, 1])
async def test_nobody_is_judged_on_the_loop_that_asks(
    club: Club, processes: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However small the program is: the loop of a server has other people's requests."""
    threads, add, explained = set[int](), Judge._add, Judge._explain

    def noting(method: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any) -> Any:
            threads.add(threading.get_ident())
            return method(*arguments)

        return noted

    monkeypatch.setattr(Judge, "_add", noting(add))
    monkeypatch.setattr(Judge, "_explain", noting(explained))
    await club.create()
    await populate(club)
    report = await preview(
        club.database, club.program, await proposed(club, lowered(90)), processes=processes
    )
    assert report.moved == 2
    assert len(threads) == (0 if processes else 1)  # another process notes nothing here
    assert threading.get_ident() not in threads


def test_long_ledgers_are_for_processes() -> None:
    """As many members are; a thread would take the interpreter from everybody for too long."""
    assert processes_for(HERE_MEMBERS_MAX, HERE_ENTRIES_MAX, 4) == 0
    assert processes_for(1, HERE_ENTRIES_MAX + 1, 1) == 1
    assert processes_for(HERE_MEMBERS_MAX + 1, 1, 1) == 1
    assert processes_for(10**6, 0, 250) == cores()


async def test_the_longest_ledger_decides(club: Club, monkeypatch: pytest.MonkeyPatch) -> None:
    """In whichever shard it lies."""
    await club.create()
    await populate(club)
    async with club.writer() as writer:
        for n in range(3):
            await writer.submit(club.activity(customer="cem", points=1, key=f"more-{n}"))
    ledgers: list[int] = []

    def processes(members: int, longest: int, pages: int) -> int:
        ledgers.append(longest)
        return processes_for(members, longest, pages)

    monkeypatch.setattr(module, "processes_for", processes)
    await preview(club.database, club.program, await proposed(club, lowered(90)))
    entries = await club.database.pool.fetchval("SELECT max(entries) FROM member")
    assert ledgers == [entries]


async def test_nothing_is_written_and_no_lock_is_waited_for(club: Club) -> None:
    """A writer that holds every member's lock does not hold up a preview, nor leaves a preview
    anything behind."""
    await club.create()
    await populate(club)
    before = await club.standing("bob")
    proposal = await proposed(club, lowered(200))
    async with club.database.pool.acquire() as connection, connection.transaction():
        for shard in range(club.database.shards):
            await connection.execute("SELECT 1 FROM member WHERE shard = $1 FOR UPDATE", shard)
        report = await asyncio.wait_for(
            preview(club.database, club.program, proposal, processes=0), 20
        )

    assert report.events == {"downgraded": 2}
    assert await club.standing("bob") == before
    assert await club.count("event") == len(SPEND)


async def test_another_metric_is_answered_from_the_ledger(club: Club) -> None:
    """What standings never kept is counted from entries, and the report says how many."""
    await club.create()
    async with club.writer() as writer:
        await writer.submit(club.activity("order", "ada", amount=60_000))
        await writer.submit(club.activity("earn", "bob", points=300))
    spend = replace(LADDER, policy=replace(LADDER.policy, metric=Metric(source="spend")))
    report = await preview(club.database, club.program, await proposed(club, spend))

    assert matrix(report) == {("gold", "gold"): 1, ("silver", "bronze"): 1}
    assert (report.reread, report.reread_entries) == (2, 4)


async def test_a_sandbox_is_looked_at_on_its_own_clock(club: Club) -> None:
    """The future of both rules, up to an instant: what would come anyway stands beside."""
    await club.create(YEARLY, clock=START)
    async with club.writer() as writer:
        await writer.submit(club.activity(points=600))
        await advance(club, "2024-03-01T00:00:00Z")
    now = club.catalog.now(club.project.number, wall())
    program = await club.catalog.program_numbered(club.program)
    proposal = propose(
        program,
        lowered(50, YEARLY),
        effective_at=now,
        until=now + 366 * 86_400_000,
    )
    report = await preview(club.database, club.program, proposal)

    assert matrix(report) == {("bronze", "bronze"): 1}
    assert report.events == report.otherwise == {"downgraded": 1}
    assert report.moved == report.changed_meanwhile == 0


async def test_who_changed_meanwhile_is_reported(club: Club) -> None:
    """An activity after the instant of the preview is judged too, and counted apart."""
    await club.create()
    await populate(club)
    proposal = await proposed(club, lowered(90))
    async with club.writer() as writer:
        await writer.submit(club.activity(customer="eve", points=75))
        await writer.submit(commands.leave(club.parser.program_ref, "cem"))
    report = await preview(club.database, club.program, proposal)

    assert report.changed_meanwhile == 1
    assert (report.members, report.former) == (5, 1)
    assert matrix(report)["bronze", "silver"] == 2


async def test_a_broken_member_is_named_and_ends_nothing(club: Club) -> None:
    """One standing that cannot be read is a failure with a number, not the end of the preview."""
    await club.create()
    await populate(club)
    await club.database.pool.execute(
        "UPDATE member SET standing = 'x' WHERE customer = (SELECT min(customer) FROM member)"
    )
    report = await preview(club.database, club.program, await proposed(club, lowered(90)))

    assert (report.members, report.failed) == (5, 1)
    assert "newer than this program" in report.failures[0].reason


async def test_a_lost_connection_is_opened_again(club: Club) -> None:
    """The page that was cut off is read once more, whole."""
    await club.create()
    await populate(club)
    work = Work(club.database.url, club.program, await proposed(club, lowered(90)), 3)
    judge = Judge(work)
    reader = await PreviewReader.open(club.database.url, club.program)
    pages = await reader.pages(club.database.shards)
    await reader.close()
    first = await judge.page(pages[0])
    assert judge._reader is not None
    backend = judge._reader.connection.get_server_pid()
    await club.database.pool.execute("SELECT pg_terminate_backend($1::integer)", backend)

    assert await judge.page(pages[0]) == first
    await judge.close()


async def test_pages_hold_every_member_once(club: Club) -> None:
    """Whatever their size, and the last one takes in whoever comes later."""
    await club.create()
    await populate(club)
    reader = await PreviewReader.open(club.database.url, club.program)
    for size in (1, 2, 3, 100):
        pages = await reader.pages(club.database.shards, size)
        customers = [row["customer"] for page in pages for row in await reader.standings(page)]
        assert (
            len(customers)
            == len(set(customers))
            == sum(page.members for page in pages)
            == len(SPEND)
        )
        assert {page.shard for page in pages if page.upto == LAST} == {p.shard for p in pages}
    await reader.close()


async def test_warnings_and_names_come_with_the_report(club: Club) -> None:
    """What the linter says of the new rules, and both ladders' names, are part of it."""
    await club.create()
    await populate(club)
    policy = Policy(tiers=(Tier("one", "One", from_=1), Tier("two", "One", from_=500)))
    report = await preview(club.database, club.program, await proposed(club, Rules("Club", policy)))

    assert [warning.path for warning in report.warnings] == ["policy.tiers[1].name"]
    assert [tier.id for tier in report.tiers] == ["one", "two"]
    assert [tier.name for tier in report.tiers_before] == ["Bronze", "Silver", "Gold"]
    answer = msgspec.json.decode(msgspec.json.encode(report))
    assert {cell["from"] for cell in answer["matrix"]} == {"bronze", "silver", "gold"}


@pytest.mark.parametrize("server", ["plain"], indirect=True)  # a worker's locks show on the worker
async def test_cancelling_ends_what_it_began(club: Club) -> None:
    """A preview that waits for the database lets go at once, connections included."""
    await club.create()
    await populate(club)
    proposal = await proposed(club, lowered(90))
    # Not pg_stat_activity: a transaction reads that once and sees the same rows until its end.
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    async with club.database.pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE member IN ACCESS EXCLUSIVE MODE")
        task = asyncio.create_task(preview(club.database, club.program, proposal))
        async with asyncio.timeout(20):
            while not await connection.fetchval(waiting):
                await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await connection.fetchval(waiting) == 0
