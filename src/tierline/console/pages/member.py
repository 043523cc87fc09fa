"""One member: where they stand and why, what it takes to keep and to rise, their life as a chart,
and all of it as of another instant."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from msgspec import Struct

from tierline.analysis.ledger_effects import TierPeriod
from tierline.analysis.trajectory import trajectory
from tierline.console.charts.life import Life, LifeChart, Mark, TierStep, life_chart
from tierline.console.ladder_view import LadderView
from tierline.console.life_facts import (
    ENTRIES_EACH,
    LifeFacts,
    even_stops,
    life_facts,
    past_reminders,
    reminder_text,
)
from tierline.console.site import ConsolePage, Content, PageView
from tierline.engine.decide import HistoryNeeded, decide
from tierline.errors import NotAMember, NotAMemberThen
from tierline.model import validation
from tierline.model.calendar import DAY_MS, format_instant, parse_instant
from tierline.rules.reminders import Reminders

MEMBER: Final = "/api/programs/{program}/members/{source_id}"
RECENT: Final = 6
SLIDER_STEPS: Final = 400
DAYS_AHEAD_MAX: Final = 400


class Goal(Struct, frozen=True):
    """A bar: how much of what is needed there is. `percent` from 0 to 100."""

    title: str
    tier: str
    have: int
    target: int
    missing: int
    until: str | None
    percent: int


async def frame(view: PageView) -> dict[str, Any]:
    """What every page of a member has: who they are, and where they stand."""
    name, source_id = view.param("program"), view.param("source_id")
    path = {"program": name, "source_id": source_id}
    _, program = await view.call.parts.catalog.need_program(view.project.number, name)
    customer = await view.api("GET /api/customers/{source_id}", {"source_id": source_id})
    base = ("programs", name, "members", source_id)
    content = {
        "program": program,
        "customer": customer,
        "ladder": LadderView(program, view.now),
        "path": path,
        "place": partial(view.url, *base),
        "title": customer.name or customer.source_id or customer.id,
    }
    try:
        content["member"] = await view.api(f"GET {MEMBER}", path)
    except NotAMember:
        content["member"] = None
    return content


async def show(view: PageView) -> Content:
    content = await frame(view)
    if content["member"] is None:
        return {**content, "chart": None, "as_of": None}
    path, program = content["path"], content["program"]
    at, known_at = _instant(view, "at"), _instant(view, "known_at")
    ledger, as_of = await life_facts(view, program), content["member"]
    if at is not None:
        try:
            as_of = await view.api(f"GET {MEMBER}", path, query={"at": at})
        except NotAMemberThen as error:
            view.problem, at = error, None
    explanation = ledger.explanation  # as of now
    if at is not None or known_at is not None:
        query = {"at": at, "known_at": known_at}
        explanation = await view.api(f"GET {MEMBER}/explain", path, query=query)
    recent = {"order": "newest", "limit": RECENT}
    looked_at = view.now if at is None else parse_instant(at)
    reminders = await past_reminders(view, program, content["customer"].id)
    chart, slider = await asyncio.to_thread(
        _chart, ledger, content["member"], reminders, view.now, looked_at
    )
    return {
        **content,
        "as_of": as_of,
        "at": at,
        "known_at": known_at,
        "explanation": explanation,
        "goals": _goals(as_of, LadderView(program, looked_at)),
        "chart": chart,
        "slider": slider,
        "stations": ledger.periods,
        "reminders": [mark for mark in chart.marks if mark.kind == "reminder"],
        "entries": (await view.api(f"GET {MEMBER}/entries", path, query=recent)).entries,
    }


def _instant(view: PageView, name: str) -> str | None:
    """An instant of the query: ISO 8601, or milliseconds, as the slider has them."""
    text = view.asks(name)
    if text is None:
        return None
    if text.isascii() and text.isdigit() and int(text) <= validation.INSTANT_MAX:
        return format_instant(int(text))
    validation.instant(text, name)
    return text


def _goals(member: Any, ladder: LadderView) -> list[Goal]:
    """What keeps the tier, and what reaches the next ones."""
    goals = []
    progress = member.progress
    keep = progress.retention
    if keep is not None and keep.needed is not None and keep.metric is None and member.tier:
        low = ladder.by_id[member.tier.id].low if member.tier.id in ladder.by_id else None
        target = max(low or 0, keep.needed)
        have = target - keep.needed
        goals.append(_goal("Keep", member.tier.name, have, target, keep.needed, keep.until))
    for chance in member.opportunities[:2]:
        if chance.needed is not None and chance.tier is not None and chance.metric is None:
            have, until = progress.metric, chance.valid_until
            target = have + chance.needed
            goals.append(_goal("Reach", chance.tier.name, have, target, chance.needed, until))
    return goals


def _goal(title: str, tier: str, have: int, target: int, missing: int, until: str | None) -> Goal:
    percent = 100 if missing <= 0 else max(0, min(99, have * 100 // max(target, 1)))
    return Goal(title, tier, max(have, 0), target, max(missing, 0), until, percent)


# The chart --------------------------------------------------------------------------------------


class Slider(Struct, frozen=True):
    """Instants from which one is picked, in milliseconds."""

    low: int
    high: int
    step: int
    at: int


def _chart(
    ledger: LifeFacts, member: Any, reminders: list[Mark], now: int, looked_at: int
) -> tuple[LifeChart, Slider]:
    """`reminders`: those that there were."""
    ladder = LadderView(ledger.program, now)
    marks = _marks(ledger, member) + _reminders_ahead(ledger, now) + reminders
    start = ledger.entries[0].recorded_at
    if ledger.periods:
        start = min(start, ledger.periods[0].move.event.at)
    ahead = [mark.at for mark in marks if mark.at > now]
    span = max(now - start, DAY_MS)
    end = min(max([now, *ahead]) + span // 16, now + DAYS_AHEAD_MAX * DAY_MS)
    stations = ledger.stations or trajectory(
        ledger.program, ledger.entries, _stops(ledger, start, now)
    )
    life = Life(
        tiers=tuple((tier.name, tier.low) for tier in ladder.tiers),
        steps=_steps(ledger.periods, ladder, now, member, end),
        stations=stations, marks=marks, start=start, end=end, now=now, at=looked_at,
    )  # fmt: skip
    step = max((end - start) // SLIDER_STEPS, 1)
    slider = Slider(start, end, step, min(max(looked_at, start), end))
    return life_chart(life, ledger.program.zone), slider


def _reminders_ahead(ledger: LifeFacts, now: int) -> list[Mark]:
    """What the member is going to be reminded of, if nothing else happens."""
    if ledger.program.version(now).rules.reminders == Reminders():
        return []
    try:
        ahead = decide(ledger.program, ledger.standing, (), now + DAYS_AHEAD_MAX * DAY_MS)
    except HistoryNeeded:  # rules that begin to count something else on the way
        return []
    return [
        Mark(one.at, "reminder", reminder_text(one.kind, "ahead"))
        for one in ahead.reminders
        if one.at > now
    ]


def _stops(ledger: LifeFacts, start: int, now: int) -> list[int]:
    stops = even_stops(start, now) | {period.move.event.at for period in ledger.periods}
    if len(ledger.entries) <= ENTRIES_EACH:
        stops |= {entry.recorded_at for entry in ledger.entries}
    return sorted(stop for stop in stops if stop <= now)


def _steps(
    periods: Sequence[TierPeriod], ladder: LadderView, now: int, member: Any, end: int
) -> list[TierStep]:
    steps = []
    for period in periods:
        event = period.move.event
        rank = ladder.rank(event.tier_to)
        if rank is not None and event.kind != "left":
            steps.append(TierStep(rank, event.at, period.until or now))
    return steps + _steps_ahead(member, ladder, now, end)


def _steps_ahead(member: Any, ladder: LadderView, now: int, end: int) -> list[TierStep]:
    """What time alone will bring, as the member's risks say."""
    steps, start = [], now
    rank = None if member.tier is None else ladder.rank(member.tier.id)
    for risk in member.risks:
        at = min(parse_instant(risk.at), end)
        if rank is not None and at > start:
            steps.append(TierStep(rank, start, at, ahead=True))
        start = max(at, start)
        rank = None if risk.tier is None else ladder.rank(risk.tier.id)
    if rank is not None and end > start:
        steps.append(TierStep(rank, start, end, ahead=True))
    return steps


def _marks(ledger: LifeFacts, member: Any) -> list[Mark]:
    marks = []
    for entry in ledger.entries:
        if entry.kind == "override":
            marks.append(Mark(entry.recorded_at, "override", "Override"))
        elif entry.kind in ("refund", "void"):
            marks.append(Mark(entry.recorded_at, "reversal", entry.kind.title()))
    if member.expires_at is not None:
        marks.append(Mark(parse_instant(member.expires_at), "end", "The tier's term ends"))
    for waiting in member.deferred:
        name = waiting.tier.name if waiting.tier else "A tier"
        marks.append(Mark(parse_instant(waiting.starts_at), "start", f"{name} begins"))
    expiry = member.points.next_expiry
    if expiry is not None:
        marks.append(Mark(parse_instant(expiry.at), "expiry", f"{expiry.points:,} points expire"))
    ends = [override.until for override in member.overrides if override.until is not None]
    return marks + [Mark(parse_instant(end), "end", "An override ends") for end in ends]


PAGES: Final = (
    ConsolePage(
        "/programs/{program}/members/{source_id}", "member.html", "Member", show,
        section="members", scopes=("read_customers", "read_programs"),
    ),
)  # fmt: skip
