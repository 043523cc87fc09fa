"""Who does something: a key, a person, or somebody at the command line."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

ActorKind = Literal["key", "user", "cli", "system"]


class Actor(Struct, frozen=True):
    """`id` is the key's or the user's, at the command line the operating system's user."""

    kind: ActorKind
    id: str


SYSTEM: Final = Actor("system", "tierline")
