"""The audit log as it is written: who changed what, before and after, in the change's transaction.

Whoever takes a call says once who acts (`acting`); what is changed below, however deep, is noted
under that name. An id begins with the instant of wall time, so ids are in the order of time.

Nothing secret is noted, and no text that may be of a customer: ids, numbers, choices from a list,
and the names that operators give to things of theirs. Of anything else stands that it changed.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from itertools import count
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec
import structlog

from tierline.clock import wall
from tierline.model.actor import SYSTEM, Actor
from tierline.store.catalog.queries import CatalogSql as Sql

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session

_log = structlog.get_logger("tierline.catalog")
HIDDEN: Final = "[hidden]"  # stands for a value that changed and is nobody's business here
_PLAIN: Final = frozenset(  # of an endpoint's fields
    {
        *("format", "format_version", "kinds", "programs", "tiers", "mode", "batch", "retry"),
        *(
            "parked",
            "timeout_ms",
            "connect_ms",
            "rate_per_s",
            "in_flight_max",
            "tolerance",
            "delay_s",
        ),
        *("last_run", "retried_at", "state", "vendor_id"),
    }
)
_counter = count()
_actor: ContextVar[Actor | None] = ContextVar("actor", default=SYSTEM)


class _ActorContext:
    """A context of `contextlib`'s would be a generator, which takes three times as long."""

    __slots__ = ("_actor", "_token")

    def __init__(self, actor: Actor | None) -> None:
        self._actor = actor

    def __enter__(self) -> None:
        self._token = _actor.set(self._actor)

    def __exit__(self, *_: object) -> None:
        _actor.reset(self._token)


def acting(actor: Actor | None) -> AbstractContextManager[None]:
    """Inside, changes are noted as the actor's; with None, changes of members are not noted one by
    one: something that stands in the log as a whole makes them."""
    return _ActorContext(actor)


def current_actor() -> Actor | None:
    """Returns who acts at the moment; None where changes of members are not noted."""
    return _actor.get()


def user_actor(user_id: str) -> Actor:
    """A user, for `acting`."""
    return Actor("user", user_id)


def new_id(at: int) -> str:
    """The id of a line that is written at an instant; those of one process are in their order."""
    return f"{first_id(at)}{next(_counter) % 2**16:04x}{secrets.token_hex(4)}"


def first_id(at: int) -> str:
    """What the ids of all lines of an instant, and of later ones, are not below."""
    return f"aud_{max(at, 0):012x}"


async def note(
    connection: Session,
    project: int | None,
    kind: str,
    object_id: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Writes a line in the transaction of the change. `project` None: of the installation."""
    actor, at = _actor.get() or SYSTEM, wall()
    facts = (new_id(at), project, at, actor.kind, actor.id, kind, object_id)
    await connection.execute(Sql.add_audit, *facts, _text(before), _text(after))


async def note_import(
    connection: Session, project: int, kind: str, mark: str, facts: Mapping[str, Any]
) -> None:
    """Writes a line of an import; running servers hear of it as of a change."""
    await connection.execute(Sql.raise_revision)
    await note(connection, project, kind, mark, None, facts)


async def log_imports(connection: Session, seen: str) -> str:
    """Logs the imports that ended since the line `seen`; returns the newest one's."""
    for row in await connection.fetch(Sql.imports_since, seen):
        seen, facts = row["id"], msgspec.json.decode(row["after"])
        _log.info("import_ended", project=row["project"], **facts)
    return seen


def _text(facts: Mapping[str, Any] | None) -> str | None:
    return None if facts is None else msgspec.json.encode(facts).decode()


def difference(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the fields that differ, as they were and as they are; a field that is not there is
    null."""
    fields = [f for f in {**before, **after} if before.get(f) != after.get(f)]
    return {f: before.get(f) for f in fields}, {f: after.get(f) for f in fields}


def endpoint_facts(fields: Mapping[str, Any]) -> dict[str, Any]:
    """An endpoint's fields as a line may show them: of an address the host alone, for what follows
    is often a secret, and of filters, mappings and the like nothing."""
    return {f: _endpoint_fact(f, value) for f, value in fields.items()}


def _endpoint_fact(field: str, value: Any) -> Any:
    if value is None or field in _PLAIN:
        return value
    if field == "url" and isinstance(value, str):
        parts = urlsplit(value)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/{HIDDEN}"
    return HIDDEN
