"""Reminders in the ledger: asleep, killed, imported and erased, each is told once or not at all."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.ledger.conftest import LADDER, Club, wall
from tests.ledger.erasing import erasing
from tests.ledger.reminder_worker import MEMBERS
from tests.ledger.test_importer import run
from tierline.ledger.rebuild import verify
from tierline.ledger.sweep.sweeper import Sweeper
from tierline.model import calendar
from tierline.model.calendar import DAY_MS
from tierline.model.reminder import Reminder
from tierline.rules.program import Rules
from tierline.rules.reminders import PointsExpiringReminder, Reminders, TierEndingReminder

LEADS = (20, 3)
RULES: Rules = replace(
    LADDER,
    reminders=Reminders(
        tier_ending=TierEndingReminder(LEADS), points_expiring=PointsExpiringReminder(LEADS)
    ),
)
Line = tuple[int, str, str, int | None]  # instant, customer, kind, days before
KINDS = ("points_expiring", "tier_ending")


async def log(club: Club, shard: int | None = None) -> list[Line]:
    """The reminders in it, by offset."""
    rows = await club.database.pool.fetch(
        "SELECT body, name FROM event JOIN alias USING (shard, customer)"
        " WHERE class = 'reminder' AND kind = 'source' AND ($1::int IS NULL OR shard = $1)"
        ' ORDER BY shard, "offset"',
        shard,
    )
    made = [(msgspec.json.decode(row["body"], type=Reminder), row["name"]) for row in rows]
    return [(r.at, name, r.kind, r.lead_days) for r, name in made]


def due(ends: dict[str, int], since: int, until: int) -> list[Line]:
    """What is told from one instant to another by somebody who wakes at that: not of what is over
    by then."""
    zone = calendar.zone("UTC")
    lines = [
        (zone.start(zone.day(end) - lead), name, kind, lead)
        for name, end in ends.items()
        for lead in LEADS
        for kind in KINDS
        if end > until
    ]
    return sorted(line for line in lines if since < line[0] <= until)


async def members(club: Club, count: int) -> dict[str, int]:
    """Members whose points, and with them their tiers, end on days of their own."""
    now = wall()
    ends = {f"c{i}": now + (i * 7 % 30 + 1) * DAY_MS + i for i in range(count)}
    async with club.writer() as writer:
        for name, end in ends.items():
            await writer.submit(club.points_until(end, name))
    return ends


async def wake(club: Club, now: int, sweepers: int = 1) -> None:
    hands = [
        Sweeper(club.database, club.catalog, club.committed.append, clock=lambda: now)
        for _ in range(sweepers)
    ]
    await asyncio.gather(*(hand.run_due() for hand in hands))


async def sound(club: Club) -> None:
    assert [str(d) async for d in verify(club.database, club.catalog)] == []


async def test_a_month_asleep_tells_what_is_not_over(club: Club) -> None:
    """In the order of their instants, with these; and nobody is told twice."""
    await club.create(RULES)
    began = wall()
    ends = await members(club, 30)
    later = began + 21 * DAY_MS
    await wake(club, later, sweepers=2)
    expected = due(ends, began, later)
    assert len(expected) > 20
    assert sorted(await log(club)) == expected
    for shard in range(club.database.shards):
        instants = [at for at, *_ in await log(club, shard)]
        assert instants == sorted(instants)
    await wake(club, later, sweepers=2)
    assert sorted(await log(club)) == expected
    await wake(club, later + 2 * DAY_MS)
    more = due(ends, later, later + 2 * DAY_MS)
    assert sorted(await log(club)) == sorted(expected + more)
    await sound(club)


async def test_kill_9_in_a_sweep_tells_each_once(club: Club) -> None:
    """What was committed is told, the rest by whoever goes on."""
    await club.create(RULES)
    began = wall()
    ends = await members(club, 16)
    later = began + 12 * DAY_MS + DAY_MS // 2
    shard = await club.database.pool.fetchval(
        "SELECT shard FROM member GROUP BY shard ORDER BY count(*) DESC LIMIT 1"
    )
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.ledger.reminder_worker",
        club.database.url, str(shard), str(later),
        stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": "src:."},
    )  # fmt: skip
    assert worker.stdout is not None
    async with asyncio.timeout(60):
        for _ in range(2):
            assert int(await worker.stdout.readline()) <= MEMBERS
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
    before = await log(club)
    expected = due(ends, began, later)
    assert set(before) <= set(expected)
    await wake(club, later + 2_000, sweepers=2)
    assert sorted(await log(club)) == expected
    await sound(club)


@pytest.mark.parametrize("quiet", [True, False])
async def test_an_import_tells_nothing_that_was_true_before(
    club: Club, tmp_path: Path, quiet: bool
) -> None:
    """Neither of occasions that the file brings nor of leads that lie behind; what lies ahead is
    told when its day comes, however the file came."""
    await club.create(RULES)
    began = wall()
    end = began + 15 * DAY_MS  # the longest lead lies behind
    line: dict[str, Any] = {
        "customer": "ada", "kind": "earn", "points": 150,
        "occurred_at": calendar.format_instant(began - 10 * DAY_MS),
        "expires_at": calendar.format_instant(end),
    }  # fmt: skip
    path = tmp_path / "history.jsonl"
    path.write_text(json.dumps(line) + "\n")
    done = await run(club, path, quiet=quiet)
    assert (done.commands, done.refused) == (1, 0)
    assert await log(club) == []
    later = end - DAY_MS
    await wake(club, later)
    assert sorted(await log(club)) == due({"ada": end}, began, later)
    assert len(await log(club)) == len(KINDS)


async def test_whoever_is_erased_is_reminded_of_nothing(club: Club) -> None:
    """Also where it was due already; others are."""
    await club.create(RULES)
    began = wall()
    end = began + 25 * DAY_MS
    async with club.writer() as writer:
        for name in ("ada", "bob"):
            await writer.submit(club.points_until(end, name))
    await wake(club, began + 6 * DAY_MS)
    assert {name for _, name, *_ in await log(club)} == {"ada", "bob"}
    async with erasing(club) as erasures:
        await erasures.erase(club.project, "ada")
    later = began + 30 * DAY_MS
    await wake(club, end - DAY_MS)
    await wake(club, later)
    count = await club.database.pool.fetchval(
        "SELECT count(*) FROM event WHERE class = 'reminder' GROUP BY customer ORDER BY 1 LIMIT 1"
    )
    assert count == 2  # of the first lead, before
    assert sorted(await log(club)) == due({"bob": end}, began, end - DAY_MS)
    texts = await club.database.pool.fetch("SELECT profile FROM event WHERE class = 'reminder'")
    assert all("ada" not in (row["profile"] or "") for row in texts)
    await sound(club)
