"""Customers from a file, and orders of the past."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vendors.voucherify_api.conftest import Shop, error_of
from tests.web.conftest import Answered

FILE = (
    "Source_id,Name,Email,Birthdate,Address_City,Address_Country,favourite colour\n"
    'ann,"Ann, A.",ann@example.com,1990-02-28,Łódź,PL,red\n'
    "\n"
    "bob,Bob,,,,,\n"
)


async def upload(shop: Shop, text: str | bytes, field: str = "file") -> Answered:
    """A form as `curl -F file=@customers.csv` sends it."""
    content = text if isinstance(text, bytes) else text.encode()
    body = (
        b'--XX\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
        + f'--XX\r\nContent-Disposition: form-data; name="{field}"; filename="c.csv"\r\n'.encode()
        + b"Content-Type: text/csv\r\n\r\n"
        + content
        + b"\r\n--XX--\r\n"
    )
    headers = {**shop.app, "content-type": "multipart/form-data; boundary=XX"}
    return await shop.call("POST", "/v1/customers/importCSV", body, headers=headers)


async def test_a_file_makes_and_changes_customers(shop: Shop) -> None:
    """An empty cell says nothing; a column that the vendor has no word for is metadata."""
    await shop.good("POST", "/v1/customers", {"source_id": "bob", "email": "bob@example.com"})
    for mark in ("", "\ufeff"):
        assert (await upload(shop, mark + FILE)).status == 202
    ann = await shop.good("GET", "/v1/customers/ann")
    bob = await shop.good("GET", "/v1/customers/bob")

    assert (ann["name"], ann["birthdate"]) == ("Ann, A.", "1990-02-28")
    assert (ann["address"]["city"], ann["metadata"]) == ("Łódź", {"favourite colour": "red"})
    assert (bob["name"], bob["email"]) == ("Bob", "bob@example.com")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "source_id"),
        ("Name\nAnn\n", "source_id"),
        ("Source_id\n", "expected 1 to 1,000"),
        ("Source_id,source_id\na,b\n", "each once"),
        ("Source_id,Name\na,b,c\n", "line 2 has more cells"),
        ("Source_id,Name\n,b\n", "line 2 has no source_id"),
        ('Source_id,Name\na,"b\n', "line"),
        ("Source_id,Birthdate\nok,1990-01-01\nbad,yesterday\n", "birthdate"),
        ("Source_id\n" + "a\n" * 1001, "expected 1 to 1,000"),
        (b"Source_id\n\xff\xfe\n", "UTF-8"),
    ],
)
async def test_a_wrong_file_changes_nothing(shop: Shop, text: str | bytes, words: str) -> None:
    answered = await upload(shop, text)
    status, key, details = error_of(answered)

    assert (status, key) == (400, "invalid_payload")
    assert words in details
    assert (await shop.good("GET", "/v1/customers"))["total"] == 0


async def test_what_is_no_form_with_a_file_is_refused(shop: Shop) -> None:
    assert error_of(await upload(shop, FILE, "csv"))[:2] == (400, "invalid_payload")
    path = "/v1/customers/importCSV"
    assert (await shop.refused("POST", path, {"file": FILE}))[:2] == (415, "unsupported_media_type")
    headers = {**shop.app, "content-type": "multipart/form-data"}
    nothing = await shop.call("POST", path, b"--\r\n", headers=headers)
    assert error_of(nothing)[:2] == (400, "invalid_payload")


# Orders -----------------------------------------------------------------------------------------

RULE = {"event": "order.paid", "loyalty": {"type": "FIXED", "points": 5}}


async def club(shop: Shop) -> None:
    await shop.good("POST", "/v1/campaigns", {"name": "Club", "auto_join": True})
    await shop.good("POST", "/v1/loyalties/Club/earning-rules", [RULE])
    await shop.good("POST", "/v1/loyalties/Club/members", {"customer": "ann"})


def order(name: str, **fields: Any) -> dict[str, Any]:
    return {"source_id": name, "status": "PAID", "amount": 1000, "customer": "ann", **fields}


async def test_orders_of_the_past_are_kept_and_give_nothing(shop: Shop) -> None:
    """What is known stays as it is, so that an import may be repeated."""
    await club(shop)
    await shop.good("POST", "/v1/orders", order("new"))
    body = [order("old", customer={"source_id": "eve", "name": "Eve"}), order("new", amount=9)]
    for _ in range(2):
        assert (await shop.call("POST", "/v1/orders/import", body)).status == 202
    old, new = [await shop.good("GET", f"/v1/orders/{name}") for name in ("old", "new")]

    assert (old["status"], old["amount"], new["amount"]) == ("PAID", 1000, 1000)
    assert (await shop.good("GET", "/v1/customers/eve"))["loyalty"]["campaigns"] == {}
    assert (await shop.good("GET", "/v1/customers/ann"))["loyalty"]["points"] == 5


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"customer": None}, "customer"),
        ({"customer": "cust_none"}, "cust_none"),
        ({"customer": {"source_id": "x", "birthdate": "soon"}}, "birthdate"),
        ({"amount": -1}, "amount"),
        ({"status": "GONE"}, "status"),
        ({"items": [{"quantity": 1}]}, "product_id"),
        ({"colour": "red"}, "colour"),
        ({"source_id": "first"}, "twice"),
    ],
)
async def test_one_wrong_order_keeps_all_out(shop: Shop, wrong: dict[str, Any], words: str) -> None:
    body = [order("first", customer={"source_id": "zoe"}), order("second") | wrong]
    _, _, details = await shop.refused("POST", "/v1/orders/import", body)

    assert words in details
    assert (await shop.good("GET", "/v1/orders"))["total"] == 0
    assert (await shop.good("GET", "/v1/customers"))["total"] == 0
    assert (await shop.refused("POST", "/v1/orders/import", []))[0] == 400
