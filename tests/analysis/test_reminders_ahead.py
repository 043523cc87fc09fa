"""Reminders that lie ahead: what a forecast shows is told, and what a preview counts as well."""

from __future__ import annotations

from random import Random

import pytest
from msgspec.structs import replace

from tests.analysis.test_preview import CHOICES, DAY, by_two_decisions
from tests.fuzz.reminders import random_reminders, reminded
from tierline.analysis.forecast import HORIZON_DAYS, REMINDERS_AHEAD_MAX, follow, progress
from tierline.analysis.preview import compare, propose
from tierline.engine import reminders as engine_reminders
from tierline.engine.decide import HistoryNeeded, decide
from tierline.engine.member_state import MemberState
from tierline.model.calendar import parse_day
from tierline.model.entries import Entry
from tierline.model.reminder import Reminder
from tierline.model.standing import Standing
from tierline.rules.ladder import Tier
from tierline.rules.metric import Metric
from tierline.rules.policy import Policy
from tierline.rules.program import Program, Rules, Version
from tierline.rules.reminders import Reminders, TierEndingReminder
from tierline.rules.window import Rolling


def somewhere(seed: int) -> tuple[Program, list[Entry], int]:
    """A program that reminds, a member's entries up to an instant, and that instant."""
    made, chance = reminded(seed), Random(seed)
    at = chance.choice((made.until, *(entry.recorded_at for entry in made.entries)))
    return made.program, [e for e in made.entries if e.recorded_at <= at], at


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_what_lies_ahead_is_what_is_told(first: int) -> None:
    """Two years in one look, and the same two years lived through in uneven steps."""
    total = 0
    for seed in range(first, first + 20):
        program, entries, at = somewhere(seed)
        if not entries:
            continue
        chance = Random(seed)
        now = decide(program, Standing(), entries, at).standing
        ahead = progress(program, now, at, entries).reminders
        reminders: list[Reminder] = []
        then, clock, end = now, at, at + HORIZON_DAYS * DAY
        while clock < end:
            clock = min(end, clock + chance.randint(1, 200) * DAY // 3)
            step = follow(program, then, (), clock, entries)
            then = step.standing
            reminders.extend(step.reminders)
        assert list(ahead) == reminders[:REMINDERS_AHEAD_MAX], seed
        total += len(ahead)
    assert total > 20


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_a_preview_counts_what_both_futures_tell(first: int) -> None:
    """Also where rules begin to remind, cease to, or come into force as a day begins."""
    total = 0
    for seed in range(first, first + 20):
        program, entries, at = somewhere(seed)
        if not entries:
            continue
        chance = Random(seed)
        now = decide(program, Standing(), entries, at).standing
        midnight = program.zone.start(program.zone.day(at) + chance.randint(1, 60))
        since = chance.choice((at + 1, midnight, midnight))
        until = since + chance.choice((0, 0, 90 * DAY))
        proposal = propose(
            program,
            other_reminders(program.versions[-1].rules, chance),
            on_change=chance.choice(CHOICES),
            effective_at=since,
            until=until,
        )
        try:
            outcome = compare(proposal, now)
        except HistoryNeeded:
            outcome = compare(proposal, now, entries)
        assert outcome == by_two_decisions(proposal, now, entries), seed
        total += len(outcome.events) + len(outcome.otherwise)
    assert total > 10


def other_reminders(rules: Rules, chance: Random) -> Rules:
    return replace(rules, reminders=random_reminders(chance))


def test_one_look_ahead_serves_while_only_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window that rolls moves every day; its member is not let go on anew every day."""
    looks: list[int] = []
    foresight = engine_reminders._foresight

    def counted(state: MemberState, due: int | None) -> MemberState:
        looks.append(state.at)
        return foresight(state, due)

    tiers = tuple(Tier(f"t{n}", f"T{n}", from_=50 * n) for n in (1, 2))
    policy = Policy(tiers, Metric("earned"), Rolling("P3M"))
    rules = Rules("Club", policy, reminders=Reminders(tier_ending=TierEndingReminder((30, 7))))
    club = Program("club", "shop", "UTC", "EUR", (Version(1, 0, rules),))
    start = parse_day("2024-01-01") * DAY
    entries = [Entry(1, "enrol", start, start)]
    entries += [Entry(n + 2, "earn", start + n * DAY, start + n * DAY, 2) for n in range(60)]
    standing = decide(club, Standing(), entries, start + 60 * DAY).standing
    monkeypatch.setattr(engine_reminders, "_foresight", counted)

    decision = decide(club, standing, (), start + 200 * DAY)

    assert [r.lead_days for r in decision.reminders] == [
        30,
        7,
        7,
    ]  # the second tier ends 25 days later
    assert len(looks) < 12
