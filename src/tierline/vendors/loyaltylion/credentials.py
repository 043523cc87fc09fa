"""LoyaltyLion's keys: a program API token each, and one site token and secret for all of them."""

from __future__ import annotations

from collections.abc import Mapping

from tierline.model.credentials import Credential, Credentials, Entropy, KeyKind, SharedDoor
from tierline.vendors.loyaltylion import signing
from tierline.vendors.loyaltylion.ladder import NAME

SITE = SharedDoor("site", id_secret=f"{NAME}.site_token", token_secret=signing.SIGNATURE.secret)


def credentials(project: int, secrets: Mapping[str, str], entropy: Entropy) -> Credentials:
    """A token of 128 bits; the first key makes the site's pair, too. Its secret may be there before
    the pair: an endpoint needed it to sign."""
    token = "pat_" + entropy(16).hex()
    doors = [Credential(token)]
    site, secret = secrets.get(SITE.id_secret), secrets.get(SITE.token_secret)
    if site is None or secret is None:
        site, secret = entropy(16).hex(), secret or entropy(16).hex()
        doors.append(Credential(secret, site, SITE.name))
    return Credentials(
        doors=tuple(doors),
        answer={
            "key": token,
            "site_id": project,
            "site_token": site,
            "site_secret": secret,
            "signs": signing.SIGNATURE.recipe,
        },
        secrets={SITE.id_secret: site, SITE.token_secret: secret},
    )


# Scopes that only LoyaltyLion has words for, and the native one that says as much.
SCOPES = {
    "read_orders": "read_customers",
    "write_orders": "write_customers",
    "read_unsubscribes": "read_customers",
    "write_unsubscribes": "write_customers",
}
_FIELDS = {"key": str, "site_id": int, "site_token": str, "site_secret": str, "signs": str}
KEY = KeyKind(NAME, credentials, _FIELDS, shows_signing_secret=True, shared=SITE, scopes=SCOPES)
