"""LoyaltyLion's headers: base64 of HMAC-SHA256 over the body, the topic, and the shop's domain."""

from __future__ import annotations

import binascii

from tierline.vendors import hmac_sha256
from tierline.vendors.vendor import VendorSignature

HEADER = "x-loyaltylion-hmac-sha256"
TOPIC = "x-loyaltylion-topic"
DOMAIN = "x-loyaltylion-site-domain"
SIGNATURE = VendorSignature(
    HEADER, "base64 of HMAC-SHA256(secret, body)", "loyaltylion.site_secret"
)


def signature(body: bytes, secret: str) -> str:
    """With the OAuth client's secret for its own webhooks, with the site secret for all others."""
    digest = hmac_sha256.digest(secret.encode(), body)
    return binascii.b2a_base64(digest, newline=False).decode()
