"""What a member's page is made of: the ledger, and what one fold of it says.

Whoever looks at a long ledger looks again: they step through its chart, or load it anew. As long as
nothing happened to the member, the facts are those of a moment ago.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

from msgspec import Struct

from tierline.analysis.explain import explain
from tierline.analysis.ledger_effects import TierPeriod, periods_of
from tierline.console.charts.life import Mark
from tierline.console.site import PageView
from tierline.engine.checkpoints import last_checkpoint
from tierline.engine.decide import trace
from tierline.engine.tracer import Station
from tierline.model.calendar import parse_instant
from tierline.model.entries import Entry
from tierline.model.events import Event
from tierline.model.standing import Standing
from tierline.rules.program import Program
from tierline.rules.reminders import Reminders
from tierline.store import members
from tierline.store.announcements import events_of
from tierline.web.dependencies import CommitSignal
from tierline.web.explanation import explanation_answer
from tierline.web.routes.customers import find_customer
from tierline.web.routes.members import history

STOPS: Final = 180  # instants of the chart, besides those of few entries
ENTRIES_EACH: Final = 200  # up to so many, each entry has a stop of its own
REMINDERS_MAX: Final = 200  # of those that were told
RECENT_MAX: Final = 4  # long ledgers that are remembered, of about 10 MB each
RECENT_MS_MAX: Final = 60_000  # by the project's clock


class LifeFacts(Struct, frozen=True):
    """What a member's charts are made of, as of `at`."""

    program: Program
    entries: Sequence[Entry]
    standing: Standing
    at: int
    periods: Sequence[TierPeriod]
    explanation: Mapping[str, Any]
    stations: Sequence[Station] = ()  # of a long ledger: one fold serves for them, too


class RecentLedgers:
    """The facts of the long ledgers that were looked at last, by customer and program."""

    def __init__(self) -> None:
        self._facts: OrderedDict[tuple[int, int], LifeFacts] = OrderedDict()

    def again(
        self, member: tuple[int, int], program: Program, standing: Standing, now: int
    ) -> LifeFacts | None:
        """Returns what still holds: nothing was booked, nothing fell due, no rules changed."""
        facts = self._facts.get(member)
        if facts is None or (facts.program, facts.standing) != (program, standing):
            return None
        same_rules = program.version(facts.at) is program.version(now)
        return facts if same_rules and 0 <= now - facts.at < RECENT_MS_MAX else None

    def add(self, member: tuple[int, int], facts: LifeFacts) -> None:
        self._facts.pop(member, None)
        if len(facts.entries) > ENTRIES_EACH:
            self._facts[member] = facts
        if len(self._facts) > RECENT_MAX:
            self._facts.popitem(last=False)


_recent: WeakKeyDictionary[CommitSignal, RecentLedgers] = WeakKeyDictionary()


async def life_facts(view: PageView, program: Program) -> LifeFacts:
    """A member's facts as of now."""
    parts, now = view.call.parts, view.now
    row = await find_customer(view.call, view.param("source_id"))
    number, _ = await parts.catalog.need_program(view.project.number, program.id)
    member = row.id, number
    recent = _recent.setdefault(parts.commit_signal, RecentLedgers())
    shards = parts.database.shards
    async with parts.database.pool.acquire() as connection:
        standing = await members.standing(connection, shards, *member) or Standing()
        if (facts := recent.again(member, program, standing, now)) is not None:
            return facts
        keys = await members.all_keys(connection, shards, member)
    entries = await history(view.call, *member)
    former: Sequence[Event] = ()
    if any(entry.kind == "checkpoint" for entry in entries):
        former = await events_of(parts.log, *member)
    folded = await asyncio.to_thread(_folded, program, entries, now, former, keys)
    facts = LifeFacts(program, entries, standing, now, *folded)
    recent.add(member, facts)
    return facts


def _folded(
    program: Program,
    entries: Sequence[Entry],
    now: int,
    former: Sequence[Event],
    keys: Mapping[int, str],
) -> tuple[Sequence[TierPeriod], Mapping[str, Any], Sequence[Station]]:
    """The tiers held, the explanation of today's and the chart's stations, by one fold: ledgers may
    be long."""
    past = [entry for entry in entries if entry.recorded_at <= now]
    stops: Sequence[int] = ()
    if len(entries) > ENTRIES_EACH and last_checkpoint(entries) is None:
        stops = sorted(even_stops(entries[0].recorded_at, now))
    state, tracer = trace(program, past, now, stops=stops)
    periods = periods_of(tracer, past, former)
    explanation = explain(program, past, now, keys=keys, traced=(state, tracer))
    return periods, explanation_answer(explanation), tracer.stations


def even_stops(start: int, now: int) -> set[int]:
    return {start + (now - start) * i // STOPS for i in range(STOPS + 1)}


async def past_reminders(view: PageView, program: Program, customer: str) -> list[Mark]:
    """Reminders that the member was sent, as the log has them."""
    if not any(version.rules.reminders != Reminders() for version in program.versions):
        return []
    query = {"class": "reminder", "customer": customer, "limit": REMINDERS_MAX}
    page = await view.api("GET /api/events", query=query)
    return [
        Mark(parse_instant(line["at"]), "reminder", reminder_text(line["kind"], "told"))
        for line in page.events
        if line["program"] == program.id
    ]


def reminder_text(kind: str, when: str) -> str:
    return f"Reminder, {kind.replace('_', ' ')}: {when}"
