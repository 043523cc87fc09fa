"""People who sign in, as rows."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from tierline.store.named_queries import Queries

SESSION_IDLE_MS: Final = 8 * 3_600_000  # after which a session that nobody used has ended
UserState = Literal["invited", "active", "disabled"]


class PeopleSql(Queries, file="people.sql"):
    """The statements of `sql/people.sql`."""

    add_user: str
    users: str
    user: str
    user_by_email: str
    user_by_identity: str
    change_user: str
    anybody: str
    add_link: str
    use_link: str
    link: str
    drop_links: str
    add_session: str
    session: str
    see_session: str
    sessions_of: str
    session_row: str
    end_session: str
    end_sessions: str
    drop_expired: str
    count_attempt: str
    forget_attempts: str
    forgive_attempt: str
    drop_attempts: str


class User(Struct, frozen=True):
    """Somebody who may sign in. `grants`: a project's id, or `*` for every one -> a role."""

    id: str
    email: str
    name: str
    password: str | None
    identity: str | None
    state: UserState
    grants: dict[str, str]
    created_at: int


class SessionRow(Struct, frozen=True):
    """A session, by whose secret a user is known."""

    id: str
    user_id: str
    address: str
    agent: str
    created_at: int
    seen_at: int
    expires_at: int


def user_of(row: Any) -> User:
    return User(**{**row, "grants": decode_grants(row["grants"])})


def session_of(row: Any) -> SessionRow:
    return SessionRow(**{field: row[field] for field in SessionRow.__struct_fields__})


def encode_grants(grants: dict[str, str]) -> str:
    return msgspec.json.encode(grants).decode()


decode_grants = msgspec.json.Decoder(dict[str, str]).decode
