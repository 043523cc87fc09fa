"""Upgrades in the middle of a history: a standing that another reading of the rules had decided.

What is counted is the ledger's; what follows for the tier was read otherwise, here by the same
rules with something changed. The checkpoint notes it, and both go on from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from msgspec.structs import replace

from tierline.engine.decide import decide
from tierline.model.entries import Detail, Entry
from tierline.model.standing import Standing, carried, carry
from tierline.rules.policy import Policy, Renewal
from tierline.rules.program import Program, Version

# What an older reading may have decided otherwise, and whatever follows for what the world sees.
DECIDED = (
    *("tier", "since", "held", "started_at", "ends_at", "grace_until", "grace_announced"),
    *("waiting", "reached", "seq"),
)


def upgraded(program: Program, entries: Sequence[Entry], chance: Random) -> list[Entry]:
    """The entries with a checkpoint among them. It is noted before a command, so it never parts
    the entries of one: an exchange's void and the order that takes the other's place."""
    place = chance.randint(1, len(entries))
    detail = entries[place - 1].detail
    if detail is not None and detail.exchange and entries[place - 1].kind == "void":
        place += 1
    until = entries[place].recorded_at if place < len(entries) else entries[-1].recorded_at
    at = chance.choice((entries[place - 1].recorded_at, until - 1))
    at = max(at, entries[place - 1].recorded_at)
    older, prefix = program, list(entries[:place])
    if chance.random() < 0.5:
        versions = tuple(otherwise(version, chance) for version in program.versions)
        older = replace(program, versions=versions)
    else:
        nth = chance.randrange(place)
        prefix[nth] = replace(prefix[nth], points=0, amount=0)
    decided = decide(older, Standing(), prefix, at).standing
    noted = Entry(place + 1, "checkpoint", at, at, detail=Detail(standing=carry(decided)))
    later = [renumbered(entry, place) for entry in entries[place:]]
    return counted(program, [*entries[:place], noted, *later])


def otherwise(version: Version, chance: Random) -> Version:
    """A version of the rules, read in another way."""
    policy: Policy = version.rules.policy
    basis = "now" if policy.renewal.basis == "term_end" else "term_end"
    restart = "upgrade" if policy.renewal.restart == "requalified" else "requalified"
    then = chance.choice(("to_qualifying", "keep", "one_step", "to_base", "leave"))
    policy = chance.choice(
        (
            replace(policy, renewal=Renewal(basis=basis, restart=restart)),  # type: ignore[arg-type]
            replace(policy, lapse=replace(policy.lapse, then=then)),
        )
    )
    rules = replace(version.rules, policy=policy)
    return Version(version.number, version.effective_at, rules, version.on_change)


def renumbered(entry: Entry, place: int) -> Entry:
    """An entry after so many others, one further on."""
    detail = entry.detail
    if detail is not None:
        changes: dict[str, Any] = {}
        if detail.origin is not None and detail.origin.n > place:
            changes["origin"] = replace(detail.origin, n=detail.origin.n + 1)
        if detail.released is not None and detail.released > place:
            changes["released"] = detail.released + 1
        if detail.override is not None:
            changes["override"] = replace(detail.override, id=entry.n + 1)
        detail = replace(detail, **changes)
    return replace(entry, n=entry.n + 1, detail=detail)


def counted(program: Program, entries: list[Entry]) -> list[Entry]:
    """The entries, the checkpoint's points and totals being what those before it bring."""
    place = checkpoint_of(entries)
    if place is None:
        return entries
    noted = entries[place]
    own = decide(program, Standing(), entries[:place], noted.recorded_at).standing
    decided = former(noted)
    tiers = {field: getattr(decided, field) for field in DECIDED}
    if not program.version(noted.recorded_at).remembers:
        tiers["reached"] = ()
    standing = replace(own, edition=1, term_anchor=None, **tiers)
    detail = Detail(standing=carry(standing))
    return [*entries[:place], replace(noted, detail=detail), *entries[place + 1 :]]


def checkpoint_of(entries: Sequence[Entry]) -> int | None:
    """The place of the checkpoint; None: there is none."""
    places = (i for i, entry in enumerate(entries) if entry.kind == "checkpoint")
    return next(places, None)


def former(noted: Entry) -> Standing:
    """The standing that a checkpoint notes."""
    assert noted.detail is not None
    assert noted.detail.standing is not None
    fields = carried(noted.detail.standing)
    return Standing(**{name: getattr(fields, name) for name in Standing.__struct_fields__})
