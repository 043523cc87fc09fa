"""Signatures, held against published vectors and against other people's packages."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime

import pytest
import standardwebhooks
import svix.webhooks
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.vendors.announcements import endpoint, lion_announcement, voucherify_announcement
from tierline.errors import Invalid
from tierline.vendors.registry import FORMATS
from tierline.vendors.standard import signing as standard
from tierline.vendors.vendor import Secrets
from tierline.vendors.voucherify import signing as voucherify

OLD, NEW = (standard.new_secret(bytes([i]) * 32) for i in (1, 2))
KEY = standard.new_key(bytes(range(32)))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"a":1}', "a17d2ac229d1ebbb5f10e839c7985c4818e5986eab297f7e5979196d4d7d3ed2"),
        (r'{"a\"b":1}', "f7cf97814a03146abedb9793f56e1dec34f618f82d10395310d053f749483ffb"),
        ("  message  ", "53ff92957e1427ce23ad5bda9d0c5f2f4ff384d0806b83eeacb510c842d3a358"),
    ],
)
def test_voucherify_vectors(body: str, expected: str) -> None:
    """The vectors that Voucherify publishes, with the secret `secretKey`."""
    assert voucherify.signature(body.encode(), "secretKey") == expected


def test_voucherify_headers() -> None:
    """The one header of Voucherify signs the very bytes that are sent."""
    announcement, form = (
        voucherify_announcement("voucherify-tier-joined", "joined"),
        FORMATS["voucherify"],
    )
    body = form.render(announcement, endpoint("voucherify"), form.versions[-1])
    assert body is not None

    headers = form.headers(announcement, endpoint("voucherify"), body, Secrets("secretKey"))

    expected = hmac.new(b"secretKey", body, hashlib.sha256).hexdigest()
    assert headers == {"x-voucherify-signature": expected}


def test_loyaltylion_headers() -> None:
    """Base64 over the raw body, as a public consumer computes it; topic, domain and agent."""
    announcement = lion_announcement("loyaltylion-tier-upgraded", "upgraded", "15", "16")
    form = FORMATS["loyaltylion"]
    body = form.render(announcement, endpoint("loyaltylion"), form.versions[-1])
    assert body is not None

    headers = form.headers(announcement, endpoint("loyaltylion"), body, Secrets("site secret"))

    expected = base64.b64encode(hmac.new(b"site secret", body, hashlib.sha256).digest()).decode()
    assert headers["x-loyaltylion-hmac-sha256"] == expected
    assert headers["x-loyaltylion-topic"] == "program_events/customer.tier_upgraded"
    assert headers["x-loyaltylion-site-domain"] == "shop.example.com"
    assert "LoyaltyLion" in headers["user-agent"]


def test_no_vendor_secret() -> None:
    """Without a vendor's secret there is no vendor's signature, and no broken one."""
    announcement = voucherify_announcement("voucherify-tier-joined", "joined")

    assert (
        FORMATS["voucherify"].headers(announcement, endpoint("voucherify"), b"{}", Secrets()) == {}
    )


def test_published_vector_of_standard_webhooks() -> None:
    """The example of the Standard Webhooks libraries: id, time, body and secret are theirs."""
    signed = standard.headers(
        b'{"test": 2432232314}',
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",),
    )

    assert signed["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_other_packages_verify(secret: str) -> None:
    """`standardwebhooks` and `svix` accept a delivery with either secret while both sign."""
    now = int(datetime.now(UTC).timestamp())
    body = '{"type":"tier.joined","name":"Zoë"}'.encode()

    headers = standard.headers(body, "msg_1", now, (NEW, KEY, OLD))

    assert headers["webhook-signature"].count(" ") == 2
    assert standardwebhooks.Webhook(secret).verify(body.decode(), headers)["name"] == "Zoë"
    svix.webhooks.Webhook(secret).verify(body, headers)  # raises where it does not


def test_strangers_are_refused() -> None:
    """A body that was changed, and a secret that did not sign, do not verify."""
    now = int(datetime.now(UTC).timestamp())
    headers = standard.headers(b"{}", "msg_1", now, (NEW,))

    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(NEW).verify("{ }", headers)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(OLD).verify("{}", headers)


def test_asymmetric() -> None:
    """A `v1a` signature verifies with the public half alone."""
    headers = standard.headers(b"{}", "msg_1", 1700000000, (KEY,))

    version, signature = headers["webhook-signature"].split(",")
    public = base64.b64decode(standard.public_key(KEY).removeprefix("whpk_"))
    assert version == "v1a"
    verify = Ed25519PublicKey.from_public_bytes(public).verify
    verify(base64.b64decode(signature), b"msg_1.1700000000.{}")


def test_without_secrets() -> None:
    """An endpoint without a secret gets id and time, and no signature."""
    assert standard.headers(b"{}", "msg_1", 17, ()) == {
        "webhook-id": "msg_1",
        "webhook-timestamp": "17",
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("my-own-text", "starts with whsec_"),
        ("whsec_!!!", "not base64"),
        ("whsec_c2hvcnQ=", "24 to 64 bytes in base64 after whsec_, not 5"),
        ("whsk_c2hvcnQ=", "32 or 64 bytes"),
        ("whsk_" + base64.b64encode(bytes(64)).decode(), "do not belong together"),
    ],
)
def test_bad_secrets(text: str, says: str) -> None:
    """A secret that cannot sign is refused with its field, before anything is signed with it."""
    with pytest.raises(Invalid) as caught:
        standard.check_secret(text, "secrets[0]")

    assert caught.value.path == "secrets[0]"
    assert says in str(caught.value)
    assert text not in str(caught.value)
