"""The cursor of a list: the last place of a page, as text that the caller sends back."""

from __future__ import annotations

import base64
import binascii

import msgspec

from tierline.errors import Invalid
from tierline.store.listing import ListPlace, Order

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[Order, ListPlace]).decode
TEXTS = ("name", "email")  # orders whose keys are texts


def text(order: Order, place: ListPlace | None) -> str | None:
    """Returns the cursor that goes on behind a place; None where there is nothing more."""
    if place is None:
        return None
    return base64.urlsafe_b64encode(_encode((order, place))).decode().rstrip("=")


def parse(cursor: str | None, order: Order) -> ListPlace | None:
    """Returns the place that a cursor names; None for the beginning. Raises Invalid for what is no
    cursor of a list in this order."""
    if not cursor:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        of_order, place = _decode(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        of_order, place = None, None
    if place is None or of_order != order or isinstance(place.key, str) != (order in TEXTS):
        reason = "after: expected the `next` of a page of the same list, asked for alike."
        raise Invalid(path="after", reason=reason) from None
    return place
