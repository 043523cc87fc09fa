"""Who calls, and what they may do.

A native key comes as `Authorization: Bearer tk_…`. Keys are looked up by a hash and compared in
constant time, in memory: a key that was disabled elsewhere works half a second longer at most, one
that was made elsewhere works at once. `Caller.of` leaves room for vendors' own ways of naming a
key; no route uses them yet.
"""

from __future__ import annotations

from collections.abc import Container

from msgspec import Struct

from tierline.errors import Forbidden, Unauthorized
from tierline.model.actor import Actor
from tierline.model.tenant import Project
from tierline.store.catalog import keys
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.keys import Key

_BEARER = "bearer "


class Caller(Struct, frozen=True):
    """A key whose token was sent, and the project that it speaks for."""

    key: Key
    project: Project

    @property
    def actor(self) -> Actor:
        """Whose doing the audit log notes."""
        return Actor("key", self.key.id.partition(".")[0])

    def require(self, *scopes: str) -> None:
        """Raises Forbidden for the first scope that the key lacks."""
        for scope in scopes:
            if scope not in self.key.scopes:
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
        return cls(key, catalog.project(key.project))


def bearer(authorization: str | None) -> str:
    """The token of an `Authorization: Bearer` header."""
    if authorization is None or authorization[: len(_BEARER)].lower() != _BEARER:
        raise Unauthorized
    return authorization[len(_BEARER) :].strip()


async def native(catalog: Catalog, authorization: str | None) -> Caller:
    """The caller of a native route."""
    return await Caller.of(catalog, ("native",), bearer(authorization))
