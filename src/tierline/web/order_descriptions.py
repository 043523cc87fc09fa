"""What the fields of orders mean: part of `field_descriptions`."""

from __future__ import annotations

from typing import Final

ORDERS: Final = """
OrderItem.amount: The price of the line, in minor units.
OrderItemBody.amount: The price of the line, in minor units.
OrderAnswer.as_of: The instant as of which the order was so; a newer one wins.
OrderStatement.as_of: The instant as of which the order was so; a newer one wins.
cancelled: Whether the order was cancelled: nothing of it counts.
OrderAnswer.customer: The customer as the shop named them.
OrderStatement.customer: The customer's id in the caller's own systems.
variant: The id of the product's variant (its SKU) in the shop.
groups: The groups of products to which the item belongs.
discounts: What was taken off the price, in minor units.
fulfilment: How much of the order was sent.
items: The lines of the order.
OrderStatement.key: The key of this statement; made from the order and its state if not given.
OrderStatement.kind: `order`.
OrderStatement.occurred_at: When it was ordered; without it, when it was first told.
order: The order's own id in the shop, unique in the project.
path.order: The order's own id in the shop.
OrdersAnswer.orders: The orders, the one that changed longest ago first.
paid: What was paid, in minor units: this is what counts.
product: The product's id in the shop.
OrderAnswer.programs: The programs that were told of the order.
quantity: How many.
refunded: What of that was paid back, in minor units.
OrderAnswer.revision: Rises with every statement that changed something.
shipping: What sending costs, in minor units.
tax: The tax, in minor units.
OrderAnswer.total: The price, in minor units.
OrderStatement.total: The price, in minor units.
updated_since: Only what changed at this instant or later.
updated_until: Only what changed before this instant.
"""
