"""LoyaltyLion's keys: a program API token each, and one site token and secret for all of them; and
OAuth clients of partners."""

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
    # Taken, for keys that are brought along; there is nothing here that they open.
    "read_reviews": "read_customers",
    "write_reviews": "write_customers",
    "write_configuration": "write_programs",
}
# A partner's app: whoever gives it a token decides about its scopes.
CLIENT = f"{NAME}_client"
TOKEN = f"{CLIENT}.token"


def client_credentials(_project: int, _secrets: Mapping[str, str], entropy: Entropy) -> Credentials:
    """An OAuth client: its secret proves it when it fetches tokens, and signs its webhooks."""
    id_, secret = entropy(16).hex(), entropy(32).hex()
    return Credentials(
        doors=(Credential(secret, id_),),
        answer={"client_id": id_, "client_secret": secret},
        secrets={secret_name(id_): secret},
    )


def secret_name(client_id: str) -> str:
    """Returns the name of the project's secret that signs a client's webhooks."""
    return f"{CLIENT}.{client_id}"


_FIELDS = {"key": str, "site_id": int, "site_token": str, "site_secret": str, "signs": str}
KEY = KeyKind(NAME, credentials, _FIELDS, shows_signing_secret=True, shared=SITE, scopes=SCOPES)
CLIENT_KEY = KeyKind(
    CLIENT,
    client_credentials,
    {"client_id": str, "client_secret": str},
    shows_signing_secret=True,
    scopes=SCOPES,
    first=False,
)
