"""WooCommerce's order webhooks into Tierline: `python3 examples/woocommerce.py 9100`; settings in
shop.py.

Make webhooks for the topics order.created, order.updated and order.deleted: the first two carry the
whole order with its refunds.
https://woocommerce.github.io/woocommerce-rest-api-docs/#order-properties
"""

import sys
from typing import Any

from shop import Statement, minor, serve

TOPICS = ("order.created", "order.updated", "order.restored")
PAID = ("processing", "completed", "refunded")
GONE = ("cancelled", "failed", "trash")


def statement_of(topic: str, order: Any) -> Statement | None:
    """An order as Tierline takes it; None for a guest's, or another topic."""
    if topic not in TOPICS or not order.get("customer_id"):
        return None  # also the ping that WooCommerce sends when a webhook is made
    currency = order["currency"]
    total = minor(order["total"], currency)
    refunded = -sum(minor(refund["total"], currency) for refund in order.get("refunds") or ())
    status = order["status"]
    return {
        "kind": "order",
        "order": str(order["id"]),
        "customer": str(order["customer_id"]),
        "as_of": f"{order['date_modified_gmt']}Z",
        "occurred_at": f"{order['date_created_gmt']}Z",
        "currency": currency,
        "total": total,
        "paid": total if status in PAID else 0,
        "refunded": total if status == "refunded" else min(refunded, total),
        "cancelled": status in GONE,
        "shipping": minor(order.get("shipping_total"), currency),
        "tax": minor(order.get("total_tax"), currency),
        "discounts": minor(order.get("discount_total"), currency),
        "items": [
            {
                "product": str(line["product_id"]),
                "name": line["name"],
                "quantity": line["quantity"],
                "amount": minor(line["total"], currency),
            }
            for line in order["line_items"]
        ],
    }


if __name__ == "__main__":
    serve(int(sys.argv[1]), "x-wc-webhook-signature", statement_of, "x-wc-webhook-topic")
