"""Sealing anew: what a former secret key sealed, the first one seals, so that the former can go.

What is inside stays the same, so no process has to read it again, and no revision is raised on the
rows. A deleted endpoint's secrets are never opened any more, and stay as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from tierline.store.catalog import digests, endpoints, projects
from tierline.store.catalog.queries import CatalogSql as Sql

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session
    from tierline.store.catalog.secret_box import SecretBox


class StoredSecret(Struct, frozen=True):
    """A secret as it is stored, and the statement that stores another text in its place."""

    statement: str
    row: int
    sealed: bytes
    context: str


async def of_former_keys(connection: Session, box: SecretBox) -> list[StoredSecret]:
    """What the first key does not open: secrets of projects and endpoints, the digests' key."""
    owners = {row["number"]: row for row in await connection.fetch(Sql.projects_since, -1)}
    secrets = [
        StoredSecret(Sql.reseal_project, number, row["secrets"], projects.sealed_for(row["id"]))
        for number, row in owners.items()
        if row["secrets"] is not None
    ]
    for row in await connection.fetch(Sql.endpoints_since, -1):
        if row["state"] != "deleted":
            context = endpoints.sealed_for(owners[row["project"]]["id"], row["id"])
            facts = (row["number"], row["secrets"], context)
            secrets.append(StoredSecret(Sql.reseal_endpoint, *facts))
    sealed = await connection.fetchval(Sql.digest_key)
    if sealed is not None:
        secrets.append(StoredSecret(Sql.reseal_digest_key, 1, sealed, digests.CONTEXT))
    return [each for each in secrets if box.needs_former(each.sealed, each.context)]


async def reseal(connection: Session, box: SecretBox) -> int:
    """How many secrets were sealed anew. The caller holds the revision. Raises SecretKeyWrong."""
    secrets = await of_former_keys(connection, box)
    for each in secrets:
        plain = box.open(each.sealed, each.context)
        await connection.execute(each.statement, each.row, box.seal(plain, each.context))
    return len(secrets)
