"""Activities from outside: what is right becomes a command, what is wrong names its field."""

from __future__ import annotations

import pytest

from tierline.errors import Invalid, TierlineError, TooLarge
from tierline.ledger.command_parsing import CommandParser
from tierline.model.tenant import Project

NOW = 1_700_000_000_000
PARSER = CommandParser(Project(id="p", name="Shop", number=1, currency="EUR"), 7)

# What a caller sends -> the field that is refused, and a word of the reason.
REFUSED = [
    (b"", None, "not JSON"),
    (b"[]", None, "expected an object"),
    (b'{"kind":"earn","points":1}', "customer", "needed"),
    (b'{"customer":"","kind":"earn","points":1}', "customer", "at least 1 characters"),
    (b'{"customer":"a\\nb","kind":"earn","points":1}', "customer", "control"),
    (b'{"customer":"a","points":1}', "kind", "needed"),
    (b'{"customer":"a","kind":"steal","points":1}', "kind", "steal"),
    (b'{"customer":"a","kind":"earn"}', "points", "an earn needs it"),
    (b'{"customer":"a","kind":"earn","points":0}', "points", "1 or more"),
    (b'{"customer":"a","kind":"earn","points":-5}', "points", "1 or more"),
    (b'{"customer":"a","kind":"earn","points":1.5}', "points", "a whole number"),
    (b'{"customer":"a","kind":"earn","points":1e3}', "points", "a whole number"),
    (b'{"customer":"a","kind":"earn","points":true}', "points", "a whole number"),
    (b'{"customer":"a","kind":"earn","points":"1"}', "points", "a whole number"),
    (b'{"customer":"a","kind":"earn","points":NaN}', "points", "finite"),
    (b'{"customer":"a","kind":"earn","points":99999999999999999999}', "points", "at most"),
    (b'{"customer":"a","kind":"earn","points":1,"amount":5}', "amount", "no such field"),
    (b'{"customer":"a","kind":"earn","points":1,"colour":5}', "colour", "no such field"),
    (b'{"customer":"a","kind":"adjust","points":0}', "points", "says nothing"),
    (b'{"customer":"a","kind":"order","amount":-1}', "amount", "at least 0"),
    (b'{"customer":"a","kind":"order","amount":1,"currency":"USD"}', "currency", "EUR"),
    (b'{"customer":"a","kind":"refund"}', "of", "needs it"),
    (b'{"customer":"a","kind":"custom","points":1}', "name", "needs it"),
    (b'{"customer":"a","kind":"earn","points":1,"key":""}', "key", "at least 1 characters"),
    (b'{"customer":"a","kind":"earn","points":1,"key":"\\u001f"}', "key", "control"),
    (b'{"customer":"a","kind":"earn","points":1,"occurred_at":"yesterday"}', "occurred_at", "Z"),
    (b'{"customer":"a","kind":"earn","points":1,"occurred_at":1}', "occurred_at", "a text"),
    (
        b'{"customer":"a","kind":"earn","points":1,"occurred_at":"2023-11-14T22:19:00Z"}',
        "occurred_at",
        "5 minutes",
    ),
    (
        b'{"customer":"a","kind":"earn","points":1,"occurred_at":"1802-01-01T00:00:00Z"}',
        "occurred_at",
        "1900",
    ),
    (b'{"customer":"a","kind":"earn","points":1,"metadata":[]}', "metadata", "object"),
    (b'{"customer":"a","kind":"earn","points":1,"metadata":{"a":"\\u0000"}}', "metadata.a", "NUL"),
    (b'{"customer":"a\\ud800","kind":"earn","points":1}', "customer", "surrogate"),
    (b'{"customer":"\xff","kind":"earn","points":1}', None, "UTF-8"),
]


@pytest.mark.parametrize(("raw", "field", "word"), REFUSED)
def test_what_is_wrong_names_its_field(raw: bytes, field: str | None, word: str) -> None:
    """Alone, the path is the field; in an array it says which element."""
    with pytest.raises(Invalid) as alone:
        PARSER.activity(raw, NOW)
    assert alone.value.path == field
    assert word in alone.value.sentence
    with pytest.raises(Invalid) as line:
        PARSER.activity(raw, NOW, "lines[4]")
    assert line.value.path == (f"lines[4].{field}" if field else "lines[4]")


def test_metadata_has_limits() -> None:
    """Free JSON is bounded in size."""
    raw = b'{"customer":"a","kind":"earn","points":1,"metadata":{"a":"%s"}}' % (b"x" * 70_000)
    with pytest.raises(TooLarge) as refused:
        PARSER.activity(raw, NOW)
    assert refused.value.path == "metadata"


def test_an_array_is_refused_whole() -> None:
    """One bad element refuses all of them, and says which one it is."""
    good = b'{"customer":"a","kind":"earn","points":1}'
    assert len(PARSER.activities(b"[%s,%s]" % (good, good), NOW)) == 2
    for bad, path in ((b'{"customer":"a","kind":"earn"}', "points"), (b"7", None)):
        with pytest.raises(TierlineError) as refused:
            PARSER.activities(b"[%s,%s]" % (good, bad), NOW)
        assert refused.value.path == (f"activities[1].{path}" if path else "activities[1]")


def test_the_digest_is_of_what_is_said() -> None:
    """Order of fields and white space do not matter, values do; a made-up time is not part."""
    one = PARSER.activity(b'{"customer":"a","kind":"earn","points":1,"key":"k"}', NOW)
    same = PARSER.activity(b'{ "key":"k", "points":1,"kind":"earn","customer":"a"}', NOW + 5)
    other = PARSER.activity(b'{"customer":"a","kind":"earn","points":2,"key":"k"}', NOW)
    assert one.digest == same.digest != other.digest
    assert one.occurred_at is None


def test_a_key_is_made_where_none_is_sent() -> None:
    """Each command has a key before it is queued, and no two made-up keys are equal."""
    keys = {PARSER.activity(b'{"customer":"a","kind":"earn","points":1}', NOW).key for _ in "12"}
    assert len(keys) == 2


def test_a_clock_that_is_a_little_ahead_is_forgiven() -> None:
    """Up to five minutes."""
    raw = b'{"customer":"a","kind":"earn","points":1,"occurred_at":"2023-11-14T22:18:00+00:00"}'
    assert PARSER.activity(raw, NOW).occurred_at == NOW + 280_000
