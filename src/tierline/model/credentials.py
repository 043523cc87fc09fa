"""Kinds of API keys: which credentials a key has, and which secrets of the project it shows. Pure.

A kind may have several doors: a vendor's application and its management each have a pair of their
own. The store keeps a row per door and knows no kind by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

Entropy = Callable[[int], bytes]  # so many random bytes


class Credential(Struct, frozen=True):
    """One door of a key that is about to be stored. `id` names the key beside its token; without
    one it is a bearer token, by which the key is looked up."""

    token: str
    id: str | None = None
    door: str = ""  # what follows the kind and a dot: `toy.management`


class Credentials(Struct, frozen=True):
    """All of one new key: its doors, what its maker sees of them for the only time, and the
    project's secrets that were made with it or stood before, by name."""

    doors: tuple[Credential, ...]
    answer: dict[str, str | int]
    secrets: dict[str, str] = {}


class SharedDoor(Struct, frozen=True):
    """A door that all keys of a kind share within a project: made with the first key, it ends
    with the last one. `id_secret` and `token_secret` name the project's secrets that hold it."""

    name: str
    id_secret: str
    token_secret: str


class KeyKind(Struct, frozen=True):
    """A kind of key. `make` is given the project's number and the project's secrets so far: what
    a vendor has once per project stays as it is from the first key on. `scopes`: further scopes
    that only keys of this kind hold, each with the one that its maker needs. `first`: a new
    project has one from the start."""

    name: str
    make: Callable[[int, Mapping[str, str], Entropy], Credentials]
    answer_fields: Mapping[str, type] = {}  # what `Credentials.answer` holds
    shows_signing_secret: bool = False  # its answer holds what signs the events of customers
    shared: SharedDoor | None = None
    scopes: Mapping[str, str] = {}
    first: bool = True
