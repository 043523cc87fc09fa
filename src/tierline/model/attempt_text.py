"""What is left of a line of the attempt log, when nothing of what was said is to be left."""

from __future__ import annotations

from typing import Final

import msgspec

_KEPT: Final = ("url", "address", "reused", "timings", "events", "fault")
_text = msgspec.json.Encoder().encode


def attempt_remains(text: str) -> str:
    """Where it went, how long it took and what kept it away: neither headers nor the answer."""
    try:
        fields = msgspec.json.decode(text)
        left = {name: fields[name] for name in _KEPT if name in fields}
    except (msgspec.MsgspecError, TypeError):
        left = {"url": "", "address": None, "reused": False, "timings": {"total": 0.0}}
    if "fault" not in left:
        left["answer"] = {"headers": {}, "body": ""}
    return _text({**left, "headers": {}}).decode()


SETTLED: Final = attempt_remains("null")  # of a delivery that is not made any more
