"""LoyaltyLion's lists: `{"customers": [...], "cursor": {"prev", "next"}}`, and the same cursors in
the header `Link`.

A cursor is JSON in base64 without padding: the query with which the list was begun, a place in it,
and which way to go from there. Beside a cursor only `limit` says anything.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import urlencode

import msgspec
from msgspec import Meta, Struct

from tierline.errors import Invalid
from tierline.model import validation
from tierline.web.routing import Call, Reply

T = TypeVar("T")
LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 500
CURSOR_CHARACTERS_MAX: Final = 2_000
Limit = Annotated[int, Meta(ge=1, le=LIMIT_MAX)]
SinceId = Annotated[int, Meta(ge=0, le=2**53 - 1)]
_encode = msgspec.json.Encoder().encode


class LionPageQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """What every list takes. `page` is known from older clients; only the first one is answered."""

    limit: Limit = LIMIT_DEFAULT
    cursor: Annotated[str, Meta(max_length=CURSOR_CHARACTERS_MAX)] | None = None
    page: Annotated[int, Meta(ge=1, le=1)] | None = None


_PLACE_MAX: Final = 2**62
PlacePart = Annotated[int, Meta(ge=-1, le=_PLACE_MAX)] | str


class ListCursor(Struct, frozen=True, omit_defaults=True):
    """`query`: the parameters of the first page. `place`: the item from which to go on."""

    query: dict[str, str]
    place: tuple[PlacePart, ...]
    direction: Literal["next", "prev"] = "next"


class Paging(Struct, frozen=True):
    """A page that was asked for: what the list holds, and where it goes on."""

    parameters: dict[str, str]
    limit: int
    place: tuple[int | str, ...] | None
    backwards: bool

    def cursor(
        self, place: Sequence[int | str] | None, direction: Literal["next", "prev"] = "next"
    ) -> str | None:
        """Returns the cursor that goes on from a place; None for none."""
        if place is None:
            return None
        raw = _encode(ListCursor(self.parameters, tuple(place), direction))
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def paging(call: Call, shape: type[T]) -> tuple[T, Paging]:
    """Returns the query with which a list was begun, and the page of it that is asked for. Raises
    Invalid, naming the parameter."""
    parameters = dict(call.request.query_params)
    outer = validation.from_text(
        {k: v for k, v in parameters.items() if k in ("limit", "cursor")}, LionPageQuery
    )
    place, backwards = None, False
    if outer.cursor:
        cursor = _cursor(outer.cursor)
        parameters, place, backwards = cursor.query, cursor.place, cursor.direction == "prev"
    else:
        parameters = {k: v for k, v in parameters.items() if k not in ("limit", "cursor")}
    query = validation.from_text(parameters, shape)
    return query, Paging(parameters, outer.limit, place, backwards)


def _cursor(text: str) -> ListCursor:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(raw, type=ListCursor)
    except (ValueError, msgspec.MsgspecError):
        raise bad_cursor() from None


def bad_cursor() -> Invalid:
    reason = "cursor: expected the `next` or `prev` of a page of the same list."
    return Invalid(path="cursor", reason=reason)


def number(place: tuple[int | str, ...]) -> int:
    """Returns the number where a list goes on that is walked by numbers. Raises Invalid."""
    (place_number,) = place if len(place) == 1 else (None,)
    if not isinstance(place_number, int):
        raise bad_cursor()
    return place_number


def numbered_cursors(
    paging: Paging, numbers: Sequence[int], *, more: bool
) -> dict[str, str | None]:
    """Returns the cursors of a page of such a list. `numbers` as they were walked; `more`: some lie
    behind them."""
    last = (numbers[-1],) if numbers and more else None
    if paging.backwards:
        end = (numbers[0],) if numbers else None
        return {"prev": paging.cursor(last, "prev"), "next": paging.cursor(end)}
    cursors = {"next": paging.cursor(last)}
    if numbers and paging.place is not None:
        cursors["prev"] = paging.cursor((numbers[0],), "prev")
    return cursors


def answer(
    call: Call, name: str, items: Sequence[Any], paging: Paging, cursors: Mapping[str, str | None]
) -> Reply:
    """Returns a page. `cursors` has `prev` and `next`, null at the ends."""
    both = {"prev": cursors.get("prev"), "next": cursors.get("next")}
    return Reply(200, {name: items, "cursor": both}, headers=links(call, paging, both))


def links(call: Call, paging: Paging, cursors: Mapping[str, str | None]) -> dict[str, str]:
    """Returns the header `Link` with the cursors that there are."""
    url = str(call.request.url.replace(query=""))
    parts = [
        f'<{url}?{urlencode({"cursor": cursor, "limit": paging.limit})}>; rel="{way}"'
        for way, cursor in cursors.items()
        if cursor is not None
    ]
    return {"link": ", ".join(parts)} if parts else {}


def window(least: str | None, most: str | None, name: str) -> tuple[int | None, int | None]:
    """Returns the instants of `<name>_min` and `<name>_max`, both inclusive, as a half-open
    span."""
    first = validation.optional_instant(least, f"{name}_min")
    last = validation.optional_instant(most, f"{name}_max")
    return first, None if last is None else last + 1
