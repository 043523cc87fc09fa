"""`GET /api/programs/{id}/summary`: a program in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from tierline.model.calendar import format_day, zone
from tierline.rules.ladder import Tier, TierName
from tierline.store import tier_counts
from tierline.web.routing import Call, Operation

DAYS: Final = 30  # behind and ahead


class TierLine(Struct, frozen=True):
    """`tier` null: members without a tier, and those who left."""

    tier: TierName | None
    members: int


class MovesLine(Struct, frozen=True):
    """How many events of each kind a civil day of the project had."""

    day: str
    moves: dict[str, int]


class DueLine(Struct, frozen=True):
    """For how many members something falls due on a day, next for them; for `tiers_ending` of
    them it is their tier's end. What is overdue stands under today."""

    day: str
    members: int
    tiers_ending: int


class SummaryAnswer(Struct, frozen=True):
    """`tiers` in the order of the ladder, then tiers that the rules in force no longer have, then
    none. `moves`: days with events only. `due`: every day, from today on."""

    members: int
    tiers: list[TierLine]
    moves: list[MovesLine]
    due: list[DueLine]


async def get_summary(call: Call) -> SummaryAnswer:
    number, program = await call.parts.catalog.need_program(
        call.project.number, call.param("program")
    )
    database, project = call.parts.database, call.project
    here = zone(project.time_zone)
    today = here.day(call.now)
    days = range(today, today + DAYS)
    bounds = [here.start(day) for day in range(today, today + DAYS + 1)]
    clock = 0 if project.clock is None else project.number
    async with database.pool.acquire() as connection:
        counts = await tier_counts.counts(connection, database.shards, number)
        first = today - DAYS + 1
        moves = await tier_counts.moves(connection, database.shards, number, first, today)
        due = await tier_counts.due(connection, database.shards, clock, number, bounds)
    return SummaryAnswer(
        members=counts.total(),
        tiers=_tiers(program.version(call.now).rules.policy.tiers, counts),
        moves=_moves(moves),
        due=[
            DueLine(format_day(day), span.members, span.tiers_ending)
            for day, span in zip(days, due, strict=True)
        ],
    )


def _tiers(ladder: Sequence[Tier], counts: Counter[str]) -> list[TierLine]:
    lines = [TierLine(TierName(tier.id, tier.name), counts[tier.id]) for tier in ladder]
    gone = sorted(counts.keys() - {tier.id for tier in ladder} - {""})
    lines += [TierLine(TierName(tier, tier), counts[tier]) for tier in gone]
    return [*lines, TierLine(None, counts[""])]


def _moves(moves: Counter[tuple[int, str]]) -> list[MovesLine]:
    days: dict[int, dict[str, int]] = {}
    for (day, kind), count in sorted(moves.items()):
        days.setdefault(day, {})[kind] = count
    return [MovesLine(format_day(day), kinds) for day, kinds in days.items()]


OPERATIONS = (
    Operation(
        "GET", "/api/programs/{program}/summary", get_summary,
        "Members per tier, moves of the last 30 days by day and kind, and what falls due in 30.",
        scopes=("read_customers",), answer=SummaryAnswer,
    ),
)  # fmt: skip
