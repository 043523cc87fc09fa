"""Voucherify's webhooks about points. A change of points has several names: it is a transaction
(`voucher.loyalty_card.transaction.created`), an event of the card, the same of its holder, and, as
one activity may bring points that wait and others, a reward besides. An endpoint sends one body for
an event, so a webhook that asks for several names is several endpoints, each with a voice of its
own. `any` is the first name that was asked for, in that order.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

from tierline.engine.announcement import PointsAnnouncement
from tierline.model.points_event import MoveKind, PointsKind
from tierline.vendors.vendor import once_per_version
from tierline.vendors.voucherify.card_events import (
    ADDED,
    CREATED,
    EXPIRED,
    PENDING,
    REWARDED,
    event_data,
    for_customer,
    own_names,
    transaction_data,
)
from tierline.vendors.voucherify.card_objects import Card
from tierline.vendors.voucherify.objects import presentation

KINDS: Final[tuple[PointsKind, ...]] = get_args(MoveKind)
# Which of our points events may be which of theirs.
_OF_NAME: Final[dict[str, tuple[PointsKind, ...]]] = {
    CREATED: KINDS,
    ADDED: ("points.earned", "points.adjusted"),
    EXPIRED: ("points.expired",),
    f"{PENDING}added": ("points.earned",),
    f"{PENDING}activated": ("points.activated",),
    f"{PENDING}updated": ("points.reversed", "points.adjusted"),
    f"{PENDING}canceled": ("points.reversed", "points.adjusted"),
    REWARDED: ("points.earned",),
}
NAMES: Final = frozenset({*_OF_NAME, *(for_customer(name) for name in _OF_NAME if name != CREATED)})
Voice = Literal["any", "transaction", "card", "customer", "reward"]
VOICES: Final[tuple[Voice, ...]] = ("transaction", "card", "customer", "reward")
Json = dict[str, Any]


def spelt(name: str) -> str:
    """A name without the vendor's slips: four of its names say `aded`."""
    return f"{name.removesuffix('aded')}added" if name.endswith("aded") else name


def kinds_of(name: str) -> tuple[PointsKind, ...]:
    """The points events that an event's name may mean."""
    own = spelt(name)
    return _OF_NAME.get(own) or _OF_NAME.get(own.removeprefix("customer."), ())


def voice_of(name: str) -> Voice | None:
    """The voice that says an event's name; None for what is none of a card's."""
    own = spelt(name)
    if own not in NAMES:
        return None
    if own == CREATED:
        return "transaction"
    if own == REWARDED:
        return "reward"
    return "card" if own in _OF_NAME else "customer"


def named_data(
    announcement: PointsAnnouncement, names: tuple[str, ...], voice: Voice
) -> tuple[str, Json] | None:
    """The name under which a webhook that asks for these names hears an event, and `data`. None: it
    does not."""
    event, request = announcement.event, {spelt(name) for name in names}
    card = Card(
        announcement.customer,
        announcement.member,
        announcement.project.id,
        once_per_version(
            announcement.rules,
            "voucherify.points",
            lambda: presentation(announcement.rules, announcement.project.id, announcement.program),
        ),
        announcement.project.time_zone,
    )
    if voice in ("any", "transaction") and (CREATED in request or not request & NAMES):
        data = transaction_data(card, event, event.key, announcement.counterpart)
        if data is not None:
            return CREATED, data
    own = own_names(event)
    for name in (*own, *map(for_customer, own)):
        if name in request and voice in ("any", voice_of(name)):
            return name, event_data(card, event, event.key, name)
    return None


POINTS_NAMES: Final[Mapping[PointsKind, str]] = MappingProxyType(dict.fromkeys(KINDS, CREATED))
