"""The calls that the other lives leave out, by Voucherify's Python SDK, unmodified: `rest_life.py
URL`, with the keys in VOUCHERIFY_KEYS. Files, bulk changes, transfers, and the end of everything.

Prints the names of the calls.
"""

from __future__ import annotations

import json
import os
import sys

import voucherify
from checked import call, calls, refused
from voucherify import ApiClient, Configuration, models

CAMPAIGN = "Rest"


def people(client: ApiClient) -> None:
    customers = voucherify.CustomersApi(client)
    many = [
        models.CustomersUpdateInBulkRequestBody(source_id=name, metadata={"vip": name == "ann"})
        for name in ("ann", "bob", "cid")
    ]
    call(customers.update_customers_in_bulk, many)
    metadata = models.CustomersMetadataUpdateInBulkRequestBody(
        source_ids=["bob"], metadata={"vip": True}
    )
    call(customers.update_customers_metadata_in_bulk, metadata)
    call(customers.import_customers_using_csv, b"Source_id,Name\ndora,Dora\n")
    listed = call(customers.list_customers, 2, 1, drops={"has_more"})
    assert (len(listed.customers), listed.total) == (2, 4)
    body = models.QualificationsCheckEligibilityRequestBody(
        customer=models.Customer(source_id="ann")
    )
    call(voucherify.QualificationsApi(client).check_eligibility, body)


def cards(client: ApiClient) -> None:
    """A transfer's answer has `active` as true, as the vendor publishes it; the SDK expects text,
    so its own parser is passed by."""
    campaigns, loyalties = voucherify.CampaignsApi(client), voucherify.LoyaltiesApi(client)
    codes = []
    for name in ("ann", "bob"):
        joining = models.LoyaltiesMembersCreateRequestBody(customer=models.Customer(source_id=name))
        codes.append(loyalties.add_member(CAMPAIGN, joining).code)
    added = models.LoyaltiesMembersBalanceUpdateRequestBody(points=40)
    loyalties.update_loyalty_card_balance(codes[0], added)
    source = models.LoyaltiesTransferPoints(code=codes[0], points=15, source_id="t-1")
    raw = loyalties.transfer_points_without_preload_content(CAMPAIGN, codes[1], [source])
    assert json.loads(raw.data)["loyalty_card"]["balance"] == 15
    calls.append("transfer_points")
    call(campaigns.list_campaign_transactions, CAMPAIGN, 2)
    (tier,) = loyalties.list_loyalty_tiers(CAMPAIGN).data
    call(loyalties.list_loyalty_tier_rewards, CAMPAIGN, tier.id)
    for method in (
        loyalties.get_reward_assignment1,
        loyalties.get_reward_assignment2,
        loyalties.get_reward_details,
    ):
        refused(404, "not_found", method, CAMPAIGN, "rewa_none")
    call(loyalties.export_loyalty_card_transactions1, CAMPAIGN, codes[0])


def files(client: ApiClient) -> None:
    exports = voucherify.ExportsApi(client)
    orders = voucherify.OrdersApi(client)
    bought = models.OrdersCreateRequestBody(
        source_id="o-1", amount=700, customer=models.Customer(source_id="cid")
    )
    orders.create_order(bought)
    call(orders.create_order_export, models.OrdersExportCreateRequestBody(parameters=None))
    (made,) = [each for each in exports.list_exports().exports if each.exported_object == "order"]
    token = made.result.url.partition("token=")[2]
    raw = exports.download_export_without_preload_content(made.id, token)
    assert raw.data.decode().splitlines()[1].endswith(",o-1,CREATED")
    calls.append("download_export")


def ends(client: ApiClient) -> None:
    campaigns, customers = voucherify.CampaignsApi(client), voucherify.CustomersApi(client)
    loyalties = voucherify.LoyaltiesApi(client)
    call(campaigns.disable_campaign, CAMPAIGN)
    assert campaigns.get_campaign(CAMPAIGN).active is False
    call(campaigns.enable_campaign, CAMPAIGN)
    call(customers.delete_customer, "dora")
    call(customers.customer_permanently_deletion, "cid")
    refused(404, "not_found", customers.get_customer, "cid")
    call(campaigns.delete_campaign, CAMPAIGN)
    other = models.LoyaltiesCreateCampaignRequestBody(name="Other", type="AUTO_UPDATE")
    made = loyalties.create_loyalty_program(other)
    action = call(loyalties.delete_loyalty_program, made.id).async_action_id
    actions = voucherify.AsyncActionsApi(client)
    refused(404, "not_found", actions.get_async_action, action)


def main(url: str) -> None:
    keys: dict[str, str] = json.loads(os.environ["VOUCHERIFY_KEYS"])
    with ApiClient(Configuration(host=url, api_key=keys)) as client:
        body = models.CampaignsCreateRequestBody(
            name=CAMPAIGN, campaign_type="LOYALTY_PROGRAM", type="AUTO_UPDATE"
        )
        voucherify.CampaignsApi(client).create_campaign(body)
        tier = models.LoyaltiesTiersCreateInBulkRequestBodyItem(
            name="Silver", points=models.LoyaltyTierBasePoints(var_from=10)
        )
        voucherify.LoyaltiesApi(client).create_in_bulk_loyalty_tiers(CAMPAIGN, [tier])
        people(client)
        cards(client)
        files(client)
        ends(client)
    sys.stdout.write(json.dumps(calls))


if __name__ == "__main__":
    main(*sys.argv[1:])
