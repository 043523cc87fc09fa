"""Voucherify's lists: the envelope, and the pages that a query names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import parse_qsl, urlencode

from msgspec import Meta, Struct
from starlette.requests import Request

from tierline.errors import Invalid
from tierline.model import validation
from tierline.vendors.voucherify.api.errors import InvalidQuery
from tierline.vendors.voucherify.filters import ListFilter, of_query
from tierline.web import request_body
from tierline.web.routing import Call

T = TypeVar("T")
Ref = Literal["data", "exports", "campaigns", "customers", "orders", "vouchers"]
Order = Literal["created_at", "-created_at", "updated_at", "-updated_at"]


class PageQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which page of how many items; the order is by time, a minus puts the newest first."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 10
    page: Annotated[int, Meta(ge=1, le=1000)] = 1
    order: Order = "-created_at"


class FilteredQuery(Struct, frozen=True):
    """What lists with filters take: `filtered` reads it, and knows the names."""


class ByIdQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """The next items behind the one with the id `starting_after_id`; ids follow time."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 10
    order: Literal["id", "-id"] = "-id"
    starting_after_id: str | None = None


class FollowingQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """The next items behind the one with the id `starting_after_id`."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 10
    order: Literal["created_at", "-created_at"] = "-created_at"
    starting_after_id: str | None = None


def query(call: Call, shape: type[T]) -> T:
    """Returns what the query string says. Raises InvalidQuery, naming the parameter."""
    try:
        return call.query(shape)
    except Invalid as error:
        raise InvalidQuery(path=error.path, reason=error.sentence) from None


def require_known(request: Request, shape: Any) -> None:
    """Raises InvalidQuery for a parameter that is not a field of `shape`."""
    try:
        request_body.require_known(request.scope["query_string"], shape)
    except Invalid as error:
        raise InvalidQuery(path=error.path, reason=error.sentence) from None


def filtered(call: Call, shape: type[T], fields: Iterable[str]) -> tuple[T, ListFilter]:
    """Returns what the query string says, and the filter that its `filters[…]` are. The operation's
    own shape lets them pass: here every other name is refused. Raises InvalidQuery."""
    pairs = parse_qsl(call.request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    rest = [(name, value) for name, value in pairs if not name.startswith("filters")]
    try:
        request_body.require_known(urlencode(rest).encode(), shape)
        values = validation.convert(dict(rest), shape, strict=False)
        conditions = [pair for pair in pairs if pair[0].startswith("filters")]
        return values, of_query(conditions, fields)
    except Invalid as error:
        raise InvalidQuery(path=error.path, reason=error.sentence) from None


def envelope(items: Sequence[Any], ref: Ref = "data", total: int | None = None) -> dict[str, Any]:
    """Returns a list as Voucherify answers it: the items stand under the name in `data_ref`."""
    count = len(items) if total is None else total
    return {"object": "list", "data_ref": ref, ref: list(items), "total": count}


def following(items: Sequence[Any], limit: int, ref: Ref = "data") -> dict[str, Any]:
    """Returns the first `limit` of the items, of which one more was looked up: whether there is
    one says `has_more`, and `more_starting_after` is the id behind which it stands."""
    first, more = list(items[:limit]), len(items) > limit
    last = first[-1]["id"] if more else None
    return {
        "object": "list",
        "data_ref": ref,
        ref: first,
        "has_more": more,
        "more_starting_after": last,
    }


def page(items: Sequence[dict[str, Any]], pages: PageQuery, ref: Ref = "data") -> dict[str, Any]:
    """Returns one page of objects that are all at hand."""
    field = pages.order.removeprefix("-")
    at: Callable[[dict[str, Any]], str] = lambda item: item[field] or item["created_at"]  # noqa: E731
    ordered = sorted(items, key=at, reverse=pages.order.startswith("-"))
    first = (pages.page - 1) * pages.limit
    return envelope(ordered[first : first + pages.limit], ref, len(items))
