"""What happened to points, by Voucherify's Python SDK, unmodified: `points_life.py URL CODE`,
with the keys in VOUCHERIFY_KEYS. The first card has points of every kind, two of them pending.

Prints the names of the calls.
"""

from __future__ import annotations

import json
import os
import sys

import voucherify
from checked import call, calls, refused
from voucherify import ApiClient, Configuration, models

CAMPAIGN = "Points"


def lists(client: ApiClient, code: str) -> None:
    loyalties = voucherify.LoyaltiesApi(client)
    newest = call(loyalties.list_loyalty_card_transactions, code).data
    assert newest[-1].source_id == "first"
    call(loyalties.list_loyalty_card_transactions1, CAMPAIGN, code, 2)
    page = call(loyalties.list_loyalty_campaign_transactions, CAMPAIGN, 2)
    assert page.has_more
    after = page.more_starting_after
    call(loyalties.list_loyalty_campaign_transactions, CAMPAIGN, 2, None, after)
    assert call(loyalties.list_points_expiration, CAMPAIGN, code).total
    call(loyalties.list_member_activity, code)
    call(loyalties.list_member_activity1, CAMPAIGN, code, 2)
    call(voucherify.CustomersApi(client).list_customer_activity, "ann")
    assert call(loyalties.list_members, CAMPAIGN, drops={"categories"}).total
    for method in (loyalties.list_reward_assignments1, loyalties.list_reward_assignments2):
        assert call(method, CAMPAIGN).total == 0
    assert call(loyalties.list_member_rewards, code).data == []
    call(voucherify.AsyncActionsApi(client).list_async_actions)
    drops = {"is_referral_code", "redeemed_quantity"}
    summary = call(voucherify.CampaignsApi(client).get_campaign_summary, CAMPAIGN, drops=drops)
    assert summary.points_added == 45
    old = models.OrdersImportCreateRequestBodyItem(
        source_id="old", status="PAID", amount=500, customer=models.Customer(source_id="ann")
    )
    call(voucherify.OrdersApi(client).import_orders, [old])


def pending(client: ApiClient, code: str) -> None:
    loyalties = voucherify.LoyaltiesApi(client)
    assert call(loyalties.list_campaign_pending_points, CAMPAIGN).data
    call(loyalties.list_member_pending_points1, CAMPAIGN, code)
    first, second = call(loyalties.list_member_pending_points, code, None, "id").data
    less = models.LoyaltiesMembersPendingPointsBalanceRequestBody(points=-1)
    assert call(loyalties.adjust_member_pending_points, code, first.id, less).points == -1
    call(loyalties.activate_member_pending_points, code, first.id)
    call(loyalties.cancel_member_pending_points, code, second.id)
    refused(404, "not_found", loyalties.cancel_member_pending_points, code, second.id)


def exports(client: ApiClient, code: str) -> None:
    loyalties, files = voucherify.LoyaltiesApi(client), voucherify.ExportsApi(client)
    call(loyalties.export_loyalty_card_transactions, code)
    made = call(loyalties.create_points_expiration_export, CAMPAIGN)
    assert call(files.list_exports).total
    assert call(files.get_export, made.id).status == "DONE"
    call(files.delete_export, made.id)


def main(url: str, code: str) -> None:
    keys: dict[str, str] = json.loads(os.environ["VOUCHERIFY_KEYS"])
    with ApiClient(Configuration(host=url, api_key=keys)) as client:
        lists(client, code)
        pending(client, code)
        exports(client, code)
    sys.stdout.write(json.dumps(calls))


if __name__ == "__main__":
    main(*sys.argv[1:])
