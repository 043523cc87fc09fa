"""Earning rules and orders by Voucherify's Python SDK."""

from __future__ import annotations

import voucherify
from checked import call, refused
from voucherify import ApiClient, models


def earning(client: ApiClient, campaign: str) -> None:
    """`source_123` is a member: rules, an order that is paid, and what came of it."""
    loyalties = voucherify.LoyaltiesApi(client)
    item = models.LoyaltiesEarningRulesCreateRequestBodyItem
    amount = models.LoyaltiesEarningRulesCreateRequestBodyItemLoyaltyOrderAmount(
        every=1000, points=2
    )
    per_order = models.LoyaltiesEarningRulesCreateRequestBodyItemLoyalty(
        type="PROPORTIONAL",
        calculation_type="ORDER_AMOUNT",
        order=models.LoyaltiesEarningRulesCreateRequestBodyItemLoyaltyOrder(amount=amount),
    )
    fixed = models.LoyaltiesEarningRulesCreateRequestBodyItemLoyalty(type="FIXED", points=3)
    source = models.LoyaltiesEarningRulesCreateRequestBodyItemSource(banner="For orders")
    rules = [
        item(event="order.paid", loyalty=per_order, source=source, active=True),
        item(event="page_view", loyalty=fixed, metadata={"n": 1}),
    ]
    rule, other = call(loyalties.create_earning_rule, campaign, rules)
    call(loyalties.list_earning_rules, campaign)
    call(loyalties.get_earning_rule, campaign, rule.id)
    call(loyalties.disable_earning_rule, campaign, other.id)
    assert call(loyalties.enable_earning_rule, campaign, other.id).active is True
    change = models.LoyaltiesEarningRulesUpdateRequestBody(
        loyalty=models.LoyaltiesEarningRulesUpdateRequestBodyLoyalty(type="FIXED", points=4)
    )
    assert call(loyalties.update_earning_rule, campaign, other.id, change).loyalty.points == 4
    for tier in loyalties.list_loyalty_tiers(campaign).data:
        call(loyalties.list_loyalty_tier_earning_rules, campaign, tier.id)
    call(loyalties.delete_earning_rule, campaign, other.id)
    refused(404, "not_found", loyalties.get_earning_rule, campaign, other.id)
    orders(client)


def orders(client: ApiClient) -> None:
    api, customers = voucherify.OrdersApi(client), voucherify.CustomersApi(client)
    before = customers.get_customer("source_123").loyalty.points
    line = models.OrderItem(product_id="prod_1", quantity=2, price=2500)
    customer = models.Customer(source_id="source_123")
    body = models.OrdersCreateRequestBody(source_id="o-1", items=[line], customer=customer)
    order = call(api.create_order, body)
    assert order.amount == 5000
    paid = models.OrdersUpdateRequestBody(status="PAID")
    for _ in range(2):
        assert call(api.update_order, order.id, paid).status == "PAID"
    assert customers.get_customer("source_123").loyalty.points == before + 10
    call(api.get_order, "o-1")
    assert call(api.list_orders).total == 1
    refused(404, "not_found", api.get_order, "none")
