"""What LoyaltyLion's fields mean, for the OpenAPI document."""

from __future__ import annotations

from tierline.vendors.loyaltylion.ladder import NAME

DESCRIPTIONS = {
    "site_id": f"{NAME}: the id of the site.",
    "site_token": f"{NAME}: the site's token, the same for all keys.",
    "site_secret": f"{NAME}: the site's secret, which signs webhooks.",
    f"{NAME}_program": "The program that LoyaltyLion's routes speak of.",
    "webhook_topic": f"{NAME}: the one topic that a webhook of its API hears.",
    "date": "When they enrolled.",
    "enrollment": "Since when they are enrolled, and by what.",
    "trigger": "What enrolled them.",
    "position_base": f"{NAME}: the `position` of the first tier, 1 like `number`, or 0.",
    "birthday": "Their birthday.",
    "blocked": "Whether they are blocked.",
    "enrolled": "Whether they are a member.",
    "guest": "Whether they are a guest.",
    "insights_segment": "The segment of LoyaltyLion's insights.",
    "loyalty_tier": "The tier.",
    "loyalty_tier_membership": "Their tier, since when and until when.",
    "merchant_id": "The customer's id in the shop.",
    "new_tier": "The tier afterwards.",
    "previous_tier": "The tier before.",
    "payload": "The program event.",
    "points_approved": "The balance that can be spent.",
    "points_pending": "Points that are not active yet.",
    "points_spent": "Points spent so far.",
    "properties": "Properties.",
    "referral_id": "The id that they refer others by.",
    "referral_url": "The address that they refer others by.",
    "referred_by": "Who referred them.",
    "rewards_claimed": "How many rewards they claimed.",
    "started_at": "Since when they have the tier.",
    "topic": "What happened.",
    "unique_until": "The end of a cool-down, which tier events do not have.",
}
