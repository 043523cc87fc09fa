"""API keys: how they look, how they are stored, and what they may do.

A bearer key is 256 (LoyaltyLion's form: 128) random bits, so a fast hash is enough: there is
nothing to guess. A pair (app id and token) is looked up by its id. A key is shown once, when it
is made; afterwards only its hash is known. One `key create` may make several rows (Voucherify has
a management pair beside the application's), which share the id before the dot.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, get_args

from msgspec import Struct

from tierline.errors import Invalid
from tierline.model.tenant import Project
from tierline.store.catalog import projects
from tierline.store.catalog.queries import CatalogSql as Sql
from tierline.store.catalog.secret_box import SecretBox

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session

Scope = Literal[
    "read_customers",
    "write_customers",
    "read_programs",
    "write_programs",
    "manage_endpoints",
    "manage_keys",
]
SCOPES: tuple[Scope, ...] = get_args(Scope)
SITE_TOKEN, SITE_SECRET = "loyaltylion.site_token", "loyaltylion.site_secret"
SITE_PAIR = frozenset({SITE_TOKEN, SITE_SECRET})  # of a project: among its secrets, and a key
KINDS = ("native", "voucherify", "loyaltylion")


class Key(Struct, frozen=True):
    """A stored key. `kind` says which doors it opens: native, a vendor's name, or a vendor's name
    and a further door (`voucherify.management`, `loyaltylion.site`)."""

    id: str
    project: int
    kind: str
    lookup: str
    hash: bytes
    scopes: frozenset[str]
    label: str
    created_at: int
    disabled_at: int | None = None


class Fresh(Struct, frozen=True):
    """A key about to be stored, with what is shown once."""

    door: str  # "" or the part of the kind after the dot
    lookup: str
    token: str


class Minted(Struct, frozen=True):
    """All of one `key create`: the rows, what the caller is shown, and what signs webhooks."""

    rows: tuple[Fresh, ...]
    shown: dict[str, str | int]
    signing: dict[str, str]  # name in the project's secrets -> secret


class NewKey(Struct, frozen=True):
    """What somebody wants. `scopes` as `checked_scopes` gives them."""

    kind: str
    scopes: tuple[str, ...]
    label: str
    now: int


async def add(
    connection: Session, revision: int, box: SecretBox, owner: Project, new: NewKey
) -> dict[str, Any]:
    """Store a key, all its doors, and what signs its vendor's webhooks; what is shown of it, for
    the only time. The caller holds the revision. Raises Invalid for a kind that there is not."""
    key_id = "key_" + secrets.token_hex(8)
    signing = await projects.read_secrets(connection, box, owner)
    site = signing.get(SITE_TOKEN)
    if site is not None and await connection.fetchval(Sql.dead_key, site):
        signing = {n: secret for n, secret in signing.items() if n not in SITE_PAIR}
    minted = mint(new.kind, owner.number, signing)
    for row in minted.rows:
        door = f".{row.door}" if row.door else ""
        facts = (row.lookup, digest(row.token), list(new.scopes), new.label, revision, new.now)
        await connection.execute(Sql.add_key, key_id + door, owner.number, new.kind + door, *facts)
    if minted.signing.items() - signing.items():
        kept = {**signing, **minted.signing}
        await projects.write_secrets(connection, box, revision, owner, kept)
    about = {"id": key_id, "kind": new.kind, "project_id": owner.id, "scopes": list(new.scopes)}
    return {**about, **minted.shown}


def digest(token: str) -> bytes:
    return hashlib.blake2b(token.encode(), digest_size=32, person=b"tierline-api-key").digest()


def bearer_lookup(hashed: bytes) -> str:
    """What a bearer token is found by: half of its digest, so the table tells nothing of it."""
    return "bearer:" + hashed[:16].hex()


def matches(key: Key, hashed: bytes) -> bool:
    """Whether a token with this digest is this key's, in constant time."""
    return hmac.compare_digest(key.hash, hashed)


def checked_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    """Known scopes, each once, in their usual order; all of them when none is named."""
    asked = set(scopes) or set(SCOPES)
    unknown = sorted(asked.difference(SCOPES))
    if unknown:
        known = ", ".join(SCOPES)
        raise Invalid(path="scopes", reason=f"There is no scope {unknown[0]!r}; known are {known}.")
    return tuple(scope for scope in SCOPES if scope in asked)


def mint(kind: str, project: int, signing: dict[str, str]) -> Minted:
    """Fresh credentials of a kind. `signing` are the project's secrets so far: a vendor that has
    one signing secret per project keeps it from its first key on."""
    make = _MINTS.get(kind)
    if make is None:
        known = ", ".join(KINDS)
        raise Invalid(path="kind", reason=f"There is no kind of key {kind!r}; known are {known}.")
    return make(project, signing)


def _native(_project: int, _signing: dict[str, str]) -> Minted:
    token = "tk_" + secrets.token_hex(32)
    row = Fresh("", bearer_lookup(digest(token)), token)
    return Minted((row,), {"key": token}, {})


def _voucherify(_project: int, signing: dict[str, str]) -> Minted:
    app, management = str(uuid.uuid4()), str(uuid.uuid4())
    app_token, management_token = str(uuid.uuid4()), str(uuid.uuid4())
    webhook = signing.get("voucherify.webhook_secret") or secrets.token_hex(32)
    rows = (Fresh("", app, app_token), Fresh("management", management, management_token))
    shown: dict[str, str | int] = {
        "app_id": app,
        "app_token": app_token,
        "management_id": management,
        "management_token": management_token,
        "webhook_secret": webhook,
    }
    return Minted(rows, shown, {"voucherify.webhook_secret": webhook})


def _loyaltylion(project: int, signing: dict[str, str]) -> Minted:
    token = "pat_" + secrets.token_hex(16)
    site, secret = signing.get(SITE_TOKEN), signing.get(SITE_SECRET)
    rows = [Fresh("", bearer_lookup(digest(token)), token)]
    if site is None or secret is None:
        site, secret = secrets.token_hex(16), secrets.token_hex(16)
        rows.append(Fresh("site", site, secret))
    shown: dict[str, str | int] = {
        "key": token,
        "site_id": project,
        "site_token": site,
        "site_secret": secret,
    }
    return Minted(tuple(rows), shown, {SITE_TOKEN: site, SITE_SECRET: secret})


_MINTS: dict[str, Callable[[int, dict[str, str]], Minted]] = {
    "native": _native,
    "voucherify": _voucherify,
    "loyaltylion": _loyaltylion,
}
