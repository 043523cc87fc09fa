"""JSON as JavaScript prints it, and what of free JSON is refused."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests import javascript
from tierline.errors import Invalid, TierlineError, TooLarge
from tierline.model import json_text

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
keys = text | st.integers(0, 2**33).map(str) | st.sampled_from(["01", "1.5", "-1", "1e3", "٣", ""])
numbers = (
    st.integers(-(10**25), 10**25)
    | st.integers(2**53 - 5, 2**53 + 5)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.floats(1e-9, 1e-4)
    | st.floats(1e15, 1e23)
)
values = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=12,
)
EDGES: list[Any] = [
    [1e21, 1e20, 1e16, 1e-7, 1e-6, 1.5e-5, -0.0, 40.0, 5e-324, 1.7976931348623157e308],
    [2**53, 2**53 + 1, 2**64, -(2**70), 123456789012345678901],
    {"b": 1, "10": 2, "9": 3, "": 4, "01": 5, "4294967294": 6, "4294967295": 7, "-1": 8},
    "\b\t\n\v\f\r\x1f\x7f\u2028\u2029</script>é😀",
]


@given(values)
@settings(max_examples=200)
@example(EDGES)
def test_dump(value: Any) -> None:
    """What is printed stays the same when JavaScript parses and prints it again: by the rules."""
    printed = json_text.dump(value)

    assert printed == javascript.again(json.dumps(value).encode())
    assert printed == javascript.again(printed)


@pytest.mark.node
@given(values)
@settings(max_examples=200, deadline=None)
@example(EDGES)
def test_dump_in_node(node: javascript.Node, value: Any) -> None:
    """The same, by JavaScript itself."""
    printed = json_text.dump(value)

    assert printed == node.again(json.dumps(value).encode())
    assert printed == node.again(printed)


@given(st.dictionaries(keys, values, max_size=5))
@settings(max_examples=100)
def test_normalised(value: dict[str, Any]) -> None:
    """What was normalised prints as before, and to normalise it again changes nothing."""
    limits = json_text.Limits(depth=50, size=10**6)
    normal = json_text.normalise(value, "metadata", limits)

    assert json_text.dump(normal) == json_text.dump(value)
    again = json_text.normalise(normal, "metadata", limits)
    assert msgspec.json.encode(again) == msgspec.json.encode(normal)


@given(st.binary(max_size=30) | values.map(lambda v: json.dumps(v).encode()))
@settings(max_examples=100)
def test_parse_never_breaks(raw: bytes) -> None:
    """Any bytes are a value or a clear error, and the two ways of parsing agree."""
    answers = []
    for duplicates in ("last", "refuse"):
        try:
            answers.append(json_text.parse(raw, duplicates=duplicates))
        except TierlineError as error:
            answers.append(error.code)

    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("raw", "path", "says"),
    [
        (b'{"a": {"b": 1, "b": 2}}', "settings.a.b", "twice"),
        (b'{"a": [1, NaN]}', "settings.a[1]", "not a finite number"),
        (b'{"a": -Infinity}', "settings.a", "not a finite number"),
        (b'{"a": 1e400}', "settings.a", "not a finite number"),
        (b'{"a": 1' + b"0" * 5000 + b"}", "settings.a", "not a finite number"),
        (b'{"a b": "\\ud800"}', 'settings["a b"]', "surrogate pair (U+D800)"),
        (b'{"\\udfff": 1}', "settings", "surrogate pair (U+DFFF)"),
        (b'{"a": "\xff"}', "settings", "not UTF-8, byte 7 is 0xff"),
        (b'{"a": \n 1,}', "settings", "line 2 column"),
        (b"", "settings", "not JSON"),
        (b"\xef\xbb\xbf{}", "settings", "not JSON"),
        (b"[" * 100_000, "settings", "nested too deeply"),
    ],
)
def test_refused_text(raw: bytes, path: str, says: str) -> None:
    """Configuration that is not plain JSON is refused, and the error names the place."""
    with pytest.raises(Invalid) as caught:
        json_text.parse(raw, duplicates="refuse", path="settings")

    assert caught.value.path == path
    assert says in str(caught.value)


tricky = st.sampled_from(['"', '":', '" :', "\\", "a", "b", '","a":1', "{", "["])
names = st.lists(tricky, max_size=3).map("".join)
spaces = st.sampled_from(["", " ", "\n", "\t "])


@st.composite
def objects(draw: st.DrawFn, depth: int = 3) -> tuple[str, bool]:
    """The text of an object, and whether a name stands twice in it or in one inside of it."""
    members, twice, seen = [], False, set()
    for name in draw(st.lists(names, max_size=4)):
        twice |= name in seen
        seen.add(name)
        item = json.dumps(draw(names))
        if depth and draw(st.booleans()):
            item, inner = draw(objects(depth - 1))
            twice |= inner
            item = f"[{item}]" if draw(st.booleans()) else item
        space, other = draw(spaces), draw(spaces)
        members.append(f"{space}{json.dumps(name)}{other}:{space}{item}{other}")
    return f"{{{','.join(members)}}}", twice


@given(objects())
@settings(max_examples=300)
@example(('{"a":{"b":"\\":","b":1}}', True))
@example(('{"a":"b\\":","c":1}', False))
def test_a_name_twice_is_refused_wherever_it_stands(made: tuple[str, bool]) -> None:
    raw, twice = made
    if twice:
        with pytest.raises(Invalid, match="twice"):
            json_text.parse(raw, duplicates="refuse")
    else:
        assert json_text.parse(raw, duplicates="refuse") == json.loads(raw)
        assert json_text.parse(raw.encode(), duplicates="refuse") == json.loads(raw)


@pytest.mark.parametrize("levels", [200, 201])
def test_the_bound_of_nesting_is_exact(levels: int) -> None:
    raw = b"[" * levels + b"]" * levels
    if levels > 200:
        with pytest.raises(TooLarge):
            json_text.parse(raw, duplicates="refuse")
    else:
        assert json_text.dump(json_text.parse(raw, duplicates="refuse")) == raw


def test_a_nul_is_refused_in_configuration() -> None:
    with pytest.raises(Invalid, match="NUL"):
        json_text.parse(b'{"a":"\\u0000"}', duplicates="refuse")


def test_duplicates_in_activities() -> None:
    """In activities the last of two equal keys wins, as in JavaScript."""
    assert json_text.parse(b'{"a": 1, "b": 2, "a": 3}') == {"a": 3, "b": 2}


@pytest.mark.parametrize(
    ("value", "path", "says"),
    [
        ({"a": "x\0"}, "metadata.a", "NUL"),
        ({"a\0": 1}, "metadata", "NUL"),
        ({"a": [{"b": "\udc00"}]}, "metadata.a[0].b", "surrogate"),
        ({"a": float("nan")}, "metadata.a", "finite"),
        ({"a": 10**400}, "metadata.a", "finite"),
    ],
)
def test_refused_values(value: Any, path: str, says: str) -> None:
    """Free JSON that cannot be kept or sent is refused with its path."""
    with pytest.raises(Invalid) as caught:
        json_text.normalise(value, "metadata")

    assert caught.value.path == path
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("value", "says"),
    [({"a": [[[1]]]}, "larger than 3 levels"), ({"a": "x" * 200}, "larger than 100 bytes")],
)
def test_limits(value: Any, says: str) -> None:
    """Limits are named with their unit."""
    with pytest.raises(TooLarge) as caught:
        json_text.normalise(value, "metadata", json_text.Limits(depth=3, size=100))

    assert says in str(caught.value)
