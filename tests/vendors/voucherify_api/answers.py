"""Which object of Voucherify's each route answers. `Shop` checks every answer of every test by it.

A route gets a row here, and a shape in `published` (or a file beside it) that names the vendor's
page. Every refusal is a `PublishedError`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from tests.vendors.voucherify_api import published as shapes
from tests.vendors.voucherify_api import published_points as points
from tests.vendors.voucherify_api.published_activity import PublishedActivity
from tests.vendors.voucherify_api.published_customers import (
    PublishedClientCustomer,
    PublishedCustomers,
    PublishedDeletion,
)
from tests.vendors.voucherify_api.published_keys import PublishedIntrospection, PublishedToken
from tests.vendors.voucherify_api.published_orders import (
    PublishedEstimation,
    PublishedOrder,
    PublishedQualifications,
)
from tests.vendors.voucherify_api.published_rules import (
    PublishedAsyncAction,
    PublishedEmpty,
    PublishedRule,
)
from tests.vendors.voucherify_api.published_summary import PublishedSummary
from tests.web.conftest import Answered
from tierline.vendors.voucherify.api import DESCRIBED, OPERATIONS
from tierline.web.routing import Operation

VENDOR_PATHS: Final = ("/v1/", "/management/v1/", "/client/v1/")
Route = tuple[str, str]  # a method, and a path as the table of operations has it
Check = Callable[[Any], Any]


class Listed(Struct, frozen=True):
    """A list of objects: the envelope, with the items under the name in `data_ref`. `endless`: it
    is walked by `has_more` and `more_starting_after`, and says no total."""

    item: Any
    ref: str = "data"
    endless: bool = False

    def __call__(self, answer: Any) -> None:
        assert isinstance(answer, dict), answer
        keys = {"object", "data_ref", self.ref}
        if self.endless:
            assert isinstance(answer["has_more"], bool)
            keys |= {"has_more", "more_starting_after"}
        else:
            assert answer["total"] >= len(answer[self.ref]), answer
            keys |= {"total"}
        assert answer.keys() == keys, answer
        assert (answer["object"], answer["data_ref"]) == ("list", self.ref)
        for item in answer[self.ref]:
            msgspec.convert(item, self.item)
        if self.endless:
            last = answer[self.ref][-1]["id"] if answer["has_more"] else None
            assert answer["more_starting_after"] == last


class Nothing(Struct, frozen=True):
    """204, without a body."""


class Never(Struct, frozen=True):
    """There is nothing of the kind: the answer is always a refusal."""


class Text(Struct, frozen=True):
    """A file of this content type."""

    content_type: str


_LOYALTY, _MEMBERS = "/v1/loyalties/{campaign}", "/v1/loyalties/members/{member}"
_RULE = f"{_LOYALTY}/earning-rules/{{rule}}"
_MEMBER = f"{_LOYALTY}/members/{{member}}"
_PENDING = f"{_MEMBERS}/pending-points/{{pending}}"
_WEBHOOKS = "/management/v1/projects/{project}/webhooks"

ANSWERS: Final[dict[Route, Any]] = {
    ("POST", "/v1/customers"): shapes.PublishedCustomer,
    ("GET", "/v1/customers"): PublishedCustomers,
    ("POST", "/v1/customers/bulk/async"): PublishedAsyncAction,
    ("POST", "/v1/customers/metadata/async"): PublishedAsyncAction,
    ("DELETE", "/v1/customers/{customer}"): Nothing(),
    ("POST", "/v1/customers/{customer}/permanent-deletion"): PublishedDeletion,
    ("GET", "/v1/customers/{customer}"): shapes.PublishedCustomer,
    ("PUT", "/v1/customers/{customer}"): shapes.PublishedCustomer,
    **{
        (method, path): shape
        for base in ("/v1/campaigns", "/v1/loyalties")
        for method, path, shape in (
            ("POST", base, shapes.PublishedCampaign),
            ("GET", base, Listed(shapes.PublishedCampaign, "campaigns")),
            ("GET", f"{base}/{{campaign}}", shapes.PublishedCampaign),
            ("PUT", f"{base}/{{campaign}}", shapes.PublishedCampaign),
            ("DELETE", f"{base}/{{campaign}}", PublishedAsyncAction),
        )
    },
    ("GET", "/v1/campaigns/{campaign}/summary"): PublishedSummary,
    ("POST", "/v1/campaigns/{campaign}/enable"): PublishedEmpty,
    ("POST", "/v1/campaigns/{campaign}/disable"): PublishedEmpty,
    ("POST", f"{_LOYALTY}/tiers"): list[shapes.PublishedTier],
    ("GET", f"{_LOYALTY}/tiers"): Listed(shapes.PublishedTier),
    ("GET", f"{_LOYALTY}/tiers/{{tier}}"): shapes.PublishedTier,
    ("PUT", f"{_LOYALTY}/tiers/{{tier}}"): shapes.PublishedTier,
    ("DELETE", f"{_LOYALTY}/tiers/{{tier}}"): Nothing(),
    ("POST", f"{_LOYALTY}/earning-rules"): list[PublishedRule],
    ("GET", f"{_LOYALTY}/earning-rules"): Listed(PublishedRule),
    ("GET", f"{_RULE}"): PublishedRule,
    ("PUT", f"{_RULE}"): PublishedRule,
    ("DELETE", f"{_RULE}"): Nothing(),
    ("POST", f"{_RULE}/enable"): PublishedRule,
    ("POST", f"{_RULE}/disable"): PublishedRule,
    ("GET", f"{_LOYALTY}/tiers/{{tier}}/earning-rules"): Listed(PublishedRule),
    ("POST", f"{_LOYALTY}/members"): shapes.PublishedCard,
    ("GET", f"{_LOYALTY}/members"): Listed(shapes.PublishedCard, "vouchers"),
    ("GET", "/v1/vouchers/{member}"): shapes.PublishedCard,
    **{
        (method, f"{path}{rest}"): shape
        for path in (_MEMBER, _MEMBERS)
        for method, rest, shape in (
            ("GET", "", shapes.PublishedCard),
            ("POST", "/balance", shapes.PublishedBalance),
            ("GET", "/transactions", Listed(points.PublishedTransaction, endless=True)),
            ("GET", "/pending-points", Listed(points.PublishedPendingPoints, endless=True)),
            ("GET", "/activity", Listed(PublishedActivity, endless=True)),
        )
    },
    ("GET", "/v1/customers/{customer}/activity"): Listed(PublishedActivity, endless=True),
    ("GET", f"{_LOYALTY}/pending-points"): Listed(points.PublishedPendingPoints, endless=True),
    ("POST", f"{_PENDING}/activate"): shapes.PublishedBalance,
    ("POST", f"{_PENDING}/balance"): points.PublishedPendingBalance,
    ("POST", f"{_PENDING}/cancel"): Nothing(),
    ("POST", f"{_MEMBER}/transfers"): shapes.PublishedCard,
    **{
        ("GET", path): Listed(shapes.Free)  # none
        for path in (
            f"{_LOYALTY}/rewards",
            f"{_LOYALTY}/reward-assignments",
            f"{_LOYALTY}/tiers/{{tier}}/rewards",
            f"{_MEMBERS}/rewards",
        )
    },
    ("GET", f"{_LOYALTY}/rewards/{{assignment}}"): Never(),
    ("GET", f"{_LOYALTY}/reward-assignments/{{assignment}}"): Never(),
    ("GET", f"{_LOYALTY}/reward-assignments/{{assignment}}/reward"): Never(),
    ("POST", "/v1/campaigns/{campaign}/preview"): shapes.Free,  # ours: the native preview's
    ("POST", "/v1/loyalties/{campaign}/preview"): shapes.Free,
    ("POST", "/v1/exports"): points.PublishedExportScheduled,
    ("POST", "/v1/orders/export"): points.PublishedExportScheduled,
    ("GET", "/v1/exports"): Listed(points.PublishedExport, "exports"),
    ("GET", "/v1/exports/{export}"): points.PublishedExport,
    ("DELETE", "/v1/exports/{export}"): Nothing(),
    **{
        ("POST", f"{path}/export"): points.PublishedExportScheduled
        for path in (
            f"{_LOYALTY}/transactions",
            f"{_LOYALTY}/points-expiration",
            f"{_MEMBER}/transactions",
            f"{_MEMBERS}/transactions",
        )
    },
    ("GET", "/v1/async-actions"): points.PublishedActions,
    ("GET", "/v1/async-actions/{action}"): Never(),
    ("GET", f"{_MEMBER}/points-expiration"): Listed(points.PublishedBucket),
    ("GET", f"{_LOYALTY}/transactions"): Listed(points.PublishedTransaction, endless=True),
    ("GET", "/v1/campaigns/{campaign}/transactions"): Listed(
        points.PublishedTransaction, endless=True
    ),
    ("GET", f"{_MEMBERS}/tiers"): Listed(shapes.PublishedTier),
    ("POST", "/v1/events"): shapes.PublishedEvent,
    ("POST", "/client/v1/events"): shapes.PublishedEvent,
    ("GET", "/client/v1/customers/{customer}"): PublishedClientCustomer,
    ("POST", "/v1/oauth/token"): PublishedToken,
    ("POST", "/v1/oauth/token/revoke"): Nothing(),
    ("POST", "/v1/oauth/introspect"): PublishedIntrospection,
    ("POST", f"{_LOYALTY}/qualifications"): PublishedEstimation,
    ("POST", "/v1/qualifications"): PublishedQualifications,
    ("POST", "/v1/orders"): PublishedOrder,
    ("POST", "/v1/orders/import"): PublishedAsyncAction,
    ("POST", "/v1/customers/importCSV"): PublishedAsyncAction,
    ("GET", "/v1/orders"): Listed(PublishedOrder, "orders"),
    ("GET", "/v1/orders/{order}"): PublishedOrder,
    ("PUT", "/v1/orders/{order}"): PublishedOrder,
    ("POST", _WEBHOOKS): shapes.PublishedWebhook,
    ("GET", _WEBHOOKS): Listed(shapes.PublishedWebhook),
    ("GET", f"{_WEBHOOKS}/{{webhook}}"): shapes.PublishedWebhook,
    ("PUT", f"{_WEBHOOKS}/{{webhook}}"): shapes.PublishedWebhook,
    ("DELETE", f"{_WEBHOOKS}/{{webhook}}"): Nothing(),
}


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"{\w+}", "[^/]+", path))


_DESCRIBED: Final[dict[Route, Operation]] = {
    (each.method, each.path): each for each in DESCRIBED.operations
}
# As the router looks: the first path that fits.
_ROUTES: Final = tuple((_pattern(each.path), each.path) for each in OPERATIONS)


def route_of(method: str, path: str) -> Route | None:
    """The row that a request belongs to; None where there is no such route."""
    bare = path.partition("?")[0]
    template = next((there for pattern, there in _ROUTES if pattern.fullmatch(bare)), None)
    return None if template is None else ("GET" if method == "HEAD" else method, template)


def check(method: str, path: str, answered: Answered) -> None:
    """An answer is the object that the vendor's page describes, or its error body. Raises
    AssertionError or msgspec.ValidationError, which name the field."""
    if not path.startswith(VENDOR_PATHS) or method in ("HEAD", "OPTIONS"):
        return
    if answered.status >= 300:
        error = msgspec.convert(answered.json, shapes.PublishedError)
        assert error.code == answered.status, answered.body
        return
    if "?token=" in path:
        check_object(answered, Text("text/plain; charset=utf-8"))
        return
    route = route_of(method, path)
    assert route in ANSWERS, f"tests/vendors/voucherify_api/answers.py has no row of {route}"
    check_object(answered, ANSWERS[route])
    described = _DESCRIBED[route].answer
    if described is not None:  # what /openapi/voucherify.json says of it
        msgspec.convert(answered.json, described)


def check_object(answered: Answered, shape: Any) -> None:
    if isinstance(shape, Nothing):
        assert (answered.status, answered.body) == (204, b"")
        return
    assert not isinstance(shape, Never), answered.body
    if isinstance(shape, Text):
        assert answered.headers["content-type"] == shape.content_type
        return
    assert answered.status in (200, 202), answered.status
    assert answered.headers["content-type"] == "application/json"
    shape(answered.json) if isinstance(shape, Listed) else msgspec.convert(answered.json, shape)


def missing(operations: Mapping[Route, Any]) -> set[Route]:
    """Routes without a row, and rows without a route."""
    return {(each.method, each.path) for each in OPERATIONS} ^ operations.keys()
