"""Makes a world on which engine and evaluator disagree smaller, as long as they still do."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from tests.engine.history import BY_RULES, History
from tests.fuzz.programs import savable
from tests.fuzz.upgrades import checkpoint_of, counted
from tests.fuzz.worlds import World
from tests.reference import civil
from tierline.model.entries import Entry
from tierline.rules.points import Points
from tierline.rules.policy import Policy
from tierline.rules.program import Program, Rules

Json = dict[str, Any]
Wrong = Callable[[World], bool]


def smaller(world: World, wrong: Wrong) -> World:
    """The smallest world found from this one for which `wrong` holds."""
    shrunk = True
    while shrunk:
        shrunk = False
        for candidate in variants(world):
            try:
                still = rules_give(candidate) and wrong(candidate)
            except (ValueError, KeyError, IndexError, AssertionError, msgspec.ValidationError):
                continue
            if still:
                world, shrunk = candidate, True
                break
    return world


def rules_give(world: World) -> bool:
    """Whether rules give what the entries say that they gave."""
    history = History(world.program)
    for entry in world.entries:
        if entry.detail is not None and entry.detail.reason == BY_RULES:
            plain = replace(entry.detail, parts=(), available_at=None, expires_at=None)
            draft = replace(entry, points=0, detail=replace(plain, never_expires=False))
            if history.earned(draft) != entry:
                return False
        history.entries.append(entry)
    return True


def variants(world: World) -> Iterator[World]:
    entries = list(world.entries)
    if world.cuts:
        yield with_entries(world, entries, cuts=[])
    for i in range(len(entries) - 1, 0, -1):
        if world.until > entries[-1].recorded_at and i == len(entries) - 1:
            yield with_entries(world, entries, until=entries[-1].recorded_at)
        rest = without(entries, i)
        if rest is not None:
            yield with_entries(world, rest)
    brought = {e.detail.tier for e in entries if e.detail and e.detail.tier}
    for program in programs(world.program):
        if savable(program) and brought <= program.versions[0].rank.keys():
            yield World(program, refilled(program, entries), world.until, world.cuts)
    for i, entry in enumerate(entries):
        for simpler in simpler_entries(entry):
            yield with_entries(world, [*entries[:i], simpler, *entries[i + 1 :]])


def with_entries(
    world: World, entries: list[Entry], *, until: int | None = None, cuts: list[int] | None = None
) -> World:
    history = refilled(world.program, entries)
    return World(
        world.program,
        history,
        world.until if until is None else until,
        world.cuts if cuts is None else cuts,
    )


def refilled(program: Program, entries: list[Entry]) -> History:
    history = History(program)
    history.entries.extend(counted(program, entries))
    return history


def without(entries: list[Entry], gone: int) -> list[Entry] | None:
    """The entries but one, numbered anew; None where another one speaks of it."""
    if entries[gone].kind != "checkpoint" and checkpoint_of(entries[gone:]) is not None:
        return None  # what it notes was decided by this one, too
    before = entries[gone - 1].detail
    if before is not None and before.implied:
        return None  # the activity that enrolled
    names = {e.n: e.n if i < gone else e.n - 1 for i, e in enumerate(entries)}
    n = entries[gone].n
    rest = []
    for entry in entries:
        if entry.n == n:
            continue
        detail = entry.detail
        if detail is not None:
            if n in (detail.origin.n if detail.origin else 0, detail.released):
                return None
            if detail.origin:
                detail = replace(detail, origin=replace(detail.origin, n=names[detail.origin.n]))
            if detail.released:
                detail = replace(detail, released=names[detail.released])
            if detail.override:
                detail = replace(detail, override=replace(detail.override, id=names[entry.n]))
        rest.append(replace(entry, n=names[entry.n], detail=detail))
    return rest


def simpler_entries(entry: Entry) -> Iterator[Entry]:
    if entry.occurred_at != entry.recorded_at:
        yield replace(entry, occurred_at=entry.recorded_at)
    if entry.detail is not None:
        for part in ("metadata", "expires_at", "available_at", "tier_since", "tier_expires_at"):
            if getattr(entry.detail, part) is not None:
                yield replace(entry, detail=replace(entry.detail, **{part: None}))


def programs(program: Program) -> Iterator[Program]:
    """The program with something left out."""
    if program.time_zone != "UTC":
        yield replace(program, time_zone="UTC")
    if len(program.versions) > 1:
        yield replace(program, versions=program.versions[:1])
    for i, version in enumerate(program.versions):
        for rules in simpler_rules(version.rules):
            versions = list(program.versions)
            versions[i] = replace(version, rules=rules)
            yield replace(program, versions=tuple(versions))


def simpler_rules(rules: Rules) -> Iterator[Rules]:
    if rules.points != Points():
        yield replace(rules, points=Points())
    policy: Json = msgspec.json.decode(msgspec.json.encode(rules.policy))
    for part in without_parts(policy):
        with contextlib.suppress(msgspec.ValidationError):
            yield replace(rules, policy=msgspec.convert(part, Policy))


def without_parts(policy: Json) -> Iterator[Json]:
    for key in policy:
        if key != "tiers":
            yield {k: v for k, v in policy.items() if k != key}
            if isinstance(policy[key], dict):
                for part in policy[key]:
                    rest = {k: v for k, v in policy[key].items() if k != part}
                    yield {**policy, key: rest}
    for i, tier in enumerate(policy["tiers"]):
        others = [*policy["tiers"][:i], *policy["tiers"][i + 1 :]]
        if others:
            yield {**policy, "tiers": others}
        for part in tier:
            if part not in ("id", "name"):
                plain = {k: v for k, v in tier.items() if k != part}
                tiers = [*policy["tiers"][:i], plain, *policy["tiers"][i + 1 :]]
                yield {**policy, "tiers": tiers}


def described(world: World) -> str:
    """A world as a person reads it."""
    zone = civil.zone(world.program.time_zone)
    lines = [f"zone {world.program.time_zone}, until {zone.show(world.until)}"]
    for version in world.program.versions:
        lines.append(
            f"version {version.number} from {zone.show(version.effective_at)}, {version.on_change}"
        )
        policy = msgspec.json.decode(msgspec.json.encode(version.rules.policy))
        tiers = policy.pop("tiers")
        lines += [f"  tier {msgspec.json.encode(tier).decode()}" for tier in tiers]
        lines.append(f"  {msgspec.json.encode(policy).decode()}")
        lines.append(f"  points {msgspec.json.encode(version.rules.points).decode()}")
    return "\n".join([*lines, *(happened(zone, entry) for entry in world.entries)])


def happened(zone: civil.Zone, entry: Entry) -> str:
    detail = instants(zone, msgspec.to_builtins(entry.detail)) if entry.detail else ""
    late = entry.occurred_at != entry.recorded_at
    when = f" occurred {zone.show(entry.occurred_at)}" if late else ""
    return (
        f"{zone.show(entry.recorded_at)}  #{entry.n} {entry.kind} points {entry.points} "
        f"amount {entry.amount}{when} {detail}"
    )


def instants(zone: civil.Zone, value: Any) -> Any:
    """Large numbers are instants: shown as local times."""
    if isinstance(value, dict):
        return {k: instants(zone, v) for k, v in value.items() if v is not None}
    return zone.show(value) if isinstance(value, int) and abs(value) > 10**11 else value
