"""A shop's life with Voucherify's Python SDK: a program, a member, an order, a tier, a refund.

`pip install voucherify`, then `python3 shop.py`. Running it again changes nothing: orders and
customers are told whole, by the shop's own ids.

Settings, from the environment:
TIERLINE_URL  where Tierline is; http://127.0.0.1:8080 if not given
APP_ID        from `tierline key create --kind voucherify`
APP_TOKEN     likewise
"""

import os

from voucherify import (
    ApiClient,
    CampaignsApi,
    Configuration,
    CustomersApi,
    LoyaltiesApi,
    OrdersApi,
    models,
)
from voucherify.exceptions import NotFoundException

CLUB = "Shop club"


def program(client: ApiClient) -> str:
    """The program's id; it is made where it is not there: a point for each 1.00, two tiers."""
    campaigns, loyalties = CampaignsApi(client), LoyaltiesApi(client)
    try:
        return campaigns.get_campaign(CLUB).id
    except NotFoundException:
        pass
    card = models.CampaignsCreateRequestBodyVoucher(
        type="LOYALTY_CARD",
        loyalty_card=models.CampaignLoyaltyCard(points=0),
        code_config=models.CodeConfig(pattern="CLUB-####"),
    )
    body = models.CampaignsCreateRequestBody(
        name=CLUB,
        campaign_type="LOYALTY_PROGRAM",
        type="AUTO_UPDATE",
        auto_join=True,
        voucher=card,
    )
    campaign = campaigns.create_campaign(body).id
    tier = models.LoyaltiesTiersCreateInBulkRequestBodyItem
    bounds = models.LoyaltyTierBasePoints
    tiers = [
        tier(name="Silver", points=bounds(var_from=0, to=99)),
        tier(name="Gold", points=bounds(var_from=100)),
    ]
    loyalties.create_in_bulk_loyalty_tiers(campaign, tiers)
    item = models.LoyaltiesEarningRulesCreateRequestBodyItem
    amount = models.LoyaltiesEarningRulesCreateRequestBodyItemLoyaltyOrderAmount(
        every=100, points=1
    )
    per_order = models.LoyaltiesEarningRulesCreateRequestBodyItemLoyalty(
        type="PROPORTIONAL",
        calculation_type="ORDER_AMOUNT",
        order=models.LoyaltiesEarningRulesCreateRequestBodyItemLoyaltyOrder(amount=amount),
    )
    rule = item(event="order.paid", loyalty=per_order, active=True)
    loyalties.create_earning_rule(campaign, [rule])
    return campaign


def show(client: ApiClient, campaign: str, when: str) -> None:
    """Prints what Anna's card holds, and in which tier she is."""
    loyalties = LoyaltiesApi(client)
    (card,) = loyalties.list_members(campaign, customer="anna").vouchers
    tiers = [tier.name for tier in loyalties.list_member_loyalty_tier(card.code).data]
    print(f"{when}: {card.loyalty_card.balance} points, {', '.join(tiers) or 'no tier'}")


def main() -> None:
    url = os.environ.get("TIERLINE_URL", "http://127.0.0.1:8080")
    keys = {"X-App-Id": os.environ["APP_ID"], "X-App-Token": os.environ["APP_TOKEN"]}
    with ApiClient(Configuration(host=url, api_key=keys)) as client:
        campaign, orders = program(client), OrdersApi(client)
        anna = models.CustomersCreateRequestBody(source_id="anna", name="Anna")
        CustomersApi(client).create_customer(anna)
        buyer = models.Customer(source_id="anna")
        joining = models.LoyaltiesMembersCreateRequestBody(customer=buyer)
        LoyaltiesApi(client).add_member(campaign, joining)
        show(client, campaign, "joined")

        line = models.OrderItem(product_id="boots", quantity=1, price=12_000)
        order = models.OrdersCreateRequestBody(
            source_id="order-1", status="PAID", items=[line], customer=buyer
        )
        orders.create_order(order)
        show(client, campaign, "bought")

        orders.update_order("order-1", models.OrdersUpdateRequestBody(status="CANCELED"))
        show(client, campaign, "sent back")


if __name__ == "__main__":
    main()
