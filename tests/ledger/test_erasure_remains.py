"""Every field that may hold a caller's text has a decision: what erasing leaves of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import fields

from tierline.ledger.erasure import remains
from tierline.model.entries import Detail, Origin, Override
from tierline.model.points_event import PointsEvent
from tierline.model.standing import Pending, Standing

# Those that hold numbers, instants, or words that the program chose; the others are emptied.
KEPT: dict[type[Any], set[str]] = {
    Override: {"kind", "tier", "starts_at", "until", "then", "source", "id"},
    Pending: {
        *("entry", "available_at", "points", "expires_at", "kind", "never_expires"),
        "occurred_at",
    },
    Origin: {
        *("n", "kind", "occurred_at", "points", "amount", "available_at", "expires_at", "last"),
        *("expired", "parts", "expired_of_parts"),
    },
    Standing: {
        *("at", "entries", "seq", "joined_at", "tier", "since", "held", "started_at", "ends_at"),
        *("grace_until", "grace_announced", "waiting", "lots", "debt", "earned", "spent"),
        *("expired", "totals", "reached", "hold_since", "totals_from", "turn_at", "due_at"),
        *("membership_boundary", "term_boundary", "term_anchor", "left_at", "edition", "gains"),
        "reminder_memory",
    },
    Detail: {*remains._OF_DETAIL, "origin", "override", "standing"},
    PointsEvent: {*remains._OF_EVENT},
}
EMPTIED: dict[type[Any], set[str]] = {
    Override: {"reason", "actor"},
    Pending: {"name", "metadata"},
    Origin: {"name", "metadata"},
    Standing: {"attributes", "overrides", "pending"},
    Detail: {"name", "attribute", "value", "metadata", "reason", "order", "counterpart"},
    PointsEvent: {
        *("key", "waits", "total", "tier", "joined_at", "attributes", "twin", "facts"),
        "view",
    },
}


@pytest.mark.parametrize("shape", KEPT, ids=lambda shape: str(shape.__name__))
def test_each_field_has_a_decision(shape: type[Any]) -> None:
    """A new field needs one: text that a caller may send goes, in `ledger/erasure/remains.py`."""
    names = {field.name for field in fields(shape)}
    assert names == KEPT[shape] | EMPTIED[shape]
    assert not KEPT[shape] & EMPTIED[shape]


def test_texts_go_and_numbers_stay() -> None:
    """Of a standing and of an entry with all that they may hold."""
    override = Override("floor", "gold", 5, 9, reason="zq", actor="zq", id=3)
    waiting = Pending(4, 7, 50, None, "earn", "zq", {"zq": "zq"})
    standing = Standing(at=9, attributes={"zq": "zq"}, overrides=(override,), pending=(waiting,))
    left = remains.standing_remains(standing)
    assert "zq" not in str(left)
    assert (left.overrides[0].tier, left.pending[0].points, left.at) == ("gold", 50, 9)
    detail = Detail(
        name="zq", metadata={"zq": 1}, reason="zq", order="zq", counterpart="zq", tier="gold",
        override=override, attribute="zq", value="zq", spent=7,
        origin=Origin(1, "earn", 5, 6, name="zq", metadata={"zq": "zq"}),
    )  # fmt: skip
    text = remains.detail_remains(msgspec.json.encode(detail).decode())
    assert text is not None
    assert "zq" not in text
    rest = msgspec.json.decode(text, type=Detail)
    assert (rest.tier, rest.spent, rest.origin and rest.origin.points) == ("gold", 7, 6)
    assert remains.detail_remains("no json zq") is None
    assert remains.event_remains("points", "no json zq") == "{}"
    assert "zq" not in remains.event_remains("unheard-of", '{"kind": "k", "at": 5, "x": "zq"}')
