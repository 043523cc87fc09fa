"""What the audit log says of a change of one member: balance or overrides, before and after.

The words of a reason stay in the ledger's entry, whose number is noted: there, erasing finds them.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tierline.ledger.commands import Command
from tierline.model.entries import Entry
from tierline.model.standing import Standing

_ACTIONS: Final = {"adjust": "adjusted", "override": "overridden", "release": "released"}
_OVERRIDE: Final = ("id", "kind", "tier", "starts_at", "until", "then", "source")
_text = msgspec.json.Encoder().encode


def audit_facts(
    command: Command, entry: Entry, before: Standing, after: Standing
) -> tuple[int, str, str, str, str, str]:
    """Returns what a command of an AUDITED kind changed by the entry that it made: the entry's
    number, the actor's kind and id, the kind of change, before and after as JSON."""
    actor = command.actor
    assert actor is not None  # else there is nothing to note
    sides = [_facts(command, before), _facts(command, after)]
    if command.kind == "adjust":
        sides[1]["points"] = entry.points
    earlier, later = (_text(side).decode() for side in sides)
    return entry.n, actor.kind, actor.id, f"member.{_ACTIONS[command.kind]}", earlier, later


def _facts(command: Command, standing: Standing) -> dict[str, Any]:
    if command.kind == "adjust":
        return {"balance": standing.balance, "tier": standing.tier}
    overrides = [
        {field: getattr(override, field) for field in _OVERRIDE} for override in standing.overrides
    ]
    return {"tier": standing.tier, "overrides": overrides}
