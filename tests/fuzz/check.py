"""Holds the engine against the slow evaluator for one world."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from tests.engine.driver import Driver
from tests.engine.history import BY_RULES
from tests.fuzz.upgrades import checkpoint_of, former
from tests.fuzz.worlds import World
from tests.reference.account import FOREVER
from tests.reference.evaluator import evaluate
from tests.reference.expected_event import ExpectedEvent
from tests.reference.outcome import Outcome
from tierline.analysis.explain import explain
from tierline.engine.decide import expired_of
from tierline.engine.reversals import with_expired
from tierline.model.encoding import encode_standing
from tierline.model.entries import Detail, Entry, Part
from tierline.model.events import Event
from tierline.model.standing import Standing
from tierline.rules.metric import EARNING


def expected_event(event: Event) -> ExpectedEvent:
    view = event.view
    return ExpectedEvent(
        kind=event.kind,
        tier_from=event.tier_from,
        tier_to=event.tier_to,
        at=event.at,
        cause=event.cause,
        entry=event.entry,
        version=event.version,
        balance=view.balance,
        pending=view.pending,
        spent=view.spent,
        earned=view.earned,
        joined_at=view.joined_at,
        since=view.since,
        expires_at=view.expires_at,
    )


def begin(world: World) -> tuple[Driver, list[Entry]]:
    """A driver, and the entries that it is to decide: from a checkpoint on, where there is one,
    with the standing that an older reading left."""
    driver, entries = Driver(world.program), list(world.entries)
    place = checkpoint_of(entries)
    if place is not None:
        driver.history, driver.standing = entries[:place], former(entries[place])
        driver.decide([entries[place]], driver.standing.at)
        entries = entries[place + 1 :]
    return driver, entries


def in_pieces(world: World) -> Driver:
    """Batches end at the world's cuts; the standing is written and read between them."""
    driver, entries = begin(world)
    for cut in (cut for cut in world.cuts if cut >= driver.standing.at):
        batch = [e for e in entries if e.recorded_at <= cut]
        entries = entries[len(batch) :]
        driver.decide(batch, cut)
        again = driver.decide([], cut)
        assert not again, f"deciding twice at {cut} tells {again}"
    driver.decide(entries, world.until)
    return driver


def step_by_step(world: World) -> Driver:
    driver, entries = begin(world)
    for entry in entries:
        driver.decide([], entry.recorded_at)
        driver.decide([entry], entry.recorded_at)
    driver.decide([], world.until)
    return driver


def in_turns(world: World, other: World) -> tuple[Driver, Driver]:
    """A customer in two programs: entry by entry, as they come in either."""
    drivers = Driver(world.program), Driver(other.program)
    entries = [(e.recorded_at, i, e) for i, w in enumerate((world, other)) for e in w.entries]
    for at, i, entry in sorted(entries, key=lambda turn: (turn[0], turn[1], turn[2].n)):
        drivers[i].decide([entry], at)
    drivers[0].decide([], world.until)
    drivers[1].decide([], other.until)
    return drivers


WAYS = {"pieces": in_pieces, "steps": step_by_step}


def differences(
    world: World, *, ways: Iterable[str] = tuple(WAYS), explains: bool = True
) -> list[str]:
    """What the engine and the evaluator disagree on, in words; empty when they agree.

    `ways`: in which ways it is decided beside in one go; `explains`: the explanation
    too, and what reversals find to have expired.
    """
    problems: list[str] = []
    once = Driver(world.program)
    once.decide(world.entries, world.until)
    standing = once.standing
    for name in ways:
        driver = WAYS[name](world)
        if driver.events != once.events:
            problems.append(f"events differ between one go and {name}")
            problems += unequal(
                [expected_event(e) for e in once.events], [expected_event(e) for e in driver.events]
            )
        if encode_standing(driver.standing) != encode_standing(standing):
            problems.append(f"standings differ between one go and {name}")
            problems += fields(standing, driver.standing)
    if world.beside is not None:
        problems += beside(world, world.beside, once)
    place = checkpoint_of(world.entries)
    first = 1 if place is None else former(world.entries[place]).seq + 1
    if [e.seq for e in once.events] != list(range(first, len(once.events) + first)):
        problems.append(f"seq has gaps: {[e.seq for e in once.events]}")
    if world.orders:
        outcome = evaluate(world.program, world.entries, world.until, world.orders)
    else:  # whom the story has asked already, as far as it went
        outcome = world.history.evaluated(world.until).outcome()
    problems += unequal(outcome.events, [expected_event(e) for e in once.events])
    problems += state(outcome, standing)
    if place is None:  # after it rules go by the tier that is noted
        problems += given(world, outcome)
    return problems + (explained(world, outcome) + expired(world) if explains else [])


def beside(world: World, other: World, once: Driver) -> list[str]:
    """What a second program of the customer's changes in the first, or is changed by it."""
    alone = Driver(other.program)
    alone.decide(other.entries, other.until)
    drivers = in_turns(world, other)
    same = [(d.events, d.standing) for d in drivers] == [
        (d.events, d.standing) for d in (once, alone)
    ]
    return [] if same else ["two programs of a customer change each other"]


def given(world: World, outcome: Outcome) -> list[str]:
    """What rules gave for activities whose sender named no points."""
    problems = []
    for entry in world.entries:
        detail = entry.detail
        if detail is None or (detail.reason != BY_RULES and entry.n not in world.orders):
            continue
        own = (detail.available_at, ends_of(detail))
        gifts = [("orders", entry.points, *own)] if entry.points else []
        if detail.parts:
            said = [(part.available_at, ends_of(part)) for part in detail.parts]
            said = [own] * len(said) if set(said) == {(None, None)} else said
            parts = zip(detail.parts, said, strict=True)
            gifts = [(part.rule, part.points, *life) for part, life in parts]
        if gifts != outcome.gifts[entry.n]:
            problems.append(f"points by rules of {entry.n}: {outcome.gifts[entry.n]} != {gifts}")
    return problems


def ends_of(life: Detail | Part) -> int | None:
    return FOREVER if life.never_expires and life.expires_at is None else life.expires_at


def expired(world: World) -> list[str]:
    """What reversals find to have expired, against what the evaluator says of it."""
    problems = []
    for i, entry in enumerate(world.entries):
        origin = entry.detail.origin if entry.detail else None
        if origin is None or not entry.points or origin.kind not in EARNING:
            continue
        if origin.expires_at is None:
            continue
        if origin.expires_at <= entry.recorded_at:
            lost = expired_of(world.program, world.entries[:i], origin.n, entry.recorded_at)
            ours = with_expired(replace(origin, expired=0, expired_of_parts=()), lost)
            if ours != origin:
                numbers = f"{origin.expired} {origin.expired_of_parts}"
                theirs = f"{ours.expired} {ours.expired_of_parts}"
                problems.append(f"expired of {origin.n} at {entry.n}: {numbers} != {theirs}")
    return problems


def explained(world: World, outcome: Outcome) -> list[str]:
    """What the explanation says was counted, against what the evaluator counts."""
    if outcome.joined_at is None:
        return []
    explanation = explain(world.program, world.entries, world.until)
    problems = []
    for name, total in explanation.totals.items():
        value = outcome.values[None if name == "metric" else name]
        if total.total != value:
            problems.append(f"explained total {name!r}: {value} != {total.total}")
        if sum(c.counts for c in total.counted) != total.total:
            problems.append(f"explained total {name!r}: its lines do not add up")
    if explanation.tier != outcome.tier or explanation.held != outcome.held:
        problems.append(f"explained tier: {outcome.tier} != {explanation.tier}")
    return problems


def unequal(expected: list[ExpectedEvent], actual: list[ExpectedEvent]) -> list[str]:
    for number, (one, other) in enumerate(zip(expected, actual, strict=False), 1):
        if one != other:
            parts = [
                f"{name} {getattr(one, name)!r} != {getattr(other, name)!r}"
                for name in ExpectedEvent.__annotations__
                if getattr(one, name) != getattr(other, name)
            ]
            return [f"event {number}: {one.kind} {one.at}: expected != engine: {'; '.join(parts)}"]
    if len(expected) != len(actual):
        longer = expected if len(expected) > len(actual) else actual
        more = longer[min(len(expected), len(actual))]
        who = "the engine does not tell" if longer is expected else "only the engine tells"
        return [f"{who} {more}"]
    return []


def fields(one: Standing, other: Standing) -> list[str]:
    names = Standing.__struct_fields__
    return [
        f"  {name}: {getattr(one, name)!r} != {getattr(other, name)!r}"
        for name in names
        if getattr(one, name) != getattr(other, name)
    ]


def state(outcome: Outcome, standing: Standing) -> list[str]:
    account = outcome.account
    lots: dict[int, int] = {}
    for expires, points in account.lots:
        lots[expires] = lots.get(expires, 0) + points
    ours = {
        "tier": outcome.tier, "held": outcome.held, "since": outcome.since,
        "started_at": outcome.started_at, "ends_at": outcome.ends_at,
        "grace_until": outcome.grace_until, "waiting": outcome.waiting,
        "joined_at": outcome.joined_at, "balance": account.balance, "debt": account.debt,
        "pending": sum(w.points for w in account.pending), "earned": account.earned,
        "spent": account.spent, "expired": account.expired,
        "lots": sorted(lots.items()),
    }  # fmt: skip
    theirs = {
        **{name: getattr(standing, name) for name in ours if hasattr(standing, name)},
        "pending": standing.points_pending,
        "lots": [(FOREVER if x is None else x, p) for x, p in standing.lots],
    }
    return [
        f"{name}: {value!r} != {theirs[name]!r}"
        for name, value in ours.items()
        if value != theirs[name]
    ]
