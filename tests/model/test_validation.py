"""Complaints name the field, in our kind of path, and what it may be."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct

from tierline.errors import Invalid
from tierline.model.calendar import Period
from tierline.model.validation import convert, instant
from tierline.rules.expiry import DayOfYear
from tierline.rules.term import Dates
from tierline.rules.window import Since


class Step(Struct, forbid_unknown_fields=True, rename={"from_": "from"}):
    from_: Annotated[int, Meta(ge=0)]
    mode: Literal["up", "down"] | None = None


class Ladder(Struct, forbid_unknown_fields=True):
    steps: list[Step]
    names: dict[str, int] = {}
    never: None = None


@pytest.mark.parametrize(
    ("value", "path", "says"),
    [
        (
            {"steps": [{"from": 1}, {"from": "x"}]},
            "steps[1].from",
            "expected a whole number, found a text",
        ),
        ({"steps": [{"from": -1}]}, "steps[0].from", "expected a whole number that is at least 0"),
        ({"steps": [{"from": 1, "mode": "left"}]}, "steps[0].mode", "expected one of up, down"),
        ({"steps": [{"from": 1, "x": 1}]}, "steps[0].x", "there is no such field"),
        ({"steps": [{}]}, "steps[0].from", "it is needed"),
        ({"stops": []}, "stops", "there is no such field"),
        ({"steps": None}, "steps", "found null"),
        ({"steps": [], "never": {}}, "never", "expected null, found an object"),
        ({"steps": [], "names": {"a": "b"}}, "names[...]", "expected a whole number, found a text"),
        ([], None, "expected an object, found a list"),
    ],
)
def test_the_field_is_named(value: Any, path: str | None, says: str) -> None:
    """With what was expected there."""
    with pytest.raises(Invalid) as refused:
        convert(value, Ladder)

    assert refused.value.path == path
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        ("P1Y", Period),
        ({"type": "since", "anchor": "2024-01-01"}, Since),
        ({"type": "dates", "days": ["01-31"]}, Dates),
        ({"type": "day_of_year", "day": "01-31"}, DayOfYear),
    ],
)
def test_a_text_ends_where_its_pattern_does(value: Any, type_: Any) -> None:
    """A line's end behind it is not what a pattern means, and nothing that reads it expects."""
    text = json.dumps(value)
    convert(json.loads(text), type_)
    for end in ("P1Y", "01-01", "01-31"):
        text = text.replace(f'{end}"', f'{end}\\n"')

    with pytest.raises(Invalid):
        convert(json.loads(text), type_)


def test_a_path_goes_on_from_another() -> None:
    """A part of a larger body is named from its top."""
    with pytest.raises(Invalid) as refused:
        convert({"steps": [{}]}, Ladder, "policy")

    assert refused.value.path == "policy.steps[0].from"


@pytest.mark.parametrize("text", ["", "2024-02-30T00:00:00Z", "2024-01-01", "2200-01-01T00:00:00Z"])
def test_what_is_no_instant_is_refused(text: str) -> None:
    """A day alone, a day that is not there, a year too far."""
    with pytest.raises(Invalid) as refused:
        instant(text, "effective_at")

    assert refused.value.path == "effective_at"


def test_an_instant_is_truncated_to_milliseconds() -> None:
    """At the door, with any offset."""
    assert instant("1970-01-01T01:00:00.0019+01:00", "at") == 1
