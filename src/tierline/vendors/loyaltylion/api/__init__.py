"""LoyaltyLion's HTTP API. A route turns the vendor's words into the same commands, queries and
errors as the native API's, and our answers back into the vendor's objects: it has no rule, no
statement and no cache of its own.
"""

from __future__ import annotations

from starlette.routing import BaseRoute

from tierline.vendors.loyaltylion.api import (
    activities,
    consent,
    customer_exports,
    customers,
    description,
    headless,
    identity,
    orders,
    points,
    transactions,
    unsubscribes,
    webhooks,
)
from tierline.vendors.loyaltylion.api.door import LionDoor
from tierline.web import routing
from tierline.web.dependencies import Dependencies
from tierline.web.vendor_path import vendor_paths

OPERATIONS = (
    *identity.OPERATIONS,
    *customer_exports.OPERATIONS,
    *customers.OPERATIONS,
    *points.OPERATIONS,
    *activities.OPERATIONS,
    *transactions.OPERATIONS,
    *orders.OPERATIONS,
    *webhooks.OPERATIONS,
    *unsubscribes.OPERATIONS,
    *headless.OPERATIONS,
)
# What needs no key of the vendor's.
OPEN_OPERATIONS = (*consent.OPERATIONS, *customer_exports.FILES)
DESCRIBED = description.described(OPERATIONS)


def routes(parts: Dependencies) -> list[BaseRoute]:
    """Returns what the composition root hangs beside the native routes."""
    own = vendor_paths(parts, LionDoor(parts.clock), OPERATIONS, ("/v2", "/headless"))
    return [*routing.routes(parts, OPEN_OPERATIONS), *own]
