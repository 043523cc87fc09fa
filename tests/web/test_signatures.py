"""One documented secret per signature: what an endpoint's answer says of it verifies."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.receiver import Received, Receiver
from tests.web.conftest import Api

VENDORS = {
    "voucherify": ("x-voucherify-signature", "webhook_secret"),
    "loyaltylion": ("x-loyaltylion-hmac-sha256", "site_secret"),
}
Json = dict[str, Any]


async def made(api: Api, path: str, body: Json) -> Json:
    answered = await api.post(path, body)
    assert answered.status == 201, answered.body
    answer: Json = answered.json
    return answer


async def described(api: Api, made_: Json) -> list[Json]:
    """What each answer says of the endpoint; it is the same in all of them."""
    path = f"/api/endpoints/{made_['id']}"
    one = (await api.get(path)).json["signatures"]
    (listed,) = (
        each["signatures"]
        for each in (await api.get("/api/endpoints")).json["endpoints"]
        if each["id"] == made_["id"]
    )
    changed = (await api.call("PATCH", path, {"description": "ours"})).json["signatures"]
    assert one == listed == changed
    signatures: list[Json] = one
    return signatures


def is_signed(request: Received, header: str, secret: str) -> bool:
    mac = hmac.digest(secret.encode(), request.body, hashlib.sha256)
    text = mac.hex() if header == "x-voucherify-signature" else base64.b64encode(mac).decode()
    return request.headers.get(header) == text


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("first", ["key", "endpoint", "turned"])
async def test_a_vendors_key_shows_what_signs(
    club: Api, receiver: Receiver, vendor: str, first: str
) -> None:
    """Whether the key or the endpoint was there first, and for an endpoint that turned to it."""
    header, field = VENDORS[vendor]
    keys = [await made(club, "/api/keys", {"kind": vendor})] if first == "key" else []
    format_ = "standard" if first == "turned" else vendor
    endpoint = await made(club, "/api/endpoints", {"url": receiver.url, "format": format_})
    if first == "turned":
        path = f"/api/endpoints/{endpoint['id']}"
        endpoint |= (await club.call("PATCH", path, {"format": vendor})).json
    keys += [await made(club, "/api/keys", {"kind": vendor}) for _ in range(2)]
    await club.earn("anna", 120)
    await club.earn("anna", 500)
    *_, request = await receiver.wait(2 if vendor == "voucherify" else 1)

    theirs, ours = await described(club, endpoint)
    assert (theirs["header"], theirs["secret"]) == (header, f"{vendor}.{field}")
    assert f"key of kind {vendor}" in theirs["source"]
    assert f"`{field}`" in theirs["source"]
    assert (ours["header"], ours["secret"]) == ("webhook-signature", "secret")
    assert {key[field] for key in keys} == {keys[0][field]}
    assert keys[0]["signs"].startswith(f"{header}: ")
    assert is_signed(request, header, keys[0][field])
    assert endpoint.get("vendor_secret", keys[0][field]) == keys[0][field]
    assert Webhook(endpoint["secret"]).verify(request.body, request.headers)


async def test_a_credential_is_shown_by_keys_alone(club: Api, receiver: Receiver) -> None:
    """LoyaltyLion's site secret opens its API; Voucherify's webhook secret opens nothing."""
    lion = await made(club, "/api/endpoints", {"url": receiver.url, "format": "loyaltylion"})
    first = await made(club, "/api/endpoints", {"url": receiver.url, "format": "voucherify"})
    second = await made(club, "/api/endpoints", {"url": receiver.url, "format": "voucherify"})

    assert "vendor_secret" not in lion
    assert "`vendor_secret`" not in lion["signatures"][0]["source"]
    assert "vendor_secret" in first
    assert "`vendor_secret`" in first["signatures"][0]["source"]
    assert "vendor_secret" not in second


async def test_a_new_pair_of_the_site_signs_at_once(club: Api, receiver: Receiver) -> None:
    """The pair ends with the project's last key; an endpoint that is at work takes the new one."""
    old = await made(club, "/api/keys", {"kind": "loyaltylion"})
    await made(club, "/api/endpoints", {"url": receiver.url, "format": "loyaltylion"})
    await club.earn("anna", 120)
    await club.earn("anna", 500)
    (before,) = await receiver.wait(1)
    await club.call("DELETE", f"/api/keys/{old['id']}")
    new = await made(club, "/api/keys", {"kind": "loyaltylion"})
    await club.earn("ben", 120)
    await club.earn("ben", 500)
    _, after = await receiver.wait(2)

    header = "x-loyaltylion-hmac-sha256"
    assert old["site_secret"] != new["site_secret"]
    assert is_signed(before, header, old["site_secret"])
    assert is_signed(after, header, new["site_secret"])


async def test_a_secret_of_its_own_until_null(club: Api, receiver: Receiver) -> None:
    """What its maker brought along signs, and is never shown; null goes back to the project's."""
    key = await made(club, "/api/keys", {"kind": "voucherify"})
    body = {"url": receiver.url, "format": "voucherify", "vendor_secret": "brought-along"}
    endpoint = await made(club, "/api/endpoints", body)
    own, _ = await described(club, endpoint)
    await club.earn("anna", 120)
    await receiver.wait(1)
    path = f"/api/endpoints/{endpoint['id']}"
    back = (await club.call("PATCH", path, {"vendor_secret": None})).json["signatures"][0]
    await club.earn("anna", 500)
    first, second = await receiver.wait(2)

    assert own["secret"] == "vendor_secret"
    assert own["source"].startswith("Nowhere: ")
    assert back["secret"] == "voucherify.webhook_secret"
    assert is_signed(first, "x-voucherify-signature", "brought-along")
    assert is_signed(second, "x-voucherify-signature", key["webhook_secret"])


async def test_a_rotation_says_which_secret_signs_until_when(club: Api, receiver: Receiver) -> None:
    """Both of the overlap, the newest first; a key pair by its public half."""
    endpoint = await made(club, "/api/endpoints", {"url": receiver.url})
    path = f"/api/endpoints/{endpoint['id']}"
    rotated = (await club.post(f"{path}/rotate", {"kind": "ed25519", "overlap": 3600})).json
    new, old = await described(club, endpoint)

    assert rotated["signatures"] == [new, old]
    assert (new["secret"], new["until"]) == ("public_key", None)
    assert "Ed25519" in new["algorithm"]
    assert f"{path}/rotate" in new["source"]
    assert (old["secret"], old["since"]) == ("secret", None)
    assert old["until"] > new["since"]


async def test_operations_alone_carry_no_vendors_signature(club: Api, receiver: Receiver) -> None:
    """So nobody makes, or is shown, the secret that signs customers' events."""
    body = {"url": receiver.url, "format": "voucherify", "kinds": ["endpoint.failing"]}
    endpoint = await made(club, "/api/endpoints", body)

    assert [each["header"] for each in endpoint["signatures"]] == ["webhook-signature"]
    assert "vendor_secret" not in endpoint
    assert club.installation.catalog.project_secrets(1) == {}


async def test_who_may_not_see_customers_is_shown_no_secret(club: Api, receiver: Receiver) -> None:
    """Neither by making an endpoint nor by making a key; and none is made."""
    key = await made(club, "/api/keys", {"scopes": ["manage_endpoints", "manage_keys"]})
    for vendor in VENDORS:
        body = {"url": receiver.url, "format": vendor}
        for path, asks in (("/api/endpoints", body), ("/api/keys", {"kind": vendor})):
            assert (await club.post(path, asks, key=key["key"])).status == 403

    assert club.installation.catalog.project_secrets(1) == {}
