"""Endpoints as rows. What the body means is the sender's; here it is text, and the secrets are
sealed for this one endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct

from tierline.errors import Conflict, NotFound
from tierline.model.operational_event import CUSTOMER_CHANGED, CUSTOMER_CREATED
from tierline.model.tenant import Project
from tierline.store.catalog import audit, projects
from tierline.store.catalog.queries import CatalogSql as Sql
from tierline.store.catalog.secret_box import SecretBox

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session

State = Literal["active", "failing", "paused", "deleted"]


class EndpointRow(Struct, frozen=True):
    """One endpoint. `revision` is raised with every change; `secrets` are decrypted."""

    number: int
    id: str
    project: int
    body: str
    secrets: bytes
    state: State
    revision: int
    start_at: int
    created_at: int
    updated_at: int


class NewEndpoint(Struct, frozen=True):
    """An endpoint to be made, which hears what is recorded from `start_at` on."""

    id: str
    body: str
    secrets: bytes
    start_at: int


class _Hearing(Struct, frozen=True):
    points: bool = False
    profiles: bool = False
    kinds: tuple[str, ...] = ()


_OF_CUSTOMERS = frozenset({CUSTOMER_CREATED, CUSTOMER_CHANGED})
_read_hearing = msgspec.json.Decoder(_Hearing).decode


class EndpointIndex:
    """The endpoints that there are, by number and by id, and which projects hear points events, or
    of customers and their profiles: for the others none are made."""

    def __init__(self) -> None:
        self.by_number: dict[int, EndpointRow] = {}
        self._numbers: dict[tuple[int, str], int] = {}
        self._points: dict[int, set[int]] = {}  # by project
        self._customers: dict[int, set[int]] = {}  # by project
        self._profiles: dict[int, set[int]] = {}  # by project

    def named(self, project: int, id_: str) -> EndpointRow | None:
        number = self._numbers.get((project, id_))
        return None if number is None else self.by_number[number]

    def after_change(self, number: int, id_: str) -> EndpointRow:
        """Raises NotFound where somebody else deleted it in the same moment."""
        row = self.by_number.get(number)
        if row is None:
            raise NotFound(what="endpoint", name=id_)
        return row

    def hears_points(self, project: int) -> bool:
        return bool(self._points.get(project))

    def hears_customers(self, project: int) -> bool:
        return bool(self._customers.get(project))

    def hears_profiles(self, project: int) -> bool:
        return bool(self._profiles.get(project))

    def take(self, row: EndpointRow) -> None:
        """An endpoint is as this row says; a deleted one is not there any more."""
        for hearing in (self._points, self._customers, self._profiles):
            hearing.get(row.project, set()).discard(row.number)
        if row.state == "deleted":
            self.by_number.pop(row.number, None)
            self._numbers.pop((row.project, row.id), None)
            return
        self.by_number[row.number] = row
        self._numbers[row.project, row.id] = row.number
        heard = _read_hearing(row.body)
        if heard.points:
            self._points.setdefault(row.project, set()).add(row.number)
        if heard.profiles:
            self._profiles.setdefault(row.project, set()).add(row.number)
        if not _OF_CUSTOMERS.isdisjoint(heard.kinds):
            self._customers.setdefault(row.project, set()).add(row.number)


class Change(Struct, frozen=True):
    """What to change of an endpoint; None leaves a part as it is. With `expected`, only if nobody
    else changed it since that revision. `action` is what the audit log calls it where the parts do
    not say."""

    body: str | None = None
    secrets: bytes | None = None
    state: State | None = None
    expected: int | None = None
    action: str | None = None


def sealed_for(project: str, endpoint: str) -> str:
    return f"endpoint {project}/{endpoint}"


_ACTIONS = {"paused": "paused", "active": "resumed", "deleted": "deleted"}


async def add(
    connection: Session, box: SecretBox, revision: int, owner: Project, new: NewEndpoint, now: int
) -> int:
    """Writes an active endpoint, returns its number. Raises NotFound for a deleted project."""
    await projects.need(connection, owner)
    sealed = box.seal(new.secrets, sealed_for(owner.id, new.id))
    facts = (new.id, owner.id, new.body, sealed, "active", revision, new.start_at, now)
    number: int = await connection.fetchval(Sql.add_endpoint, *facts)
    after = audit.endpoint_facts(_fields(new.body))
    await audit.note(connection, owner.number, "endpoint.created", new.id, None, after)
    return number


async def change(
    connection: Session, box: SecretBox, revision: int, number: int, new: Change, now: int
) -> str:
    """Returns the endpoint's id. Raises NotFound for a deleted endpoint, Conflict where `expected`
    no longer holds."""
    row = await connection.fetchrow(Sql.endpoint_row, number)
    if row is None or row["state"] == "deleted":
        raise NotFound(what="endpoint", name=row["id"] if row else str(number))
    if new.expected is not None and new.expected != row["revision"]:
        reason = f"The endpoint was changed meanwhile: it is at revision {row['revision']}."
        raise Conflict(path="revision", reason=f"{reason} Read it again, then repeat the change.")
    secrets = row["secrets"]
    if new.secrets is not None:
        secrets = box.seal(new.secrets, sealed_for(row["project"], row["id"]))
    await connection.execute(
        Sql.change_endpoint,
        number,
        row["body"] if new.body is None else new.body,
        secrets,
        new.state or row["state"],
        revision,
        now,
    )
    await _note(connection, row, new)
    return str(row["id"])


async def _note(connection: Session, row: Any, new: Change) -> None:
    before, after = audit.difference(
        {"state": row["state"], **_fields(row["body"])},
        {"state": new.state or row["state"], **_fields(new.body or row["body"])},
    )
    sides = tuple(audit.endpoint_facts(side) for side in (before, after))
    if new.secrets is not None and new.body is None:
        action = "rotated"
    else:
        action = new.action or _ACTIONS.get(after.get("state", ""), "") or _action(set(after))
    if action:
        await audit.note(connection, row["owner"], f"endpoint.{action}", row["id"], *sides)


def _action(fields: set[str]) -> str:
    """What a change of these fields is called; "" for none."""
    for field, action in (("last_run", "replayed"), ("retried_at", "retried")):
        if fields == {field}:
            return action
    return "changed" if fields else ""


def _fields(body: str) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.json.decode(body)
    return {f: value for f, value in fields.items() if f not in ("id", "number", "project")}
