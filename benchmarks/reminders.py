"""What reminders cost: a year end that reminds beside one that does not, and a look at nothing."""

from __future__ import annotations

import time
import timeit
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from benchmarks.stock import LADDER, Stock
from tierline.engine.decide import decide
from tierline.ledger.sweep.sweeper import Sweeper
from tierline.model.entries import Detail, Entry
from tierline.model.standing import Standing
from tierline.rules.metric import Metric
from tierline.rules.policy import Policy
from tierline.rules.program import Program, Rules, Version
from tierline.rules.reminders import (
    PointsExpiringReminder,
    Reminders,
    TierEndingReminder,
    TierNearReminder,
)
from tierline.rules.term import WindowEnd
from tierline.rules.window import Calendar
from tierline.store.catalog.catalog import Catalog
from tierline.store.database import Database

DAY = 86_400_000
LEADS = (30, 7)
TIERS = tuple(replace(tier, from_=max(1, tier.low)) for tier in LADDER.policy.tiers)
SILENT = Rules(
    "Year", Policy(TIERS, Metric("earned"), window=Calendar("year"), term=WindowEnd(windows=1))
)
REMINDING = replace(
    SILENT,
    reminders=Reminders(
        tier_ending=TierEndingReminder(LEADS),
        points_expiring=PointsExpiringReminder(LEADS),
        tier_near=TierNearReminder(within=50),
    ),
)


class Swept(Struct, frozen=True):
    """How many members were due, the seconds that it took, and those of our own CPU."""

    members: int
    seconds: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.members / self.seconds:,.0f}/s ({self.cpu / self.members * 1e6:.0f} us CPU)"


class YearEnd(Struct, frozen=True):
    """The days of the leads, where everybody is reminded twice; the end, where tiers and points
    are gone; and what a look at nothing takes, in milliseconds."""

    leads: tuple[Swept, ...]
    end: Swept
    idle_ms: float


async def year_end(database: Database, catalog: Catalog, people: int, rules: Rules) -> YearEnd:
    """Sweeps the end of the year after next, at which every tier and all points end."""
    stock = await Stock.create(database, catalog, rules)
    end = _new_year(2)
    await stock.add(people, lambda i: Detail(lots=((end, 7919 * i % 2000 or 1),)))
    await stock.settle()
    await _swept(stock, end - 60 * DAY)  # the turn of the year before
    days = LEADS if rules.reminders != Reminders() else ()
    steps = [await _swept(stock, end - lead * DAY) for lead in days]
    idle = await _swept(stock, end - DAY)
    steps.append(await _swept(stock, end))
    if idle.members or any(not 0.99 * people <= step.members <= people for step in steps):
        raise SystemExit(f"of {people} members {steps} and {idle} were swept")
    return YearEnd(tuple(steps[:-1]), steps[-1], idle.seconds * 1e3)


async def _swept(stock: Stock, at: int) -> Swept:
    sweeper = Sweeper(stock.database, stock.catalog, lambda _: None, clock=lambda: at)
    began, worked = time.perf_counter(), time.process_time()
    members = await sweeper.run_due()
    return Swept(members, time.perf_counter() - began, time.process_time() - worked)


async def rows(database: Database, catalog: Catalog, people: int) -> list[tuple[str, ...]]:
    """Work, figure, floor, ratio, goal and notes of each."""
    silent = await year_end(database, catalog, people, SILENT)
    reminding = await year_end(database, catalog, people, REMINDING)
    far, near = ([decided(rules, days) for rules in (SILENT, REMINDING)] for days in (200, 20))
    days = " and ".join(str(step) for step in reminding.leads)
    year = (
        f"sweep, a year end of {people:,} by rules that remind",
        str(reminding.end),
        f"the same rules without reminders {silent.end}",
        f"{reminding.end.cpu / silent.end.cpu:.2f} of its CPU",
        "",
        f"three kinds, two leads; on their days {days}, each told of points and of the tier",
    )
    costs = f"decide of an accrual: {far[1]:.0f} us instead of {far[0]:.0f}; within the leads"
    idle = (
        f"sweep, nothing due of {people:,} by rules that remind",
        f"{reminding.idle_ms:.0f} ms",
        f"without reminders {silent.idle_ms:.0f} ms",
        "",
        "50 ms",
        f"{costs} {near[1]:.0f} instead of {near[0]:.0f}",
    )
    return [year, idle]


def decided(rules: Rules, days_before: int) -> float:
    """Microseconds of `decide` for an accrual so many days before a tier's end; the best of some
    rounds."""
    program = Program("bench", "bench", "UTC", "EUR", (Version(1, 0, rules),))
    end = _new_year(2)
    now = end - days_before * DAY
    earned = Entry(1, "earn", end - 500 * DAY, end - 500 * DAY, 900, detail=Detail(expires_at=end))
    standing = decide(program, Standing(), (earned,), now - 1).standing
    more = (Entry(2, "earn", now, now, 10, detail=Detail(expires_at=end)),)
    return min(timeit.repeat(lambda: decide(program, standing, more, now), number=500)) / 500 * 1e6


def _new_year(years: int) -> int:
    """The end of a year from now on, as an instant."""
    return int(datetime(datetime.now(UTC).year + years, 1, 1, tzinfo=UTC).timestamp() * 1000)
