"""API keys: how they are stored, and what they may do. Kinds of keys come from outside.

A bearer key is at least 128 random bits, so a fast hash is enough: there is nothing to guess. A
pair (app id and token) is looked up by its id. A key is shown once, when it is made; afterwards
only its hash is known. One `key create` may make several rows, one for each door of its kind,
which share the id before the dot.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import structlog
from msgspec import Struct

from tierline.errors import Forbidden, Invalid, NotFound, TooLarge, Unauthorized
from tierline.model.credentials import Credential, Credentials, Entropy, KeyKind
from tierline.model.tenant import Project
from tierline.store.catalog import audit, projects
from tierline.store.catalog.queries import CatalogSql as Sql
from tierline.store.catalog.secret_box import SecretBox

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session

_log = structlog.get_logger("tierline.catalog")

Scope = Literal[
    "read_customers",
    "write_customers",
    "erase_customers",
    "read_programs",
    "write_programs",
    "delete_programs",
    "delete_project",
    "manage_endpoints",
    "manage_keys",
]
SCOPES: tuple[Scope, ...] = get_args(Scope)
# Of the whole installation, so no project's key holds it unless an operator names it.
READ_METRICS: Final = "read_metrics"
BEGINNING_CHARACTERS: Final = 9  # of a token, which people may see: a few of its 128 bits or more
REVOKED_MAX: Final = 1_000  # access tokens of a key, of a quarter of an hour


class Key(Struct, frozen=True):
    """A stored key. `kind` says which doors it opens: native, a vendor's name, or a vendor's name
    and a further door (`toy.management`)."""

    id: str
    project: int
    kind: str
    lookup: str
    hash: bytes
    scopes: frozenset[str]
    label: str
    created_at: int
    disabled_at: int | None = None
    beginning: str = ""  # of the token, or of the id that names the key beside it
    revoked: frozenset[bytes] = frozenset()  # access tokens of it, as `revocation` has them


class NewKey(Struct, frozen=True):
    """A key to be made. `scopes` as `checked_scopes` returns them; `granted` are those of whoever
    makes it and is shown its secrets."""

    kind: KeyKind
    scopes: tuple[str, ...]
    label: str
    now: int
    granted: frozenset[str] = frozenset(SCOPES)


def _native(_project: int, _secrets: Mapping[str, str], entropy: Entropy) -> Credentials:
    token = "tk_" + entropy(32).hex()
    return Credentials((Credential(token),), {"key": token})


NATIVE = KeyKind("native", _native, {"key": str})


async def add(
    connection: Session, revision: int, box: SecretBox, owner: Project, new: NewKey
) -> dict[str, Any]:
    """Stores a key with all its doors, and the secrets that come with it; returns what is shown of
    it, for the only time. The caller holds the revision. Raises Forbidden where what is shown can
    do more than its maker, and NotFound for a deleted project."""
    await projects.need(connection, owner)
    key_id = "key_" + secrets.token_hex(8)
    stored = await projects.read_secrets(connection, box, owner)
    if new.kind.shows_signing_secret and "read_customers" not in new.granted:
        raise Forbidden(scope="read_customers", path="kind")  # it signs what customers do
    shared = new.kind.shared
    if shared is not None and shared.id_secret in stored:
        door = await connection.fetchrow(Sql.door, stored[shared.id_secret])
        if door is not None and door["dead"]:
            del stored[shared.id_secret], stored[shared.token_secret]
        elif door is not None:
            needed = {new.kind.scopes.get(scope, scope) for scope in door["scopes"]}
            for scope in sorted(needed - new.granted):
                raise Forbidden(scope=scope, path="kind")
    fresh = new.kind.make(owner.number, stored, secrets.token_bytes)
    for each in fresh.doors:
        suffix = f".{each.door}" if each.door else ""
        hashed = digest(each.token)
        lookup = bearer_lookup(hashed) if each.id is None else each.id
        facts = (lookup, hashed, list(new.scopes), new.label, revision, new.now)
        kind = new.kind.name + suffix
        beginning = (each.id or each.token)[:BEGINNING_CHARACTERS]
        await connection.execute(
            Sql.add_key, key_id + suffix, owner.number, kind, *facts, beginning
        )
    if fresh.secrets.items() - stored.items():
        await projects.write_secrets(connection, box, revision, owner, {**stored, **fresh.secrets})
    after = {"kind": new.kind.name, "scopes": list(new.scopes), "label": new.label}
    await audit.note(connection, owner.number, "key.created", key_id, None, after)
    about = {"kind": new.kind.name, "project_id": owner.id, "scopes": list(new.scopes)}
    return {"id": key_id, **about, **fresh.answer}


async def add_token(
    connection: Session, revision: int, owner: Project, kind: str, token: Key
) -> bool:
    """Stores a bearer token of a key, whose id goes on behind a dot (`key_1.…`), so that it ends
    with that key; False where there was one of that id already. The caller holds the revision.
    Raises Unauthorized where that key is disabled, which this process may not have heard of."""
    owning = await connection.fetchrow(Sql.key_row, token.id.partition(".")[0])
    if owning is None or owning["disabled_at"] is not None:
        raise Unauthorized
    if await connection.fetchrow(Sql.key_row, token.id) is not None:
        return False
    facts: tuple[object, ...] = (
        token.lookup, token.hash, sorted(token.scopes), token.label, revision
    )  # fmt: skip
    facts += (token.created_at, token.beginning)
    await connection.execute(Sql.add_key, token.id, owner.number, kind, *facts)
    after = {"kind": kind, "scopes": sorted(token.scopes), "label": token.label}
    await audit.note(connection, owner.number, "key.created", token.id, None, after)
    return True


async def disable(
    connection: Session,
    revision: int,
    kinds: Mapping[str, KeyKind],
    key_id: str,
    now: int,
    project: int | None,
) -> None:
    """With all its doors, for good. Raises NotFound."""
    before = await connection.fetchrow(Sql.key_row, key_id)
    facts = (key_id, revision, now, project, shared_doors(kinds))
    if not await connection.fetch(Sql.disable_key, *facts):
        raise NotFound(what="key", name=key_id)
    if before is not None and before["disabled_at"] is None:
        after = {"kind": before["kind"], "disabled": True}
        await audit.note(connection, before["project"], "key.disabled", key_id, None, after)


def of_row(row: Any) -> Key:
    facts = dict(row)
    for field in ("scopes", "revoked"):
        facts[field] = frozenset(facts[field])
    return Key(**facts)


def revocation(sealed: bytes, expires_at: int) -> bytes:
    """What is kept of a revoked access token: a hash, and when it would have expired."""
    hashed = hashlib.blake2b(sealed, digest_size=16, person=b"tierline-revoked").digest()
    return hashed + expires_at.to_bytes(8)


async def revoke(connection: Session, revision: int, key: Key, token: bytes, now: int) -> None:
    """Ends an access token, given as `revocation` has it. Raises TooLarge where the key has too
    many that were ended and have not expired."""
    before: list[bytes] = await connection.fetchval(Sql.revoked_tokens, key.id)
    running = {each for each in before if int.from_bytes(each[16:]) > now} | {token}
    if len(running) > REVOKED_MAX:
        raise TooLarge(what="list of revoked tokens", limit=f"{REVOKED_MAX:,} of one key")
    await connection.execute(Sql.revoke_token, key.id, sorted(running), revision)
    await audit.note(connection, key.project, "key.token_revoked", key.id.partition(".")[0])


def digest(token: str) -> bytes:
    return hashlib.blake2b(token.encode(), digest_size=32, person=b"tierline-api-key").digest()


def bearer_lookup(hashed: bytes) -> str:
    """What a bearer token is found by: half of its digest, so the table tells nothing of it."""
    return "bearer:" + hashed[:16].hex()


def matches(key: Key, hashed: bytes) -> bool:
    """Whether a token with this digest is this key's, in constant time."""
    return hmac.compare_digest(key.hash, hashed)


def checked_scopes(scopes: Iterable[str], kind: KeyKind = NATIVE) -> tuple[str, ...]:
    """Known scopes of a kind of key, each once, in their usual order; when none is named, all of a
    project's."""
    whole = (*SCOPES, *kind.scopes)
    names, every = set(scopes) or set(whole), (*whole, READ_METRICS)
    unknown = sorted(names.difference(every))
    if unknown:
        choices = ", ".join(every)
        raise Invalid(
            path="scopes", reason=f"There is no scope {unknown[0]!r}; known are {choices}."
        )
    return tuple(scope for scope in every if scope in names)


def kind_of(kinds: Mapping[str, KeyKind], name: str) -> KeyKind:
    """Raises Invalid where there is none of that name."""
    kind = kinds.get(name)
    if kind is None:
        names = ", ".join(kinds)
        raise Invalid(path="kind", reason=f"There is no kind of key {name!r}; known are {names}.")
    return kind


def shared_doors(kinds: Mapping[str, KeyKind]) -> list[str]:
    """The kinds of rows that outlive the key that they came with."""
    return [f"{kind.name}.{kind.shared.name}" for kind in kinds.values() if kind.shared is not None]


def log_change(key: Key, before: Key | None, project: Project) -> None:
    """Logs a key that was made or disabled, by whichever process; its further doors are silent."""
    changed = before is None or before.disabled_at != key.disabled_at
    if "." not in key.id and changed:
        event = "key_made" if key.disabled_at is None else "key_disabled"
        _log.info(event, key=key.id, kind=key.kind, project=project.id)
