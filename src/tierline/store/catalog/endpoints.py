"""Endpoints as rows. What the body means is the sender's; here it is text, and the secrets are
sealed for this one endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from tierline.errors import Conflict, NotFound
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


class Change(Struct, frozen=True):
    """What to change of an endpoint; None leaves a part as it is. With `expected`, only if nobody
    else changed it since that revision."""

    body: str | None = None
    secrets: bytes | None = None
    state: State | None = None
    expected: int | None = None


def sealed_for(project: str, endpoint: str) -> str:
    return f"endpoint {project}/{endpoint}"


async def change(
    connection: Session, box: SecretBox, revision: int, number: int, new: Change, now: int
) -> None:
    """Raises NotFound for a deleted endpoint, Conflict where `expected` no longer holds."""
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
