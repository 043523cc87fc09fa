"""Who calls, and what they may do.

A native key comes as `Authorization: Bearer tk_…`. Keys are looked up by a hash and compared in
constant time, in memory: a key that was disabled elsewhere works half a second longer at most, one
that was made elsewhere works at once. `Caller.of` leaves room for vendors' own ways of naming a
key.

Without a key, a cookie may name a session: its user may in the project what their role there
may. A change by a session must prove that its own pages made it; see `session`.
"""

from __future__ import annotations

import hmac
from collections.abc import Container
from functools import cached_property
from http.cookies import CookieError, SimpleCookie
from typing import Final, Literal
from urllib.parse import urlsplit

from msgspec import Struct
from starlette.datastructures import Headers
from starlette.types import Scope

from tierline.errors import Forbidden, NotFound, Unauthorized
from tierline.model.actor import Actor
from tierline.model.tenant import Project
from tierline.people.errors import ForgeryRefused, ProjectNeeded, SessionEnded
from tierline.people.roles import EVERYWHERE, scopes_in
from tierline.people.sessions import Sessions, Visit
from tierline.store.catalog import keys
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.keys import Key
from tierline.web import access_tokens

COOKIE: Final = "tierline_session"
PROJECT_HEADER: Final = "tierline-project"
CSRF_HEADER: Final = "x-csrf-token"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_BEARER = "bearer "


class Caller(Struct, frozen=True, dict=True):
    """Who calls, for which project, and what they may do there."""

    scopes: frozenset[str]
    project: Project
    kind: Literal["key", "user"]
    id: str  # the key's or the user's
    visit: Visit | None = None  # of a session
    by_token: bool = False  # an access token of the key

    @cached_property
    def actor(self) -> Actor:
        """Whose doing the audit log notes."""
        return Actor(self.kind, self.id.partition(".")[0])

    def require(self, *scopes: str) -> None:
        """Raises Forbidden for the first scope that the caller lacks."""
        for scope in scopes:
            if scope not in self.scopes:
                raise Forbidden(scope=scope)

    @classmethod
    async def of(
        cls, catalog: Catalog, kinds: Container[str], token: str, lookup: str | None = None
    ) -> Caller:
        """Returns the caller who sends the token of a key of one of these kinds. `lookup` is the
        name of the key where it has one (an app id); a bearer token finds its key by itself.
        Raises Unauthorized, which does not say what was wrong."""
        caller = cls.from_memory(catalog, kinds, token, lookup)
        if caller is None:
            await catalog.refresh_soon()
            caller = cls.from_memory(catalog, kinds, token, lookup)
        if caller is None:
            raise Unauthorized
        return caller

    @classmethod
    def from_memory(
        cls, catalog: Catalog, kinds: Container[str], token: str, lookup: str | None = None
    ) -> Caller | None:
        """Returns the caller as `of` does, by the keys in memory alone; None for another token."""
        digest = keys.digest(token)
        key = catalog.key(keys.bearer_lookup(digest) if lookup is None else lookup)
        if key is None or not keys.matches(key, digest) or key.kind not in kinds:
            return None
        project = catalog.project(key.project)
        if project.state == "deleted":
            return None
        catalog.key_uses.ids.add(key.id)
        return cls(key.scopes, project, "key", key.id)


class LastProof:
    """What a caller proved themselves with last, and whose it is: hashing it once is enough.

    The next one is compared in constant time, for behind a proxy others may speak on the same
    connection. The key is looked up anew each time: it may have been disabled, or changed."""

    __slots__ = ("_caller", "_key", "_lookup", "_proof")

    def __init__(self) -> None:
        self._proof = b""
        self._lookup = ""
        self._key: Key | None = None
        self._caller: Caller | None = None

    def again(self, catalog: Catalog, proof: bytes) -> Caller | None:
        """Returns whose it is, where it is the last one and all is as it was."""
        last, key = self._caller, catalog.key(self._lookup)
        if (
            last is not None
            and hmac.compare_digest(proof, self._proof)
            and key is self._key
            and key is not None
            and catalog.project(key.project) is last.project
        ):
            catalog.key_uses.ids.add(key.id)
            return last
        return None

    def keep(self, catalog: Catalog, proof: bytes, lookup: str, caller: Caller | None) -> None:
        """Remembers whose it is, by a key that has this name."""
        self._proof, self._lookup, self._caller = proof, lookup, caller
        self._key = catalog.key(lookup)


class LastBearer(LastProof):
    """The bearer token that one connection sent last."""

    __slots__ = ()

    def caller(self, catalog: Catalog, authorization: bytes) -> Caller | None:
        """Returns who sends a native key that is in memory; None for any other header."""
        return self.again(catalog, authorization) or self._read(catalog, authorization)

    def _read(self, catalog: Catalog, authorization: bytes) -> Caller | None:
        try:
            token = bearer(authorization.decode("latin-1"))
        except Unauthorized:
            return None
        caller = Caller.from_memory(catalog, ("native",), token)
        self.keep(catalog, authorization, keys.bearer_lookup(keys.digest(token)), caller)
        return caller


def of_token(catalog: Catalog, kinds: Container[str], text: str, now: int) -> Caller | None:
    """The caller who sends an access token of a key of one of these kinds; None for any other
    text, and for one that has ended."""
    opened = access_tokens.opened(catalog, text, now)
    if opened is None or opened[0].kind not in kinds:
        return None
    key, token, _ = opened
    scopes = key.scopes & frozenset(token.scopes)
    return Caller(scopes, catalog.project(key.project), "key", key.id, by_token=True)


def bearer(authorization: str | None) -> str:
    """The token of an `Authorization: Bearer` header."""
    if authorization is None or authorization[: len(_BEARER)].lower() != _BEARER:
        raise Unauthorized
    return authorization[len(_BEARER) :].strip()


async def native(catalog: Catalog, authorization: str | None, now: int) -> Caller:
    """The caller of a native route, by a key or an access token of one."""
    token = bearer(authorization)
    if token.startswith(access_tokens.PREFIX):
        caller = of_token(catalog, ("native",), token, now)
        if caller is None:
            raise Unauthorized
        return caller
    return await Caller.of(catalog, ("native",), token)


async def of_request(catalog: Catalog, sessions: Sessions, scope: Scope, now: int) -> Caller:
    """The caller of a native route, by a key or else by a session. Raises Unauthorized, and what
    `session` raises."""
    headers = Headers(scope=scope)
    authorization = headers.get("authorization")
    if authorization is None and COOKIE in headers.get("cookie", ""):
        return await session(catalog, sessions, headers, scope["method"], now)
    return await native(catalog, authorization, now)


async def session(
    catalog: Catalog, sessions: Sessions, headers: Headers, method: str, now: int
) -> Caller:
    """The user of a session, in the project that `Tierline-Project` names, or their only one.
    Raises SessionEnded, ProjectNeeded, NotFound for a project, and ForgeryRefused."""
    visit = await visit_of(sessions, headers, method, now)
    project = await _project(catalog, visit.grants, headers.get(PROJECT_HEADER))
    scopes = scopes_in(visit.grants, project.id)
    return Caller(scopes, project, "user", visit.user_id, visit)


async def visit_of(sessions: Sessions, headers: Headers, method: str, now: int) -> Visit:
    """The session of a request. Raises SessionEnded, and ForgeryRefused."""
    cookie = cookie_of(headers, COOKIE)
    visit = None if cookie is None else await sessions.visit(cookie, now)
    if visit is None:
        raise SessionEnded
    if method not in SAFE_METHODS:
        check_origin(headers)
        token = headers.get(CSRF_HEADER, "")
        if not hmac.compare_digest(token.encode(), visit.csrf_token.encode()):
            raise ForgeryRefused
    return visit


def check_origin(headers: Headers) -> None:
    """Raises ForgeryRefused for what a page of another origin sent. Browsers always say."""
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
        raise ForgeryRefused
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        raise ForgeryRefused


def cookie_of(headers: Headers, name: str) -> str | None:
    """A cookie's value, where it is sent once."""
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return None
    return cookies[name].value if name in cookies else None


async def _project(catalog: Catalog, grants: dict[str, str], name: str | None) -> Project:
    everywhere = EVERYWHERE in grants
    own = [p for p in catalog.projects() if everywhere or p.id in grants]
    if name is None:
        if len(own) == 1:
            return own[0]
        raise ProjectNeeded(projects=", ".join(project.id for project in own) or "none")
    match = next((project for project in own if project.id == name), None)
    if match is None:
        raise NotFound(what="project", name=name, path="Tierline-Project")
    return match
