"""What Voucherify says of a campaign's past, as its pages describe it."""

from __future__ import annotations

from typing import Literal

from tests.vendors.voucherify_api.published import Count, PublishedCampaign, Shape


class PublishedSummary(Shape, frozen=True):
    """campaigns/get-campaign-summary, of a loyalty campaign."""

    object: Literal["campaign_summary"]
    campaign: PublishedCampaign
    redemptions: Count
    redemptions_succeeded: Count
    redemptions_failed: Count
    rollbacks: Count
    rollbacks_succeeded: Count
    rollbacks_failed: Count
    validations: Count
    validations_succeeded: Count
    validations_failed: Count
    orders_amount: Count
    orders_rolledback_amount: Count
    vouchers_created: Count
    vouchers_deleted: Count
    publications: Count
    publications_succeeded: Count
    publications_failed: Count
    created_vouchers_points: Count
    points_deleted: Count
    points_subtracted: Count
    points_added: Count
    points_rewarded: Count
    points_redeemed: Count
    points_rolledback: Count
    points_expired: Count
    points_transferred_out: Count
    points_transferred_in: Count
    pending_points_added: Count
    pending_points_subtracted: Count
    pending_points_activated: Count
    pending_points_canceled: Count
