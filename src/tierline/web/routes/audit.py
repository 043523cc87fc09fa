"""The audit log: who changed what in the project, when, before and after."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct
from msgspec.structs import asdict

from tierline.errors import Invalid
from tierline.model import ids, validation
from tierline.model.actor import ActorKind
from tierline.model.calendar import format_instant
from tierline.store import audit
from tierline.store.audit import AuditFilter, AuditLine
from tierline.web import limits
from tierline.web.routes.customers import find_customer
from tierline.web.routing import Call, Operation

_ID_CHARACTERS = len("aud_") + 24


class AuditQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Newest first. `kind` is a whole one or the part before its dot; `customer` any name of
    theirs."""

    actor: str | None = None
    kind: str | None = None
    object: str | None = None
    customer: str | None = None
    since: str | None = None
    until: str | None = None
    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=limits.PAGE_MAX)] = limits.PAGE_DEFAULT


class AuditEntry(Struct, frozen=True):
    """One change. `before` and `after` hold what differs; what may be secret is `[hidden]`."""

    id: str
    at: str
    actor_kind: ActorKind
    actor: str
    kind: str
    object: str
    program: str | None
    entry: int | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class AuditAnswer(Struct, frozen=True):
    """`next` goes on with older lines; null: there are none."""

    changes: tuple[AuditEntry, ...]
    next: str | None


async def list_audit(call: Call) -> AuditAnswer:
    query = call.query(AuditQuery)
    object_id = query.object
    if query.customer is not None:
        if object_id is not None:
            raise Invalid(path="object", reason="object: send an object or a customer, not both.")
        row = await find_customer(call, validation.identifier(query.customer, "customer"))
        object_id = ids.customer_id(row.id)
    only = AuditFilter(
        project=call.project.number,
        actor=_text(query.actor, "actor"),
        kind=_text(query.kind, "kind"),
        object=_text(object_id, "object"),
        since=validation.optional_instant(query.since, "since"),
        until=validation.optional_instant(query.until, "until"),
        below=_cursor(query.after),
    )
    lines = await audit.page(call.parts.database, only, query.limit)
    whole = len(lines) == query.limit
    entries = tuple(audit_entry(line) for line in lines)
    return AuditAnswer(entries, lines[-1].id if whole else None)


def audit_entry(line: AuditLine) -> AuditEntry:
    """Returns a line as the API and the command line print it."""
    facts = asdict(line) | {"at": format_instant(line.at)}
    del facts["project"]
    return AuditEntry(**facts)


def _text(text: str | None, path: str) -> str | None:
    return None if text is None else validation.name(text, path)


def _cursor(after: str | None) -> str | None:
    if after is not None and not (len(after) == _ID_CHARACTERS and after.startswith("aud_")):
        raise Invalid(path="after", reason="after: expected the `next` of an earlier answer.")
    return after


OPERATIONS = (
    Operation(
        "GET", "/api/audit", list_audit,
        "Who changed what in the project, newest first.",
        scopes=("manage_keys",), query=AuditQuery, answer=AuditAnswer,
    ),
)  # fmt: skip
