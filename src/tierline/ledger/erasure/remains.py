"""What remains of a row when its customer is erased: numbers, instants, ids of ours, and words
that a program chose (tiers, rules). What is not named here goes."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec.structs import replace

from tierline.model import ids
from tierline.model.entries import Detail, Origin, Override
from tierline.model.standing import Standing, StandingFields, carried

_OF_DETAIL: Final = (
    *("available_at", "expires_at", "never_expires", "released"),
    *("tier", "tier_expires_at", "tier_since", "lots", "spent"),
    *("quiet", "elsewhere", "implied", "exchange", "parts"),
)
_OF_EVENT: Final = ("kind", "at", "points", "balance", "pending", "entry", "rule", "version")
_OF_NOTICE: Final = ("customer", "customer_id", "program")
_read_detail = msgspec.json.Decoder(Detail).decode
_text = msgspec.json.Encoder().encode


def standing_remains(standing: Standing) -> Standing:
    """A member in numbers: where they stand, without what was said of them."""
    remains: Standing = replace(standing, **_personal(standing))
    return remains


def _personal(standing: StandingFields) -> dict[str, Any]:
    """The fields of a standing that hold text of callers, without it."""
    return {
        "attributes": {},
        "overrides": tuple(_override(each) for each in standing.overrides),
        "pending": tuple(replace(each, name=None, metadata=None) for each in standing.pending),
    }


def _override(override: Override) -> Override:
    return replace(override, reason=None, actor=None)


def _origin(origin: Origin) -> Origin:
    return replace(origin, name=None, metadata=None)


def detail_remains(text: str | None) -> str | None:
    """Of an entry of the customer's own. What cannot be read goes whole."""
    if text is None:
        return None
    try:
        detail = _read_detail(text)
        left: dict[str, Any] = {name: getattr(detail, name) for name in _OF_DETAIL}
        if detail.origin is not None:
            left["origin"] = _origin(detail.origin)
        if detail.override is not None:
            left["override"] = _override(detail.override)
        if detail.standing is not None:
            standing = carried(detail.standing)
            left["standing"] = msgspec.to_builtins(replace(standing, **_personal(standing)))
        if ids.number_of_customer(detail.counterpart or "") is not None:
            left["counterpart"] = detail.counterpart
    except msgspec.MsgspecError:
        return None
    remains = Detail(**left)
    return None if remains == Detail() else _text(remains).decode()


def counterpart_remains(text: str, customer: int) -> str:
    """Of an entry of somebody who stays: the other side of a transfer is an id, without words.
    Raises a MsgspecError for what cannot be read."""
    detail = _read_detail(text)
    counterpart = detail.counterpart and ids.customer_id(customer)
    reason = None if detail.reason is None else detail.reason.partition(":")[0]
    if detail.counterpart is not None:
        reason = None
    origin = None if detail.origin is None else _origin(detail.origin)
    left = replace(detail, counterpart=counterpart, reason=reason, metadata=None, origin=origin)
    return _text(left).decode()


def counterpart_event_remains(body: str, customer: int, key: str | None) -> str:
    """Of an event of points of somebody who stays, which an entry of a transfer brought. `key`:
    the entry's, where it holds one of the erased customer's. Raises a MsgspecError."""
    fields: dict[str, Any] = msgspec.json.decode(body)
    if key is not None and fields.get("key") == key:
        del fields["key"]
    facts = fields.get("facts")
    if facts is not None:
        facts.pop("reason", None)
        if facts.get("counterpart") is not None:
            facts["counterpart"] = ids.customer_id(customer)
    return _text(fields).decode()


def event_remains(class_: str, body: str) -> str:
    """Of a line of the log. Tier events and reminders hold no text of callers: their bytes stay."""
    if class_ in ("tier", "reminder"):
        return body
    try:
        fields = msgspec.json.decode(body)
        if class_ == "points":
            return _text({name: fields[name] for name in _OF_EVENT if name in fields}).decode()
        if class_ == "ops":
            data = {k: v for k, v in fields.get("data", {}).items() if k in _OF_NOTICE}
            return _text({**fields, "data": data}).decode()
        numbers = {k: v for k, v in fields.items() if k == "kind" or isinstance(v, int | None)}
        return _text(numbers).decode()
    except (msgspec.MsgspecError, AttributeError):
        return "{}"
