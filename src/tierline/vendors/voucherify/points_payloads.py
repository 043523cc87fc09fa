"""Voucherify's webhooks about points. One change of points is one send-out: to a webhook that asks
for `voucher.loyalty_card.transaction.created` it goes as that, to others under its own name.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, get_args

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
    own_name,
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
Json = dict[str, Any]


def spelt(name: str) -> str:
    """A name without the vendor's slips: four of its names say `aded`."""
    return f"{name.removesuffix('aded')}added" if name.endswith("aded") else name


def kinds_of(name: str) -> tuple[PointsKind, ...]:
    """The points events that an event's name may mean."""
    own = spelt(name)
    return _OF_NAME.get(own) or _OF_NAME.get(own.removeprefix("customer."), ())


def named_data(announcement: PointsAnnouncement, names: tuple[str, ...]) -> tuple[str, Json] | None:
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
    if CREATED in request or not request & NAMES:
        data = transaction_data(card, event, event.key)
        if data is not None:
            return CREATED, data
    own = own_name(event)
    if own is None:
        return None
    for name in (own, for_customer(own)):
        if name in request:
            return name, event_data(card, event, event.key, name)
    return None


POINTS_NAMES: Final[Mapping[PointsKind, str]] = MappingProxyType(dict.fromkeys(KINDS, CREATED))
