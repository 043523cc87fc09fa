"""What random worlds bring: the rarer things, counted, so that a long run is known to try them."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tests.fuzz.stories import DAY
from tests.fuzz.worlds import World
from tests.reference import civil
from tests.reference.account import ARRIVAL
from tests.reference.evaluator import evaluate
from tests.reference.expected_event import ExpectedEvent
from tests.reference.ledger import Ledger
from tests.reference.outcome import Outcome
from tierline.rules.earning_rule import Anniversary, Birthday, YearlyDay
from tierline.rules.policy import Policy
from tierline.rules.program import Program
from tierline.rules.term import Duration
from tierline.rules.window import Calendar

# Of ten thousand histories at least so many bring each; `test_features.py` holds it.
LEAST = {
    "a hidden tier between visible ones": 400,
    "a term ends inside a period that runs, with NEXT_PERIOD": 100,
    "what a running period earned renews or lowers, with NEXT_PERIOD": 70,
    "a debt": 300,
    "expired points are refunded": 400,
    "a membership left and entered again": 600,
    "an activity of a former membership": 80,
    "a first activity enrols": 3000,
    "a first activity of an earlier day enrols": 200,
    "rules scheduled and come into force": 500,
    "a term that began on a 29th, 30th or 31st is renewed": 60,
    "a term that began on a 29 February is renewed": 5,
    "a tier is kept unearned, and that is told": 1000,
    "an override ends": 1000,
    "the clocks change": 2000,
    "a customer in a second program": 300,
    "a vendor's own settings": 700,
    "an upgrade in the middle": 800,
    "a retroactive correction after an upgrade": 20,
    "a rule gives for an activity": 700,
    "two rules give for one activity": 50,
    "parts of an activity live differently": 40,
    "a limit takes something": 8,
    "a bonus": 500,
    "a bonus moves a tier": 15,
    "a bonus by a date": 150,
    "a surplus of the window before changes what happens": 40,
}


def features(world: World) -> set[str]:
    """Which of the things above a world brings."""
    outcome = evaluate(world.program, world.entries, world.until)
    events = outcome.events
    return {
        *of_rules(world, outcome),
        *of_program(world),
        *of_surplus(world, events),
        *of_entries(world, outcome.ledger),
        *(feature for event in events for feature in of_event(world, event)),
        *renewals(world, events),
    }


def of_program(world: World) -> Iterator[str]:
    versions = world.program.versions
    first = world.entries[0].recorded_at
    if any(hidden_between(version.rules.policy) for version in versions):
        yield "a hidden tier between visible ones"
    if any(first < version.effective_at <= world.until for version in versions):
        yield "rules scheduled and come into force"
    if versions[0].rules.presentations:
        yield "a vendor's own settings"
    if world.beside is not None:
        yield "a customer in a second program"
    zone = world.history.zone
    weeks = range(first, world.until, 7 * DAY)
    if len({zone.start(zone.day(at)) % DAY for at in weeks}) > 1:
        yield "the clocks change"


def of_surplus(world: World, events: list[ExpectedEvent]) -> Iterator[str]:
    """Whether something else would happen if windows brought nothing into the next."""
    if not any(version.carries for version in world.program.versions):
        return
    plain = msgspec.to_builtins(world.program)
    for version in plain["versions"]:
        policy = version["rules"]["policy"]
        for measure in (policy, *policy.get("measures", {}).values()):
            measure.get("window", {}).pop("carry_over", None)
    program = msgspec.convert(plain, Program)
    if evaluate(program, world.entries, world.until).events != events:
        yield "a surplus of the window before changes what happens"


def of_rules(world: World, outcome: Outcome) -> Iterator[str]:
    """What earning rules do."""
    rules = {rule.id: rule for v in world.program.versions for rule in v.rules.points.rules}
    for bonus in outcome.ledger.bonuses:
        yield "a bonus"
        if isinstance(rules[bonus.rule].trigger, YearlyDay | Birthday | Anniversary):
            yield "a bonus by a date"
        elif rules[bonus.rule].limit is not None and bonus.points == 1:
            yield "a limit takes something"
    if any(event.cause == "bonus" for event in outcome.events):
        yield "a bonus moves a tier"
    for entry in world.entries:
        parts = entry.detail.parts if entry.detail and not entry.detail.origin else ()
        if parts:
            yield "a rule gives for an activity"
        if len(parts) > 1:
            yield "two rules give for one activity"
        if any((p.available_at, p.expires_at, p.never_expires) != (None, None, 0) for p in parts):
            yield "parts of an activity live differently"


def hidden_between(policy: Policy) -> bool:
    hidden = [tier.hidden for tier in policy.tiers]
    return any(
        not hidden[0] and here and False in hidden[number:] for number, here in enumerate(hidden)
    )


def of_entries(world: World, ledger: Ledger) -> Iterator[str]:
    left_at, upgraded = None, False
    for entry in world.entries:
        detail = entry.detail
        if ledger.account((entry.recorded_at, ARRIVAL, entry.n)).debt:
            yield "a debt"
        if detail and detail.origin and detail.origin.expired and entry.kind in ("refund", "void"):
            yield "expired points are refunded"
        if detail and detail.implied:
            yield "a first activity enrols"
            if entry.occurred_at < entry.recorded_at:
                yield "a first activity of an earlier day enrols"
        if entry.kind == "checkpoint":
            upgraded = True
            yield "an upgrade in the middle"
        elif upgraded and entry.kind in ("refund", "void"):
            policy = world.program.version(entry.recorded_at).policy
            if policy.corrections == "retroactive":
                yield "a retroactive correction after an upgrade"
        if entry.kind == "leave":
            left_at = entry.recorded_at
        elif left_at is not None and entry.kind == "enrol":
            yield "a membership left and entered again"
        elif left_at is not None and entry.points > 0 and entry.occurred_at < left_at:
            yield "an activity of a former membership"
        if detail and detail.override and (detail.override.until or world.until) < world.until:
            yield "an override ends"


def of_event(world: World, event: ExpectedEvent) -> Iterator[str]:
    if event.kind == "prolonged" and event.cause == "grace":
        yield "a tier is kept unearned, and that is told"
    policy = world.program.version(event.at).policy
    if policy.start.when != "next_window" or event.cause not in ("term_end", "requalified"):
        return
    window, day = policy.window, world.history.zone.day(event.at)
    if not isinstance(window, Calendar):
        return
    if civil.span(day, window.unit, window.offset_months, window.offset_days)[0] < day:
        yield "a term ends inside a period that runs, with NEXT_PERIOD"
        if event.tier_to is not None:
            yield "what a running period earned renews or lowers, with NEXT_PERIOD"


def renewals(world: World, events: list[ExpectedEvent]) -> Iterator[str]:
    """Durations that go on, by the day on which the tier was reached."""
    reached = None
    for event in events:
        if event.kind != "prolonged":
            reached = world.history.zone.day(event.at)
        elif event.cause == "requalified" and reached is not None:
            policy = world.program.version(event.at).policy
            if not isinstance(policy.term, Duration) or policy.renewal.basis == "now":
                continue
            if reached.day >= 29:
                yield "a term that began on a 29th, 30th or 31st is renewed"
            if (reached.month, reached.day) == (2, 29):
                yield "a term that began on a 29 February is renewed"
