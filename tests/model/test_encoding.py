"""Standings as bytes: what is not asked for takes no room."""

from __future__ import annotations

import msgspec
import pytest

from tierline.model.encoding import VERSION, decode_standing, encode_standing
from tierline.model.entries import Override
from tierline.model.standing import Pending, ReminderMemory, Standing

STANDINGS = [
    Standing(),
    Standing(at=1, entries=2, tier="gold", held="gold", lots=((None, 5),), gains={"a": (1, 2, 3)}),
    Standing(overrides=(Override("pin", "gold", 1),), pending=(Pending(1, None, 5, None, "earn"),)),
    Standing(pending=(Pending(1, None, 5, None, "earn", None, {"big": 2**70}),)),
]


@pytest.mark.parametrize("standing", STANDINGS)
def test_a_standing_without_reminders_is_stored_as_before_there_were_any(
    standing: Standing,
) -> None:
    """It ends before the field: one element less, and not a byte more."""
    raw = encode_standing(standing)
    values = msgspec.msgpack.decode(raw[1:])

    assert raw[:1] == VERSION
    assert len(values) == len(Standing.__struct_fields__) - 1
    assert encode_standing(decode_standing(raw)) == raw
    assert decode_standing(raw).reminder_memory is None


@pytest.mark.parametrize("standing", STANDINGS)
def test_a_memory_of_reminders_comes_back(standing: Standing) -> None:
    """With everything before it."""
    reminded = msgspec.structs.replace(standing, reminder_memory=ReminderMemory(5, "gold"))
    raw = encode_standing(reminded)

    assert decode_standing(raw).reminder_memory == ReminderMemory(5, "gold")
    assert encode_standing(decode_standing(raw)) == raw
