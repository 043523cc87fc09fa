"""The signatures of an endpoint's deliveries: header, algorithm, and which secret makes each. Pure.

Of a secret only its name is said here, and which answer showed it to whoever may see it.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from tierline.endpoints.endpoint import Dated, Endpoint, EndpointSecrets
from tierline.model.calendar import format_instant
from tierline.vendors import registry
from tierline.vendors.standard import signing
from tierline.vendors.vendor import Format, VendorSignature

_BROUGHT: Final = "Nowhere: whoever made or changed the endpoint brought it along."
_SIGNED: Final = "webhook-id.webhook-timestamp.body"


class SignatureAnswer(Struct, frozen=True):
    """One signature that every delivery carries. `secret` is the name of the secret that makes it:
    `secret`, `public_key` and `vendor_secret` are the endpoint's own, `KIND.FIELD` is the one that
    the whole project has. `until` null: it goes on."""

    header: str
    algorithm: str
    secret: str
    source: str
    since: str | None
    until: str | None


def signatures(
    endpoint: Endpoint, secrets: EndpointSecrets, format_: Format[Any] | None, now: int
) -> tuple[SignatureAnswer, ...]:
    """Returns what signs at an instant: the vendor's header first, then Standard Webhooks'."""
    return (*_vendors(endpoint, secrets, format_, now), *_standard(endpoint, secrets, now))


def is_shown_to_endpoints(signature: VendorSignature, format_: Format[Any]) -> bool:
    """Whether who makes an endpoint may see the project's secret that signs it. One that opens the
    API besides is shown by keys alone, which ask for the scopes that it opens."""
    key = registry.VENDOR_OF[format_.name].key
    return key is None or key.shared is None or key.shared.token_secret != signature.secret


def _vendors(
    endpoint: Endpoint, secrets: EndpointSecrets, format_: Format[Any] | None, now: int
) -> tuple[SignatureAnswer, ...]:
    if format_ is None or format_.signature is None or not endpoint.hears_customers:
        return ()
    signature: VendorSignature = format_.signature
    own = secrets.vendor_since(now)
    if own is not None:
        name, since = "vendor_secret", own.since
        source = _BROUGHT if own.brought else "In the answer that needed it first: `vendor_secret`."
    else:
        name, since = signature.secret, 0
        kind, _, field = name.partition(".")
        source = (
            f"In every answer that makes a key of kind {kind} (`POST /api/keys`, `tierline key"
            f" create`, keys.json of the first start): `{field}`."
        )
        if is_shown_to_endpoints(signature, format_):
            source += " Where an endpoint came before them, in its answer too: `vendor_secret`."
    return (SignatureAnswer(signature.header, signature.algorithm, name, source, _at(since), None),)


def _standard(
    endpoint: Endpoint, secrets: EndpointSecrets, now: int
) -> tuple[SignatureAnswer, ...]:
    return tuple(_dated(endpoint, dated) for dated in secrets.standard_since(now))


def _dated(endpoint: Endpoint, dated: Dated) -> SignatureAnswer:
    pair = dated.secret.startswith(signing.PRIVATE)
    name = "public_key" if pair else "secret"
    if dated.since:
        source = f"In the answer of `POST /api/endpoints/{endpoint.id}/rotate` then: `{name}`."
    elif dated.brought:
        source = _BROUGHT
    elif endpoint.vendor_id is not None:
        source = f"Nowhere; `POST /api/endpoints/{endpoint.id}/rotate` makes and shows another."
    else:
        source = f"In the answer that made the endpoint: `{name}`."
    return SignatureAnswer(
        signing.SIGNATURE,
        f"`v1a,` and base64 of Ed25519 over {_SIGNED}"
        if pair
        else f"`v1,` and base64 of HMAC-SHA256(base64-decoded after whsec_, {_SIGNED})",
        name,
        source,
        _at(dated.since),
        None if dated.until is None else format_instant(dated.until),
    )


def _at(since: int) -> str | None:
    return format_instant(since) if since else None
