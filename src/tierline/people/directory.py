"""The users of an installation: invited, changed, disabled, and let in by links.

A link's secret is known by its hash alone, sets a password once, and expires. Whoever asks for
something of a user may do it only as far as they reach themselves; that is checked where they ask.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from tierline.errors import Conflict, NotFound
from tierline.model import validation
from tierline.people.errors import LinkInvalid, NotInvited
from tierline.people.passwords import Passwords
from tierline.people.roles import EVERYWHERE
from tierline.store.catalog import audit
from tierline.store.catalog.queries import CatalogSql
from tierline.store.database import Database
from tierline.store.people import PeopleSql as Sql
from tierline.store.people import User, encode_grants, user_of

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session

LINK_MS: Final = 72 * 3_600_000
EMAIL_CHARACTERS_MAX: Final = 320
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


class Directory:
    """The users of one database."""

    def __init__(self, database: Database, passwords: Passwords) -> None:
        self.database = database
        self.passwords = passwords

    # Looking --------------------------------------------------------------------------------

    async def users(self) -> list[User]:
        return [user_of(row) for row in await self.database.pool.fetch(Sql.users)]

    async def find(self, name: str) -> User:
        """Returns a user by id or address. Raises NotFound."""
        for user in await self.users():
            if name in (user.id, user.email):
                return user
        raise NotFound(what="user", name=name, path="user")

    async def by_email(self, email: str) -> User | None:
        row = await self.database.pool.fetchrow(Sql.user_by_email, email.lower())
        return None if row is None else user_of(row)

    async def by_identity(self, identity: str) -> User | None:
        row = await self.database.pool.fetchrow(Sql.user_by_identity, identity)
        return None if row is None else user_of(row)

    # Inviting -------------------------------------------------------------------------------

    async def invite(
        self, email: str, name: str, grants: Mapping[str, str], now: int
    ) -> tuple[User, str | None]:
        """Returns the user, who has these roles besides those that they had, and the secret of a
        link; no link for somebody who signs in already. Raises Invalid, and Conflict for somebody
        who is disabled."""
        email = checked_email(email)
        async with self.database.pool.acquire() as connection, connection.transaction():
            user_id = "usr_" + secrets.token_hex(8)
            facts = (user_id, email, name, encode_grants(dict(grants)), now)
            new = await connection.fetchval(Sql.add_user, *facts) is not None
            row = await connection.fetchrow(Sql.user_by_email, email)
            assert row is not None  # now or before, it was added
            user = await self._user(connection, row["id"])  # as they are once nobody changes them
            if user.state == "disabled":
                reason = f"The user {user.id} with this address is disabled; reset them instead."
                raise Conflict(path="email", reason=reason)
            before = {} if new else user.grants
            user = replace(user, grants={**before, **grants}, name=name or user.name)
            await self._write(connection, user, now)
            kind = "user.invited" if new or user.state == "invited" else "user.changed"
            await note(connection, kind, user, before, user.grants)
            link = None
            if user.state == "invited":
                link = await self._add_link(connection, user.id, now)
        return user, link

    async def first_link(self, now: int) -> str | None:
        """Returns the secret of a link for the first user; None where there is a user. The first
        link that is used is the last one that was good."""
        async with self.database.pool.acquire() as connection, connection.transaction():
            if await connection.fetchval(Sql.anybody):
                return None
            return await self._add_link(connection, None, now)

    async def reset(self, user_id: str, now: int) -> tuple[User, str]:
        """Ends a user's sessions and takes their password away; returns the user and the secret of
        a link to set another. One who was disabled is let in again."""
        async with self.database.pool.acquire() as connection, connection.transaction():
            before = await self._user(connection, user_id)
            user = replace(before, state="invited", password=None, identity=None)
            await self._write(connection, user, now)
            await connection.execute(Sql.end_sessions, user.id)
            await connection.execute(Sql.drop_links, user.id)
            await note(connection, "user.reset", user, before.grants, user.grants)
            return user, await self._add_link(connection, user.id, now)

    async def _add_link(self, connection: Session, user_id: str | None, now: int) -> str:
        secret = "inv_" + secrets.token_urlsafe(32)
        await connection.execute(Sql.add_link, digest(secret), user_id, now + LINK_MS, now)
        return secret

    # Changing -------------------------------------------------------------------------------

    async def accept(
        self, secret: str, password: str, email: str | None, name: str | None, now: int
    ) -> User:
        """Sets a user's password by a link, which ends with it. The first user says who they are.
        Raises LinkInvalid, Invalid for a password, and for the first user's address."""
        row = await self.database.pool.fetchrow(Sql.link, digest(secret))
        if row is None or row["expires_at"] <= now:
            raise LinkInvalid
        if row["user_id"] is None:
            email = checked_email(email or "")
        hashed = await self.passwords.hash(password)
        async with self.database.pool.acquire() as connection, connection.transaction():
            # The first users wait for each other here, so that there is one.
            await connection.fetchval(CatalogSql.raise_revision)
            link = await connection.fetchrow(Sql.use_link, digest(secret))
            if link is None or link["expires_at"] <= now:
                raise LinkInvalid
            if link["user_id"] is None:
                user = await self._first(connection, email or "", now)
            else:
                user = await self._user(connection, link["user_id"])
            if user.state == "disabled":
                raise LinkInvalid
            user = replace(user, state="active", password=hashed, name=name or user.name)
            await self._write(connection, user, now)
            await connection.execute(Sql.drop_links, user.id)
            with audit.acting(audit.user_actor(user.id)):
                await note(connection, "user.joined", user, None, user.grants)
        return user

    async def _first(self, connection: Session, email: str, now: int) -> User:
        if await connection.fetchval(Sql.anybody):
            raise LinkInvalid
        await connection.execute(Sql.drop_links, None)
        facts = ("usr_" + secrets.token_hex(8), email, "", encode_grants({EVERYWHERE: "admin"}))
        await connection.fetchval(Sql.add_user, *facts, now)
        return await self._user(connection, facts[0])

    async def grant(self, user_id: str, project: str, role: str | None, now: int) -> User:
        """Gives a user another role in a project, or none: one without any role is disabled, and
        their sessions end."""
        async with self.database.pool.acquire() as connection, connection.transaction():
            before = await self._user(connection, user_id)
            grants = {p: r for p, r in before.grants.items() if p != project}
            if role is not None:
                grants[project] = role
            user = replace(before, grants=grants)
            if not grants:
                return await self._disable(connection, user, before.grants, now)
            await self._write(connection, user, now)
            await note(connection, "user.changed", user, before.grants, grants)
            return user

    async def disable(self, user_id: str, now: int) -> User:
        """Ends a user's sessions and links; they get in no more until they are reset."""
        async with self.database.pool.acquire() as connection, connection.transaction():
            before = await self._user(connection, user_id)
            return await self._disable(connection, before, before.grants, now)

    async def _disable(
        self, connection: Session, user: User, before: Mapping[str, str], now: int
    ) -> User:
        user = replace(user, state="disabled")
        await self._write(connection, user, now)
        await connection.execute(Sql.end_sessions, user.id)
        await connection.execute(Sql.drop_links, user.id)
        await note(connection, "user.disabled", user, before, user.grants)
        return user

    async def identify(self, user: User, identity: str, now: int) -> User:
        """Notes who a user is at an OpenID provider, when they come from there for the first time.
        Who was disabled meanwhile stays so. Raises NotInvited for somebody else of theirs."""
        async with self.database.pool.acquire() as connection, connection.transaction():
            user = await self._user(connection, user.id)
            if user.state == "disabled":
                return user
            if user.identity not in (None, identity):
                raise NotInvited
            user = replace(user, identity=identity, state="active")
            await self._write(connection, user, now)
            await connection.execute(Sql.drop_links, user.id)
            with audit.acting(audit.user_actor(user.id)):
                await note(connection, "user.joined", user, None, user.grants)
        return user

    async def _user(self, connection: Session, user_id: str) -> User:
        row = await connection.fetchrow(Sql.user, user_id)
        if row is None:
            raise NotFound(what="user", name=user_id, path="user")
        return user_of(row)

    async def _write(self, connection: Session, user: User, now: int) -> None:
        facts = (user.name, user.password, user.identity, user.state, encode_grants(user.grants))
        await connection.execute(Sql.change_user, user.id, *facts, now)


def checked_email(email: str) -> str:
    """An address in lower case. Raises Invalid."""
    if not _EMAIL.fullmatch(email):
        raise validation.invalid("email", "expected an address like ann@example.com")
    return validation.name(email, "email", EMAIL_CHARACTERS_MAX).lower()


def digest(secret: str) -> bytes:
    """What is stored of a secret of ours, which is long enough for a fast hash."""
    return hashlib.blake2b(secret.encode(), digest_size=32, person=b"tierline-people").digest()


async def note(
    connection: Session,
    kind: str,
    user: User,
    before: Mapping[str, str] | None,
    after: Mapping[str, str],
) -> None:
    """A line of the audit log, of the installation: ids and roles, no address and no name."""
    sides: tuple[dict[str, Any] | None, dict[str, Any]] = (
        None if before is None else {"roles": dict(before)},
        {"roles": dict(after), "state": user.state},
    )
    await audit.note(connection, None, kind, user.id, *sides)
