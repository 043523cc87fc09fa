"""Voucherify's v1 HTTP API. A route turns the vendor's words into the same commands, queries and
errors as the native API's, and our answers back into the vendor's objects: it has no rule, no
statement and no cache of its own.
"""

from __future__ import annotations

from starlette.routing import BaseRoute

from tierline.vendors.voucherify.api import (
    activity,
    campaigns,
    client_side,
    customer_files,
    customer_lists,
    customers,
    deletions,
    description,
    door,
    earning_rules,
    empty_lists,
    events,
    exports,
    members,
    oauth,
    order_imports,
    orders,
    pending,
    previews,
    qualifications,
    summaries,
    transactions,
    webhooks,
)
from tierline.web.dependencies import Dependencies
from tierline.web.vendor_path import vendor_paths

# The router tries one path after the other, so what is called most stands first. Members stand
# before campaigns: `/v1/loyalties/members/…` names none.
OPERATIONS = (
    *events.OPERATIONS,
    *order_imports.OPERATIONS,
    *exports.OF_ORDERS,
    *orders.OPERATIONS,
    *customer_files.OPERATIONS,
    *customers.OPERATIONS,
    *customer_lists.OPERATIONS,
    *deletions.OPERATIONS,
    *members.OPERATIONS,
    *transactions.OPERATIONS,
    *pending.OPERATIONS,
    *activity.OPERATIONS,
    *exports.OPERATIONS,
    *previews.OPERATIONS,
    *empty_lists.OPERATIONS,
    *summaries.OPERATIONS,
    *campaigns.OPERATIONS,
    *earning_rules.OPERATIONS,
    *qualifications.OPERATIONS,
    *webhooks.OPERATIONS,
    *oauth.OPERATIONS,
    *client_side.OPERATIONS,
)
DESCRIBED = description.described(OPERATIONS)


def routes(parts: Dependencies) -> list[BaseRoute]:
    """Returns what the composition root hangs beside the native routes."""
    return vendor_paths(parts, door.VoucherifyDoor(parts.clock), OPERATIONS, door.ROOTS)
