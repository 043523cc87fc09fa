"""Shopify's order webhooks into Tierline: `python3 examples/shopify.py 9100`; settings in shop.py.

Subscribe to orders/create, orders/updated, orders/paid and orders/cancelled: each of them carries
the whole order, refunds included, so that it does not matter which comes first, or twice.
https://shopify.dev/docs/api/admin-rest/latest/resources/order
"""

import sys
from typing import Any

from shop import Statement, minor, serve

TOPICS = ("orders/create", "orders/updated", "orders/paid", "orders/cancelled")
PAID = ("paid", "partially_refunded", "refunded")


def statement_of(topic: str, order: Any) -> Statement | None:
    """An order as Tierline takes it; None for what is of no customer, or another topic."""
    customer = (order.get("customer") or {}).get("id")
    if topic not in TOPICS or customer is None or order.get("test"):
        return None
    currency = order["currency"]
    total = minor(order["total_price"], currency)
    refunded = sum(
        minor(transaction["amount"], currency)
        for refund in order.get("refunds") or ()
        for transaction in refund.get("transactions") or ()
        if transaction["kind"] == "refund" and transaction["status"] == "success"
    )
    return {
        "kind": "order",
        "order": str(order["id"]),
        "customer": str(customer),
        "as_of": order["updated_at"],
        "occurred_at": order["created_at"],
        "currency": currency,
        "total": total,
        "paid": total if order["financial_status"] in PAID else 0,
        "refunded": min(refunded, total),
        "cancelled": order.get("cancelled_at") is not None,
        "tax": minor(order.get("total_tax"), currency),
        "discounts": minor(order.get("total_discounts"), currency),
        "items": [
            {
                "product": str(line["product_id"]),
                "name": line["title"],
                "quantity": line["quantity"],
                "amount": minor(line["price"], currency) * line["quantity"],
            }
            for line in order["line_items"]
            if line.get("product_id") is not None
        ],
        "metadata": {"channel": order.get("source_name") or "unknown"},
    }


if __name__ == "__main__":
    serve(int(sys.argv[1]), "x-shopify-hmac-sha256", statement_of, "x-shopify-topic")
