"""Two change one user at the same moment: whoever was disabled stays so."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tierline.clock import wall
from tierline.people.directory import Directory
from tierline.people.errors import NotInvited
from tierline.people.passwords import Passwords
from tierline.store.database import Database
from tierline.store.people import User

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session

BLOCKED = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND wait_event_type = 'Lock'"
)


async def bob(directory: Directory) -> User:
    user, link = await directory.invite("bob@example.com", "Bob", {"shop": "manager"}, wall())
    assert link is not None
    return user


class Overtaken(Directory):
    """Somebody disables the user before what was read of them is written back."""

    disabling: asyncio.Task[User] | None = None

    async def _write(self, connection: Session, user: User, now: int) -> None:
        if self.disabling is None:
            other = Directory(self.database, self.passwords)
            self.disabling = asyncio.create_task(other.disable(user.id, now))
            while not self.disabling.done() and not await self.database.pool.fetchval(BLOCKED):
                await asyncio.sleep(0.01)
        await super()._write(connection, user, now)


async def test_an_invitation_does_not_let_a_disabled_user_in(database: Database) -> None:
    """Whichever of the two comes first, the user is disabled."""
    user = await bob(Directory(database, Passwords()))
    inviting = Overtaken(database, Passwords())
    await inviting.invite(user.email, "", {"shop": "viewer"}, wall())
    assert inviting.disabling is not None
    await inviting.disabling
    assert (await inviting.find(user.id)).state == "disabled"


async def test_a_provider_does_not_let_a_disabled_user_in(database: Database) -> None:
    """Who comes from there was asked about before they were disabled."""
    directory = Directory(database, Passwords())
    user = await bob(directory)
    await directory.disable(user.id, wall())
    assert (await directory.identify(user, "provider|1", wall())).state == "disabled"
    assert (await directory.find(user.id)).identity is None


async def test_a_user_is_one_at_a_provider(database: Database) -> None:
    """Two of the provider's users whose address is one do not become the same user here."""
    directory = Directory(database, Passwords())
    user = await bob(directory)
    await directory.identify(user, "provider|1", wall())
    with pytest.raises(NotInvited):
        await directory.identify(user, "provider|2", wall())
    assert (await directory.find(user.id)).identity == "provider|1"
