"""An entry of a ledger as a line of a file: what `export --history` writes and `import` reads."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from tierline.errors import Invalid
from tierline.ledger import commands
from tierline.ledger.commands import Assertion, Command, ProgramRef
from tierline.model import json_text, validation
from tierline.model.calendar import format_instant
from tierline.model.entries import Detail, Entry, EntryKind
from tierline.model.standing import Carried, StandingFields, carried

_TOLD_APART: Final = ("name", "metadata")  # of the detail, in fields of their own
_read_detail = msgspec.json.Decoder(Detail).decode


class LedgerLine(Struct, frozen=True, forbid_unknown_fields=True):
    """`entry` is its number in the member's ledger; `detail` is as Tierline keeps it."""

    key: Annotated[str, Meta(min_length=1, max_length=500)]
    customer: str
    kind: EntryKind
    entry: Annotated[int, Meta(ge=1)]
    occurred_at: str
    recorded_at: str
    points: int = 0
    amount: int = 0
    of: Annotated[str, Meta(max_length=500)] | None = None
    name: Annotated[str, Meta(max_length=500)] | None = None
    metadata: dict[str, Any] | None = None
    detail: dict[str, Any] | None = None

    def command(self, program_ref: ProgramRef, now: int, *, quiet: bool) -> Command:
        """Returns the command that records the entry at its own place. Raises Invalid."""
        validation.identifier(self.customer, "customer")
        json_text.normalise(self.key, "key")
        json_text.normalise(self.detail or {}, "detail")
        for field in ("points", "amount", "detail"):
            validation.numbers(getattr(self, field), field)
        occurred_at = validation.instant(self.occurred_at, "occurred_at")
        recorded_at = validation.instant(self.recorded_at, "recorded_at")
        if recorded_at > now:
            raise Invalid(path="recorded_at", reason="recorded_at: it lies ahead of now.")
        try:
            detail = msgspec.convert(self.detail or {}, Detail)
        except msgspec.ValidationError as error:
            raise validation.complaint(error, Detail, "detail") from None
        if self.kind == "checkpoint":
            _check_standing(detail.standing)
        if self.metadata is not None:
            detail = replace(detail, metadata=validation.free_json(self.metadata, "metadata"))
        detail = replace(detail, name=self.name)
        said = Assertion(self.points, self.amount, occurred_at, self.of, detail)
        command = commands.command(program_ref, self.kind, self.customer, said, key=self.key)
        if quiet:
            detail = replace(detail, quiet=True, elsewhere=True)
        entry = Entry(
            self.entry, self.kind, occurred_at, recorded_at, self.points, self.amount, detail
        )
        return replace(command, of=None, detail=detail, entry=entry)


def _check_standing(fields: dict[str, Any] | None) -> None:
    if fields is None:
        raise Invalid(path="detail.standing", reason="detail.standing: a checkpoint needs one.")
    try:
        standing = carried(fields)
    except msgspec.ValidationError as error:
        raise validation.complaint(error, Carried, "detail.standing") from None
    check_instants(standing, "detail.standing")


def check_instants(standing: StandingFields, path: str) -> None:
    """Raises Invalid for a standing that was changed by hand, so that no time can pass for it: an
    instant of joining that no calendar here has, or a term that was over by then without a hold."""
    if (standing.joined_at or 0) < validation.INSTANT_MIN:
        raise validation.invalid(f"{path}.joined_at", "it lies before 1900")
    end = "ends_at" if standing.grace_until is None else "grace_until"
    at = getattr(standing, end)
    if standing.hold_since is None and at is not None and at <= standing.at:
        raise validation.invalid(f"{path}.{end}", "it lies before `at`, so the term was over")


def ledger_line(customer: str | None, row: Any) -> dict[str, Any]:
    """Returns a row of the ledger as the line's fields, without what is empty."""
    detail = Detail() if row["detail"] is None else _read_detail(row["detail"])
    rest: dict[str, Any] = msgspec.to_builtins(detail)
    for field in _TOLD_APART:
        rest.pop(field, None)
    line = {
        "key": row["key"],
        "customer": customer,
        "kind": row["kind"],
        "entry": row["n"],
        "points": row["points"],
        "amount": row["amount"],
        "of": row["of"],
        "name": detail.name,
        "occurred_at": format_instant(row["occurred_at"]),
        "recorded_at": format_instant(row["recorded_at"]),
        "metadata": detail.metadata,
        "detail": rest or None,
    }
    return {field: value for field, value in line.items() if value is not None}
