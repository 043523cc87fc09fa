"""Ids of cards, of what happens to them, and of orders. Pure.

They follow from what they name, so that nothing keeps them: a card's from its holder and the
program, a transaction's from the instant, the card and the event. Their order is that of time.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Final

from tierline.model.points_event import PointsEvent

_CARD = re.compile(r"v_([0-9a-f]{14})([0-9a-f]{1,8})", re.ASCII)
_MOVE = re.compile(r"[a-z]+_([0-9a-f]{11})([0-9a-f]{14})([0-9a-f]{8})([0-9a-f]{8})", re.ASCII)
_OWN: Final = re.compile(r"ord_[0-9a-f]{24}", re.ASCII)
_MARK: Final = "ord_s"
_PENDING = re.compile(r"lopp_([0-9a-f]{14})([0-9a-f]{8})([0-9a-f]{8})", re.ASCII)


def card_id(customer: int, program: int) -> str:
    """The id of a member's card; the numbers are those inside the installation."""
    return f"v_{customer:014x}{program:x}"


def numbers_of(id_: str) -> tuple[int, int] | None:
    """Returns customer and program of a card's id; None for any other text."""
    match = _CARD.fullmatch(id_)
    return None if match is None else (int(match[1], 16), int(match[2], 16))


def move_id(prefix: str, member: tuple[int, int], event: PointsEvent, further: str = "") -> str:
    """The id of a transaction (`vtx_`), of its event or of its place in a feed. `further`: a second
    name of the same change, which has an id of its own."""
    text = f"{event.kind} {event.entry} {event.rule} {event.twin}{further}"
    return instant_id(prefix, event.at, member, text)


def instant_id(prefix: str, at: int, member: tuple[int, int], text: str) -> str:
    """An id that begins with an instant; `text` tells apart what happened to a member then."""
    digest = hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
    return f"{prefix}{at:011x}{member[0]:014x}{member[1]:08x}{digest}"


def moment_of(id_: str) -> tuple[int, int, int] | None:
    """Returns instant, customer and program of such an id; None for any other text."""
    match = _MOVE.fullmatch(id_)
    return None if match is None else (int(match[1], 16), int(match[2], 16), int(match[3], 16))


def pending_id(member: tuple[int, int], entry: int) -> str:
    """The id of pending points, by the entry that brought them."""
    return f"lopp_{member[0]:014x}{member[1]:08x}{entry:08x}"


def pending_of(id_: str) -> tuple[int, int, int] | None:
    """Returns customer, program and entry of such an id; None for any other text."""
    match = _PENDING.fullmatch(id_)
    return None if match is None else (int(match[1], 16), int(match[2], 16), int(match[3], 16))


def bucket_id(member: tuple[int, int], expires_at: int | None) -> str:
    """The id of a bucket: of a card's points that expire together."""
    end = 0 if expires_at is None else expires_at
    return f"lopb_{member[0]:014x}{member[1]:08x}{end:012x}"


def order_id(name: str) -> str:
    """The id of an order: one of ours, or one that holds the shop's own name."""
    if _OWN.fullmatch(name):
        return name
    return _MARK + base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")


def name_of(id_: str) -> str | None:
    """Returns the name that an id holds; None for what is none of our ids."""
    if _OWN.fullmatch(id_):
        return id_
    text = id_.removeprefix(_MARK)
    if text == id_:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        name = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return name if order_id(name) == id_ else None
