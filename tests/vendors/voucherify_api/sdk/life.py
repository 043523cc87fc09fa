"""A program's life by Voucherify's Python SDK, unmodified: `life.py URL PROJECT`, with the keys in
VOUCHERIFY_KEYS.

Runs in a virtual environment of its own, for the SDK has no wheel. Prints the names of the calls.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sys

import voucherify
from checked import call, calls, refused
from earning import earning
from voucherify import ApiClient, Configuration, models


def programs(client: ApiClient) -> str:
    campaigns, loyalties = voucherify.CampaignsApi(client), voucherify.LoyaltiesApi(client)
    card = models.CampaignsCreateRequestBodyVoucher(
        type="LOYALTY_CARD",
        loyalty_card=models.CampaignLoyaltyCard(points=0),
        code_config=models.CodeConfig(pattern="L-CARD-#######"),
    )
    body = models.CampaignsCreateRequestBody(
        name="Loyalty Campaign",
        campaign_type="LOYALTY_PROGRAM",
        type="AUTO_UPDATE",
        auto_join=True,
        voucher=card,
        metadata={"region": "APAC"},
    )
    drops = {"is_referral_code", "redeemed_quantity"}
    campaign = call(campaigns.create_campaign, body, drops=drops)
    refused(409, "duplicate_found", campaigns.create_campaign, body)
    tiers = [
        models.LoyaltiesTiersCreateInBulkRequestBodyItem(
            name=name, points=models.LoyaltyTierBasePoints(var_from=start, to=end)
        )
        for name, start, end in (("Silver", 0, 99), ("Gold", 100, None))
    ]
    _, gold = call(loyalties.create_in_bulk_loyalty_tiers, campaign.id, tiers)
    expiration = models.LoyaltyTiersExpirationAll(
        qualification_type="BALANCE",
        start_date=models.LoyaltyTiersExpirationAllStartDate(type="IMMEDIATE"),
        expiration_date=models.LoyaltyTiersExpirationAllExpirationDate(
            type="CUSTOM",
            extend="P3M",
            rounding=models.LoyaltyTiersExpirationAllExpirationDateRounding(
                type="MONTH", strategy="END"
            ),
        ),
    )
    change = models.CampaignsUpdateRequestBody(
        description="New description",
        loyalty_tiers_expiration=expiration,
        options=models.CampaignsUpdateRequestBodyOptions(recalculate_tiers=True),
    )
    call(campaigns.update_campaign, campaign.id, change, drops=drops)
    call(campaigns.get_campaign, campaign.id, drops=drops)
    call(campaigns.list_campaigns, drops=drops)
    call(loyalties.get_loyalty_program, campaign.name, drops=drops)
    call(loyalties.list_loyalty_programs, drops=drops)
    listed = call(loyalties.list_loyalty_tiers, campaign.id)
    assert [tier.name for tier in listed.data] == ["Silver", "Gold"]
    assert call(loyalties.get_loyalty_tier, campaign.id, gold.id).points.to is None
    refused(404, "not_found", loyalties.get_loyalty_tier, campaign.id, "ltr_none")
    second = models.LoyaltiesCreateCampaignRequestBody(
        name="Second program", type="AUTO_UPDATE", voucher=None, metadata=None
    )
    other = call(loyalties.create_loyalty_program, second, drops=drops)
    metadata = models.LoyaltiesUpdateCampaignRequestBody(metadata={"a": 1})
    assert call(loyalties.update_loyalty_program, other.id, metadata, drops=drops).metadata == {
        "a": 1
    }
    return str(campaign.id)


def people(client: ApiClient, campaign: str) -> None:
    customers, loyalties = voucherify.CustomersApi(client), voucherify.LoyaltiesApi(client)
    bob = models.CustomersCreateRequestBody(
        source_id="source_123",
        name="Bob Smith",
        email="bob.smith@email.com",
        birthdate=dt.date(2022, 1, 1),
        address=models.CustomersCreateRequestBodyAddress(city="New York", line_1="123 Main St."),
        metadata={"lang": "en", "test": True},
    )
    customer = call(customers.create_customer, bob)
    change = models.CustomersUpdateRequestBody(phone="+1 933 222 3333")
    assert call(customers.update_customer, "source_123", change).name == "Bob Smith"
    call(customers.get_customer, customer.id)
    refused(404, "not_found", customers.get_customer, "nobody")

    drops = {"categories"}
    joining = models.LoyaltiesMembersCreateRequestBody(
        customer=models.Customer(source_id="source_123"), metadata={"year": 2022}
    )
    card = call(loyalties.add_member, campaign, joining, drops=drops)
    assert card.code.startswith("L-CARD-")
    assert call(loyalties.add_member, campaign, joining, drops=drops).code == card.code
    call(loyalties.get_member, card.code, drops=drops)
    call(loyalties.get_member1, campaign, card.code, drops=drops)
    call(loyalties.list_members, campaign, None, None, "source_123", drops=drops)
    call(voucherify.VouchersApi(client).get_voucher, card.code, drops=drops)

    added = models.LoyaltiesMembersBalanceUpdateRequestBody(points=120, source_id="tx1")
    for _ in range(2):
        assert call(loyalties.update_loyalty_card_balance, card.code, added).balance == 120
    taken = models.LoyaltiesMembersBalanceUpdateRequestBody(points=-50, reason="Sorry")
    assert call(loyalties.update_loyalty_card_balance1, campaign, card.code, taken).balance == 70
    dated = models.LoyaltiesMembersBalanceUpdateRequestBody(
        points=10,
        expiration_type=models.PointsExpirationTypes.CUSTOM_DATE,
        expiration_date=dt.datetime(2099, 5, 30, tzinfo=dt.UTC),
    )
    call(loyalties.update_loyalty_card_balance, card.code, dated)
    much = models.LoyaltiesMembersBalanceUpdateRequestBody(points=-1000)
    refused(
        400, "loyalty_card_points_exceeded", loyalties.update_loyalty_card_balance, card.code, much
    )
    (tier,) = call(loyalties.list_member_loyalty_tier, card.code).data
    assert (tier.name, tier.expiration.customer_id) == ("Gold", customer.id)
    points = call(customers.get_customer, customer.id).loyalty.campaigns["Loyalty Campaign"]
    assert points["points"] == 80

    event = models.EventsCreateRequestBody(
        event="cart_abandoned",
        customer=models.Customer(source_id="source_123"),
        loyalty=models.EventsCreateRequestBodyLoyalty(code=card.code),
        metadata={"number": 1},
    )
    call(voucherify.EventsApi(client).track_custom_event, event)


def webhooks(client: ApiClient, project: str) -> None:
    """Tier events cannot be passed through the SDK; what it lists, it can read."""
    management = voucherify.ManagementApi(client)
    body = models.ManagementProjectsWebhooksCreateRequestBody(
        target_url="https://example.com/hook",
        events=["voucher.loyalty_card.points_aded", "voucher.published"],
    )
    drops = {"signatures"}  # ours: which secret signs which header
    webhook = call(management.create_webhook, project, body, drops=drops)
    change = models.ManagementProjectsWebhooksUpdateRequestBody(active=False)
    assert call(management.update_webhook, project, webhook.id, change, drops=drops).active is False
    call(management.get_webhook, project, webhook.id, drops=drops)
    assert call(management.list_webhooks, project, drops=drops).total >= 1
    call(management.delete_webhook, project, webhook.id)
    refused(404, "not_found", management.get_webhook, project, webhook.id)


def main(url: str, project: str) -> None:
    keys: dict[str, str] = json.loads(os.environ["VOUCHERIFY_KEYS"])
    with ApiClient(Configuration(host=url, api_key=keys)) as client:
        campaign = programs(client)
        people(client, campaign)
        earning(client, campaign)
        webhooks(client, project)
    wrong = {**keys, "X-App-Token": "wrong"}
    with ApiClient(Configuration(host=url, api_key=wrong)) as client:
        refused(401, "unauthorized", voucherify.CampaignsApi(client).list_campaigns)
    sys.stdout.write(json.dumps(calls))


if __name__ == "__main__":
    main(*sys.argv[1:])
