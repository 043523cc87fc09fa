"""What Voucherify's fields mean, for the OpenAPI document."""

from __future__ import annotations

from tierline.vendors.voucherify.objects import NAME

DESCRIPTIONS = {
    "app_id": f"{NAME}: the id of the application's pair.",
    "app_token": f"{NAME}: the token of the application's pair.",
    "management_id": f"{NAME}: the id of the management's pair.",
    "management_token": f"{NAME}: the token of the management's pair.",
    "client_application_id": f"{NAME}: the id of the pair for pages in browsers.",
    "client_token": f"{NAME}: the token of the pair for pages in browsers.",
    "webhook_secret": f"{NAME}: what signs the project's webhooks.",
    "EndpointBody.source": f"{NAME}: what the envelope pretends to come from.",
    "EndpointAnswer.source": f"{NAME}: what the envelope pretends to come from.",
    "VoucherifyEnvelope.source": f"{NAME}: the webhook or distribution that this is sent by.",
    "event_name": f"{NAME}: `type` of the envelope, as a distribution's free text.",
    "raw": f"{NAME}: whether `data` comes alone, without its envelope.",
    "webhook_events": f"{NAME}: the events that the vendor's own API turned on, by its names.",
    "webhook_voice": f"{NAME}: which of the names of a change of points this endpoint says.",
    "webhook_of": f"{NAME}: the webhook whose further names this endpoint says; null: none's.",
    "campaign": "The campaign: what Voucherify calls a loyalty program.",
    "loyalty_tier": "The tier; null: none.",
    "loyalty_tier_from": "The tier before.",
    "loyalty_tier_to": "The tier afterwards.",
    "entity_id": "The customer's id.",
    "group_id": "The same for all that one request or one night caused.",
    "event_source": "Whether a request or the server itself caused it.",
    "object": "The name of the type.",
}
