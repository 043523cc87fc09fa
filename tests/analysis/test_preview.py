"""Two futures of a member: a change of rules does what `decide` does with one version more."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.analysis.test_explain import TIERS, YEARLY, member, on, program, sound
from tests.engine.history import History
from tests.fuzz.programs import changed, make_rules, random_policy
from tierline.analysis.preview import (
    AnnouncedKind,
    Outcome,
    OutcomeTally,
    Proposal,
    compare,
    propose,
)
from tierline.engine.decide import HistoryNeeded, decide
from tierline.engine.member_state import begin
from tierline.engine.qualification import qualified
from tierline.model.entries import Override
from tierline.model.events import Decision
from tierline.model.standing import Standing
from tierline.rules.lint.lint import lint
from tierline.rules.policy import Policy
from tierline.rules.program import OnChange, Program, Rules, successors

CHOICES: tuple[OnChange, ...] = ("next_assessment", "up_only", "rejudge")
DAY = 86_400_000


def standing(history: History, club: Program, day: str) -> Standing:
    return decide(club, Standing(), history.entries, on(day)).standing


def ladder(silver: int, gold: int = 500) -> list[dict[str, Any]]:
    return [TIERS[0], {**TIERS[1], "from": silver}, {**TIERS[2], "from": gold}]


def tried(club: Program, other: Program, choice: OnChange, day: str = "2024-06-01") -> Proposal:
    return propose(club, other.versions[0].rules, on_change=choice, effective_at=on(day))


# -- against the decision ------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 2**32))
def test_an_outcome_is_what_two_decisions_say(seed: int) -> None:
    """Whatever short way was taken: tiers, announcements and what is earned are those of whole
    decisions from the ledger, with and without the version."""
    made, chance = sound(seed), Random(seed)
    if made is None:
        return
    club, at = made.program, chance.choice((made.until, *made.cuts))
    entries = [entry for entry in made.entries if entry.recorded_at <= at]
    rules = other_rules(club, chance)
    if not entries or any(finding.severity == "error" for finding in lint(rules)):
        return
    now = decide(club, Standing(), entries, at).standing
    effective_at = at + chance.choice((0, 1, DAY, 40 * DAY))
    until = effective_at + chance.choice((0, 0, 0, 50 * DAY))
    proposal = propose(
        club, rules, on_change=chance.choice(CHOICES), effective_at=effective_at, until=until
    )
    try:
        outcome = compare(proposal, now)
    except HistoryNeeded:
        outcome = compare(proposal, now, entries)
    assert outcome == by_two_decisions(proposal, now, entries)


def other_rules(club: Program, chance: Random) -> Rules:
    """The same rules with another bound, with more changed, or quite others."""
    rules = club.versions[-1].rules
    policy: dict[str, Any] = msgspec.to_builtins(rules.policy)
    points = msgspec.to_builtins(rules.points)
    kind = chance.randint(0, 3)
    if kind < 2:
        tier = chance.choice(policy["tiers"])
        tier["from"] = max(0, (tier.get("from") or 0) + chance.randint(-30, 30))
        return make_rules(policy, points)
    return make_rules(changed(chance, policy) if kind == 2 else random_policy(chance), points)


def by_two_decisions(proposal: Proposal, now: Standing, entries: list[Any]) -> Outcome:
    since = proposal.effective_at
    if now.at >= since:
        proposal = proposal.put_off(now.at + 1)
    after = decide(proposal.tried, Standing(), entries, proposal.until)
    before = decide(proposal.program, Standing(), entries, proposal.until)
    walk = begin(proposal.tried, after.standing)
    best = qualified(walk) if walk.joined_at is not None else -1
    return Outcome(
        before=before.standing.tier,
        after=after.standing.tier,
        earned=walk.version.policy.tiers[best].id if best >= 0 else None,
        events=announced(after, now, since),
        otherwise=announced(before, now, since),
        changed=now.at > since,
        member=after.standing.joined_at is not None,
    )


def announced(decision: Decision, now: Standing, since: int) -> tuple[AnnouncedKind, ...]:
    events = tuple(e.kind for e in decision.events if e.seq > now.seq and e.at >= since)
    return (*events, *(r.kind for r in decision.reminders if r.at > now.at and r.at >= since))


# -- by hand -------------------------------------------------------------------------------------


def test_the_choice_decides_who_moves() -> None:
    """One member who would fall, one who would rise, under each of the three choices."""
    club = program(metric={"source": "earned"}, term={"type": "duration", "length": "P1Y"})
    falls, rises = member(club), member(club)
    falls.add("earn", on("2024-02-01"), points=120)
    rises.add("earn", on("2024-02-01"), points=60)
    for silver, history, moves in (
        (200, falls, {"rejudge": ("silver", "bronze", "downgraded")}),
        (50, rises, dict.fromkeys(("up_only", "rejudge"), ("bronze", "silver", "upgraded"))),
    ):
        other = program(tiers=ladder(silver), metric={"source": "earned"})
        for choice in CHOICES:
            outcome = compare(tried(club, other, choice), standing(history, club, "2024-05-01"))
            expected = moves.get(choice)
            if expected is None:
                assert (outcome.before, outcome.events) == (outcome.after, ())
            else:
                assert (outcome.before, outcome.after, *outcome.events) == expected
            assert outcome.earned == ("bronze" if history is falls else "silver")


def test_what_is_due_anyway_is_no_effect_of_the_rules() -> None:
    """A term that ends in between ends in both futures, and both counts say so."""
    club = program(**YEARLY)
    history = member(club, "2023-01-10")
    history.add("earn", on("2023-02-01"), points=120)
    other = program(**{**YEARLY, "tiers": ladder(200)})
    proposal = propose(
        club, other.versions[0].rules, effective_at=on("2024-12-01"), until=on("2025-01-02")
    )
    outcome = compare(proposal, standing(history, club, "2024-05-01"))

    assert (outcome.before, outcome.after) == ("bronze", "bronze")
    assert outcome.events == outcome.otherwise == ("downgraded",)


def test_rules_that_count_something_new_need_the_ledger() -> None:
    """The standing cannot know what was spent; with the entries the answer is exact."""
    club, other = program(**YEARLY), program(metric={"source": "spend"})
    history = member(club)
    history.add("order", on("2024-02-01"), points=120, amount=60_000)
    now = standing(history, club, "2024-05-01")
    proposal = tried(club, other, "rejudge")

    with pytest.raises(HistoryNeeded):
        compare(proposal, now)
    outcome = compare(proposal, now, history.entries)
    assert (outcome.before, outcome.after, outcome.events) == ("silver", "gold", ("upgraded",))


def test_a_member_who_changed_after_the_instant_is_judged_as_found() -> None:
    """The rules come right after what the standing knows, and the outcome says so."""
    club, other = program(**YEARLY), program(**{**YEARLY, "tiers": ladder(50)})
    history = member(club)
    history.add("earn", on("2024-06-02"), points=60)
    outcome = compare(tried(club, other, "up_only"), standing(history, club, "2024-06-02"))

    assert outcome.changed
    assert (outcome.before, outcome.after) == ("bronze", "silver")
    same = compare(
        tried(club, other, "up_only", "2024-06-02"), standing(history, club, "2024-06-02")
    )
    assert not same.changed


def test_overrides_stay_over_new_rules_too() -> None:
    """Who is pinned stays; what is earned is told beside it."""
    club, other = program(**YEARLY), program(**{**YEARLY, "tiers": ladder(50)})
    history = member(club)
    pin = Override(kind="pin", tier="gold")
    history.add("override", on("2024-02-01"), override=pin)
    history.add("earn", on("2024-02-02"), points=60)
    outcome = compare(tried(club, other, "rejudge"), standing(history, club, "2024-05-01"))

    assert (outcome.before, outcome.after, outcome.earned) == ("gold", "gold", "silver")


def test_who_left_is_no_member() -> None:
    """Former members are told apart, not counted among those without a tier."""
    club, other = program(**YEARLY), program(**{**YEARLY, "tiers": ladder(50)})
    history = member(club)
    history.add("leave", on("2024-02-01"))
    outcome = compare(tried(club, other, "rejudge"), standing(history, club, "2024-05-01"))
    tally = OutcomeTally()
    tally.add(outcome, 0, 1, Standing(entries=2))

    assert not outcome.member
    assert (tally.members, tally.former, tally.cells) == (0, 1, {})


def test_tiers_keep_their_identity_by_id_else_by_name() -> None:
    """What `successors` says is what the engine does when the rules change."""
    club = program(metric={"source": "earned"})
    renamed = [{**TIERS[0], "id": "b2"}, {**TIERS[2], "name": "Top"}]
    policy = msgspec.convert({"tiers": renamed, "metric": {"source": "earned"}}, Policy)
    new = replace(club.versions[0], number=2, rules=Rules("Club", policy))
    history = member(club)
    history.add("earn", on("2024-02-01"), points=600)
    proposal = propose(club, new.rules, effective_at=on("2024-06-01"))

    assert successors(club.versions[0], new) == {"bronze": "b2", "gold": "gold"}
    assert compare(proposal, standing(history, club, "2024-05-01")).after == "gold"
    poor = member(club)
    outcome = compare(proposal, standing(poor, club, "2024-05-01"))
    assert (outcome.before, outcome.after, outcome.events) == ("bronze", "b2", ())


@given(st.lists(st.tuples(st.integers(1, 10**9), st.booleans()), unique_by=lambda m: m[0]))
def test_tallies_merge_into_what_one_tally_would_be(members: list[tuple[int, bool]]) -> None:
    """However members are split into pages, counts and samples come out the same."""
    whole, left, right = OutcomeTally(), OutcomeTally(), OutcomeTally()
    for customer, moves in members:
        outcome = Outcome("a", "b" if moves else "a", "b", ("upgraded",) if moves else ())
        for tally in (whole, left if customer % 3 else right):
            tally.add(outcome, 0, customer, Standing(entries=1))
    left.merge(right)

    assert left == whole
    assert all(len(chosen) <= 3 for chosen in whole.samples.values())
