"""Activities as they arrive: one JSON object -> one Command, or an `Invalid` that names the field.

The shape is the native API's. Types are checked while decoding (integers are integers: no floats,
no bools, no NaN); what only makes sense together is checked after, kind by kind.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from tierline.errors import Invalid
from tierline.ledger.commands import (
    SPEAKING,
    ActivityKind,
    Assertion,
    Command,
    ProgramRef,
    command,
    transfer,
)
from tierline.ledger.orders.statement_parsing import (
    AHEAD_MS_MAX,
    Amount,
    Name,
    OrderStatement,
    names_order,
    statement,
)
from tierline.model import json_text, validation
from tierline.model.entries import Detail
from tierline.model.tenant import Project

POINTS_MAX: Final = 10**12  # of one activity

Key = Annotated[str, Meta(min_length=1, max_length=200)]
Reason = Annotated[str, Meta(min_length=1, max_length=500)]
Points = Annotated[int, Meta(ge=-POINTS_MAX, le=POINTS_MAX)]


class Activity(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """What a caller sends. `customer` is the caller's own id for the person; what speaks of an
    earlier activity (`of`) may leave it to that one."""

    kind: ActivityKind
    customer: Name | None = None
    key: Key | None = None
    points: Points | None = None
    amount: Amount | None = None
    currency: str | None = None
    of: Key | None = None
    name: Name | None = None
    occurred_at: str | None = None
    available_at: str | None = None
    expires_at: str | None = None
    metadata: dict[str, Any] | None = None
    to: Name | None = None
    reason: Reason | None = None


# Kind -> (fields it needs, fields it may have). `key`, `customer`, `occurred_at` and `metadata`
# go with every kind.
_FIELDS: Final[dict[str, tuple[frozenset[str], frozenset[str]]]] = {
    "earn": (frozenset({"points"}), frozenset({"available_at", "expires_at", "name"})),
    "redeem": (frozenset({"points"}), frozenset({"name"})),
    "adjust": (frozenset({"points"}), frozenset({"available_at", "expires_at", "name"})),
    "order": (
        frozenset({"amount"}),
        frozenset({"points", "currency", "available_at", "expires_at", "name"}),
    ),
    "refund": (frozenset({"of"}), frozenset({"amount", "points", "currency", "name"})),
    "custom": (
        frozenset({"name"}),
        frozenset({"points", "amount", "currency", "available_at", "expires_at"}),
    ),
    "approve": (frozenset({"of"}), frozenset({"name"})),
    "void": (frozenset({"of"}), frozenset({"name"})),
    "transfer": (frozenset({"points", "to"}), frozenset({"reason"})),
}
_OPTIONAL: Final = (
    *("points", "amount", "currency", "of", "name", "available_at", "expires_at"),
    *("to", "reason"),
)


def _good(needed: frozenset[str], allowed: frozenset[str]) -> frozenset[int]:
    """Every right combination of optional fields, as bits in the order of `_OPTIONAL`."""
    return frozenset(
        bits
        for bits in range(1 << len(_OPTIONAL))
        if needed <= (fields := {f for i, f in enumerate(_OPTIONAL) if bits >> i & 1})
        and fields <= needed | allowed
    )


_GOOD: Final = {kind: _good(*fields) for kind, fields in _FIELDS.items()}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_one = msgspec.json.Decoder(Activity).decode
_many = msgspec.json.Decoder(list[Activity]).decode


class CommandParser:
    """Reads the activities of one project and program. Cheap to make; safe to keep."""

    def __init__(self, project: Project, program: int) -> None:
        self.program_ref = ProgramRef(project, program)
        self._currency = project.currency

    def activity(self, raw: bytes, now: int, where: str = "", *, key: str | None = None) -> Command:
        """One JSON object. `where` goes before the field in what is refused: `activities[3]`;
        `key` is for one that has none of its own."""
        try:
            activity = _one(raw)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            if names_order(raw):
                return self._statement(raw, now, where)
            raise explained(error, raw, where) from None
        return self._command(activity, len(raw), now, where, key)

    def activities(self, raw: bytes, now: int) -> list[Command]:
        """A JSON array, validated whole: one bad activity refuses them all."""
        try:
            activity = _many(raw)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            if b'"order"' in raw and (items := _raw_items(raw)) is not None:
                places = (f"activities[{i}]" for i in range(len(items)))
                return [
                    self.activity(item, now, place)
                    for item, place in zip(items, places, strict=True)
                ]
            raise explained(error, raw, "activities", list[Activity]) from None
        size = len(raw) // (len(activity) or 1)
        return [self._command(a, size, now, f"activities[{i}]") for i, a in enumerate(activity)]

    def _statement(self, raw: bytes, now: int, where: str) -> Command:
        try:
            return statement(self.program_ref, raw, now, where)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise explained(error, raw, where, OrderStatement) from None

    def _command(
        self, activity: Activity, size: int, now: int, where: str, own: str | None = None
    ) -> Command:
        given = (
            (activity.points is not None)
            | (activity.amount is not None) << 1
            | (activity.currency is not None) << 2
            | (activity.of is not None) << 3
            | (activity.name is not None) << 4
            | (activity.available_at is not None) << 5
            | (activity.expires_at is not None) << 6
            | (activity.to is not None) << 7
            | (activity.reason is not None) << 8
        )
        if given not in _GOOD[activity.kind]:
            _check_fields(activity, where)
        points = activity.points
        if points is not None and points <= 0:
            _check_points(activity.kind, points, where)
        customer = activity.customer
        if customer is None:
            if activity.kind not in SPEAKING:
                raise _refused(where, "customer", "it is needed")
            customer = ""
        else:
            _check_customer(customer, "customer", where)
        if activity.key is not None:
            _check_name(activity.key, "key", where)
        if activity.of is not None:
            _check_name(activity.of, "of", where)
        if activity.currency is not None and activity.currency != self._currency:
            raise _refused(
                where, "currency", f"this project keeps its books in {self._currency}, send that"
            )
        occurred_at = None
        if activity.occurred_at is not None:
            occurred_at = validation.instant(activity.occurred_at, _path(where, "occurred_at"))
            if occurred_at > now + AHEAD_MS_MAX:
                raise _refused(where, "occurred_at", "it is more than 5 minutes ahead of now")
        detail = None
        if given > 15 or activity.metadata is not None:
            detail = _detail(activity, where)
        assertion = Assertion(points, activity.amount, occurred_at, activity.of, detail)
        if activity.kind == "transfer":
            return self._transfer(activity, customer, assertion, size + 200, where, own)
        key = activity.key or own
        return command(
            self.program_ref, activity.kind, customer, assertion, key=key, size=size + 200
        )

    def _transfer(
        self,
        activity: Activity,
        customer: str,
        assertion: Assertion,
        size: int,
        where: str,
        own: str | None,
    ) -> Command:
        to = activity.to or ""
        if to == customer:
            raise _refused(where, "to", "a transfer needs another customer")
        _check_customer(to, "to", where)
        return transfer(
            self.program_ref, customer, to, assertion, key=activity.key or own, size=size
        )


def _raw_items(raw: bytes) -> list[bytes] | None:
    """The items of a JSON array, each as its text; None for anything else."""
    try:
        return [bytes(item) for item in msgspec.json.decode(raw, type=list[msgspec.Raw])]
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _check_fields(activity: Activity, where: str) -> None:
    """Says which field is missing, or does not belong."""
    needed, allowed = _FIELDS[activity.kind]
    for field in _OPTIONAL:
        if getattr(activity, field) is None:
            if field in needed:
                raise _refused(where, field, f"{_a(activity.kind)} needs it")
        elif field not in needed and field not in allowed:
            raise _refused(where, field, f"{_a(activity.kind)} has no such field")


def _check_points(kind: str, points: int, where: str) -> None:
    if kind == "adjust":
        if points == 0:
            raise _refused(where, "points", "an adjustment by 0 says nothing")
    elif points < 0 or kind in ("earn", "redeem", "transfer"):
        raise _refused(where, "points", f"{_a(kind)} has points of 1 or more")


def _detail(activity: Activity, where: str) -> Detail:
    metadata = activity.metadata
    if metadata is not None:
        metadata = json_text.normalise(metadata, _path(where, "metadata"))
    if activity.name is not None:
        _check_name(activity.name, "name", where)
    if activity.reason is not None:
        _check_name(activity.reason, "reason", where)
    return Detail(
        name=activity.name,
        available_at=validation.optional_instant(
            activity.available_at, _path(where, "available_at")
        ),
        expires_at=validation.optional_instant(activity.expires_at, _path(where, "expires_at")),
        metadata=metadata,
        reason=activity.reason,
    )


def _check_name(text: str, field: str, where: str) -> None:
    # `isprintable` is quick and says yes to nearly every name; only the rest is looked at closely.
    if not text.isprintable() and _CONTROL.search(text):
        raise _refused(where, field, "control characters cannot stand in it")


def _check_customer(text: str, field: str, where: str) -> None:
    if text != text.strip():
        raise _refused(where, field, "take away the white space around it")
    if text in validation.DOTS:
        raise _refused(where, field, "`.` and `..` are no names")
    _check_name(text, field, where)


def explained(error: Exception, raw: bytes, where: str, shape: Any = Activity) -> Invalid:
    """A decoder's complaint as ours: with the field's path, in the words of the API."""
    # Inside free JSON the decoder cannot say where; our own parser can, and finds it too.
    if isinstance(error, msgspec.ValidationError) and "[...]" not in str(error):
        return validation.complaint(error, shape, where)
    try:
        json_text.parse(raw, path=where)
    except Invalid as problem:
        return problem
    if isinstance(error, msgspec.ValidationError):
        return validation.complaint(error, shape, where)
    return Invalid(path=where or None, reason=f"The body is not JSON: {error}")


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _path(where: str, field: str) -> str:
    return f"{where}.{field}" if where else field


def _refused(where: str, field: str, assertion: str) -> Invalid:
    path = _path(where, field)
    return Invalid(path=path, reason=f"{path}: {assertion}.")
