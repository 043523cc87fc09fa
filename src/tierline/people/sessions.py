"""Sessions: begun by signing in, ended by time, by hand, or with their user.

The cookie holds a random secret, sealed with the installation's key: what was not made here never
reaches the database, which knows the secret by its hash alone. Nothing is remembered in a process.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Final

from msgspec import Struct

from tierline.people.attempts import Attempts
from tierline.people.directory import Directory, digest
from tierline.people.errors import SignInFailed
from tierline.store.catalog import audit
from tierline.store.catalog.secret_box import SecretBox, SecretKeyWrong
from tierline.store.database import Database
from tierline.store.people import SESSION_IDLE_MS, SessionRow, User, decode_grants, session_of
from tierline.store.people import PeopleSql as Sql

IDLE_MS: Final = SESSION_IDLE_MS
ABSOLUTE_MS: Final = 7 * 86_400_000
SEEN_EVERY_MS: Final = 60_000
AGENT_CHARACTERS_MAX: Final = 200
_CONTEXT: Final = "session"


class Visit(Struct, frozen=True):
    """A request's session, and whose it is. `csrf_token` proves that a change was meant."""

    session: SessionRow
    user_id: str
    email: str
    name: str
    grants: dict[str, str]
    csrf_token: str


class Sessions:
    """The sessions of one installation."""

    def __init__(
        self, database: Database, box: SecretBox, directory: Directory, attempts: Attempts
    ) -> None:
        self.database = database
        self.box = box
        self.directory = directory
        self.attempts = attempts

    async def sign_in(
        self, email: str, password: str, address: str, agent: str, now: int
    ) -> tuple[str, Visit]:
        """Returns the cookie of a new session. Raises SignInFailed, which does not say what was
        wrong, and TooManyAttempts."""
        await self.attempts.count(email, address, now)
        user = await self.directory.by_email(email)
        stored = user.password if user is not None and user.state == "active" else None
        right = await self.directory.passwords.verify(stored, password)
        if user is None or not right:
            raise SignInFailed
        await self.attempts.forgive(email, address, now)
        return await self.begin(user, address, agent, now)

    async def begin(self, user: User, address: str, agent: str, now: int) -> tuple[str, Visit]:
        """Returns the cookie of a new session of a user."""
        secret = secrets.token_bytes(32)
        session_id = "ses_" + secrets.token_hex(8)
        agent = "".join(c for c in agent if c.isprintable())[:AGENT_CHARACTERS_MAX]
        facts = (session_id, user.id, address, agent, now, now + ABSOLUTE_MS)
        async with self.database.pool.acquire() as connection, connection.transaction():
            await connection.execute(Sql.drop_expired, now, now - IDLE_MS)
            await connection.execute(Sql.add_session, _hash(secret), *facts)
            with audit.acting(audit.user_actor(user.id)):
                await audit.note(connection, None, "session.begun", session_id)
        cookie = base64.urlsafe_b64encode(self.box.token(secret, _CONTEXT)).decode().rstrip("=")
        visit = await self.visit(cookie, now)
        if visit is None:
            raise SignInFailed  # disabled at this moment
        return cookie, visit

    async def visit(self, cookie: str, now: int) -> Visit | None:
        """Returns the session of a cookie, which has been used now; None where it is none, has
        ended, or its user may not sign in any more."""
        secret = self._secret(cookie)
        if secret is None:
            return None
        hashed = _hash(secret)
        row = await self.database.pool.fetchrow(Sql.session, hashed)
        if row is None or row["state"] != "active":
            return None
        if now >= row["expires_at"] or now >= row["seen_at"] + IDLE_MS:
            return None
        if now - row["seen_at"] >= SEEN_EVERY_MS:
            await self.database.pool.execute(Sql.see_session, hashed, now)
        token = hmac.digest(secret, b"csrf", hashlib.sha256).hex()
        grants = decode_grants(row["grants"])
        return Visit(session_of(row), row["user_id"], row["email"], row["name"], grants, token)

    def _secret(self, cookie: str) -> bytes | None:
        try:
            token = base64.b64decode(
                cookie + "=" * (-len(cookie) % 4), altchars=b"-_", validate=True
            )
            return self.box.read_token(token, _CONTEXT)
        except (ValueError, SecretKeyWrong):
            return None

    async def of_user(self, user_id: str, now: int) -> list[SessionRow]:
        """Returns a user's sessions that have not ended, newest first."""
        rows = await self.database.pool.fetch(Sql.sessions_of, user_id)
        return [
            session_of(row)
            for row in rows
            if now < row["expires_at"] and now < row["seen_at"] + IDLE_MS
        ]

    async def row(self, session_id: str) -> SessionRow | None:
        row = await self.database.pool.fetchrow(Sql.session_row, session_id)
        return None if row is None else session_of(row)

    async def end(self, session_id: str) -> bool:
        """Whether there was such a session."""
        async with self.database.pool.acquire() as connection, connection.transaction():
            if await connection.fetchval(Sql.end_session, session_id) is None:
                return False
            await audit.note(connection, None, "session.ended", session_id)
            return True


def _hash(secret: bytes) -> bytes:
    return digest(secret.hex())
