"""Voucherify's header: lower-case hex of HMAC-SHA256 over the body, with the project's secret."""

from __future__ import annotations

from tierline.vendors import hmac_sha256
from tierline.vendors.vendor import VendorSignature

HEADER = "x-voucherify-signature"
SIGNATURE = VendorSignature(
    HEADER, "lower-case hex of HMAC-SHA256(secret, body)", "voucherify.webhook_secret"
)


def signature(body: bytes, secret: str) -> str:
    """No timestamp, no prefix, one secret: that is all there is of it. The published recipe parses
    the body, prints it again and signs that; so the body must be what JavaScript prints."""
    return hmac_sha256.digest(secret.encode(), body).hex()
