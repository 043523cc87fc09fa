"""Voucherify's keys: a pair for the application, one for its management, one that pages in browsers
show to everybody, and one webhook secret."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Final

from tierline.model.credentials import Credential, Credentials, Entropy, KeyKind
from tierline.vendors.voucherify import signing
from tierline.vendors.voucherify.objects import NAME

MANAGEMENT: Final = "management"
CLIENT: Final = "client"  # doors beside the application's


def credentials(_project: int, secrets: Mapping[str, str], entropy: Entropy) -> Credentials:
    """Three pairs; the webhook secret is the project's, the same for all of its keys."""
    app, app_token, management, management_token, client, client_token = (
        str(uuid.UUID(bytes=entropy(16), version=4)) for _ in range(6)
    )
    webhook = secrets.get(signing.SIGNATURE.secret) or entropy(32).hex()
    return Credentials(
        doors=(
            Credential(app_token, app),
            Credential(management_token, management, MANAGEMENT),
            Credential(client_token, client, CLIENT),
        ),
        answer={
            "app_id": app,
            "app_token": app_token,
            "management_id": management,
            "management_token": management_token,
            "client_application_id": client,
            "client_token": client_token,
            "webhook_secret": webhook,
            "signs": signing.SIGNATURE.recipe,
        },
        secrets={signing.SIGNATURE.secret: webhook},
    )


_FIELDS = (
    *("app_id", "app_token", "management_id", "management_token"),
    *("client_application_id", "client_token", "webhook_secret", "signs"),
)
KEY = KeyKind(NAME, credentials, dict.fromkeys(_FIELDS, str), shows_signing_secret=True)
