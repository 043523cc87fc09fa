"""A process that slept while its program or its project was deleted: it leaves nothing.

Whatever is stored of a deleted program is looked for twice, a minute apart. Who wakes later knows
of no deletion yet, and its first requests run as if there had been none.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from tests.ledger.conftest import Club, wall
from tierline.ledger.project_removal import ProjectRemoval
from tierline.ledger.removals import AGAIN_MS, Removals
from tierline.store.catalog.closures import StateChange

BY_PROGRAM = (
    *("member", "entry", "points_line", "points_list", "order_booking", "intent", "arrival"),
    *("tier_count", "tier_move", "rollout"),
)
BY_PROJECT = ("alias", "order_state")
CATALOG = ("api_key", "endpoint", "program")


async def rows(club: Club) -> dict[str, int]:
    """How many rows there are of what a program and a project hold."""
    counts = {table: await club.count(table) for table in (*BY_PROGRAM, *BY_PROJECT, *CATALOG)}
    living = "SELECT count(*) FROM customer WHERE erased_at IS NULL"
    counts["customer"] = await club.database.pool.fetchval(living)
    return counts


@asynccontextmanager
async def asleep(club: Club, scope: str, program: str | None) -> AsyncIterator[Process]:
    """A process that has read the catalog of a club with a member, and is stopped while the club's
    program, or its project, is deleted."""
    await club.create()
    async with club.writer() as writer:
        await writer.record(club.activity(points=150))
    arguments = ("-m", "tests.ledger.sleeping_worker", club.database.url, scope)
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdin=PIPE, stdout=PIPE
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        os.kill(process.pid, signal.SIGSTOP)
        deletion = StateChange(club.project.number, "deleted", program=program)
        await club.catalog.change_state(deletion)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def woken(process: Process) -> dict[str, str]:
    """What it answers to its requests when it goes on."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"go\n")
    os.kill(process.pid, signal.SIGCONT)
    answered: dict[str, str] = msgspec.json.decode(await process.stdout.readline())
    assert await process.wait() == 0
    return answered


async def removed(club: Club) -> None:
    """What a sweep takes away at once, and once more a minute later."""
    for later in (0, AGAIN_MS + 1_000):
        clock = lambda later=later: wall() + later  # noqa: E731
        for shard in range(club.database.shards):
            await Removals(club.database, club.catalog, shard, clock).go_on()


async def erased(club: Club) -> None:
    """Who a deleted project knew is erased; a shard ends when nobody is left in any."""
    async with club.writer() as writer:

        async def opened() -> Any:
            return writer

        for shard in (*range(club.database.shards), *range(club.database.shards)):
            removal = ProjectRemoval(club.database, club.catalog, shard, opened)
            while await removal.go_on():
                pass


async def nothing_else(_: Club) -> None:
    """A program's customers stay."""


Removal = Callable[[Club], Awaitable[None]]
DELETIONS: list[tuple[str, str | None, Removal]] = [
    ("program", "club", nothing_else),
    ("project", None, erased),
]


@pytest.mark.parametrize(("scope", "program", "erase"), DELETIONS)
async def test_who_slept_through_a_deletion_leaves_nothing(
    club: Club, scope: str, program: str | None, erase: Removal
) -> None:
    """It is answered that there is no such thing, whatever it tries first."""
    async with asleep(club, scope, program) as process:
        await removed(club)
        await erase(club)
        before = await rows(club)
        answered = await woken(process)

    assert await rows(club) == before
    assert set(answered.values()) - {"not_found"} == {"done"}  # these do nothing
    done = [name for name, code in answered.items() if code == "done"]
    assert done == ["roll_out"] + ["names"] * (scope == "project")
    assert {before[table] for table in BY_PROGRAM} == {0}


@pytest.mark.parametrize(("scope", "program", "erase"), DELETIONS)
async def test_what_came_in_before_it_was_removed_goes_with_the_rest(
    club: Club, scope: str, program: str | None, erase: Removal
) -> None:
    """It woke after the deletion, before any shard took note that nothing more is to come in."""
    async with asleep(club, scope, program) as process:
        await woken(process)
    came = await rows(club)
    await removed(club)
    await erase(club)

    left = await rows(club)
    assert came["rollout"] > 0
    assert {left[table] for table in BY_PROGRAM} == {0}
    if scope == "project":
        assert (came["alias"] > 1, came["order_state"]) == (True, 1)
        assert {left[table] for table in (*BY_PROJECT, "customer")} == {0}
