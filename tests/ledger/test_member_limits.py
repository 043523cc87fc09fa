"""What one member may hold: more is refused before it reaches the ledger."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.ledger.conftest import LADDER
from tierline.errors import TierlineError
from tierline.ledger import member_limits
from tierline.ledger.commands import Assertion, ProgramRef, command
from tierline.ledger.member_aggregate import MemberAggregate
from tierline.model.entries import Detail, EntryKind, Override
from tierline.model.standing import Pending, Standing
from tierline.model.tenant import Project
from tierline.rules.program import Program, Version

NOW = 1_700_000_000_000
CLUB = Program("club", "shop", "UTC", "USD", (Version(1, 0, LADDER),))
PROGRAM_REF = ProgramRef(Project("shop", "Shop", 1, "UTC", "USD"), 1)
MEMBER = Standing(at=NOW - 1, entries=1, joined_at=NOW - 1)
LOTS = tuple((NOW + 1 + i, 1) for i in range(member_limits.LOTS_MAX))
FULL = replace(
    MEMBER,
    attributes={f"a{i}": True for i in range(member_limits.ATTRIBUTES_MAX)},
    overrides=tuple(
        Override("floor", "gold", starts_at=NOW + 10**9, id=2 + i)
        for i in range(member_limits.OVERRIDES_MAX)
    ),
    pending=tuple(Pending(2 + i, None, 1, None, "earn") for i in range(member_limits.PENDING_MAX)),
    lots=LOTS,
    earned=member_limits.LOTS_MAX,
)
HEAVY = replace(
    MEMBER,
    pending=tuple(
        Pending(2 + i, None, 1, None, "earn", metadata={"text": "x" * 60_000}) for i in range(17)
    ),
)


def refusal(standing: Standing, kind: EntryKind, points: int | None, **detail: Any) -> str | None:
    """The code of a refusal, with its path."""
    assertion = Assertion(points=points, detail=Detail(**detail))
    seat = MemberAggregate(7, 1, CLUB, standing, NOW)
    try:
        seat.take(0, command(PROGRAM_REF, kind, "ada", assertion, number=7))
    except TierlineError as refused:
        return f"{refused.code} {refused.path}"
    return None


@pytest.mark.parametrize(
    ("standing", "kind", "points", "detail", "path"),
    [
        (FULL, "attribute", None, {"attribute": "b", "value": 1}, "attributes"),
        (FULL, "attribute", None, {"attribute": "a7", "value": 1}, None),
        (FULL, "attribute", None, {"attribute": "b", "value": None}, None),
        (FULL, "override", None, {"override": Override("floor", "gold")}, "kind"),
        (FULL, "release", None, {"released": 2}, None),
        (FULL, "earn", 5, {"expires_at": NOW}, "expires_at"),
        (FULL, "earn", 5, {"expires_at": NOW + 7}, None),
        (FULL, "earn", 5, {}, "expires_at"),
        (FULL, "redeem", 5, {}, None),
        (FULL, "earn", 5, {"available_at": NOW + 9}, "available_at"),
        (FULL, "opening", 5, {"lots": ((NOW + 7, 5),)}, "lots"),
        (MEMBER, "opening", len(LOTS), {"lots": LOTS}, None),
        (MEMBER, "opening", len(LOTS) + 1, {"lots": (*LOTS, (None, 1))}, "lots"),
        (HEAVY, "earn", 5, {"available_at": NOW + 9, "metadata": {"text": "x" * 60_000}},
         "metadata"),
        (HEAVY, "earn", 5, {"available_at": NOW + 9}, None),
    ],
)  # fmt: skip
def test_a_full_member_takes_no_more(
    standing: Standing, kind: EntryKind, points: int | None, detail: Any, path: str | None
) -> None:
    """What needs no room, or makes some, goes in."""
    assert refusal(standing, kind, points, **detail) == (path and f"too_many {path}")
