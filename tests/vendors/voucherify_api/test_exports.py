"""`/v1/exports`: transactions, points that expire and orders, as CSV."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.vendors.voucherify_api.conftest import Shop
from tests.vendors.voucherify_api.test_members import change, join, with_club
from tests.vendors.voucherify_api.test_transactions import transactions
from tierline.vendors.voucherify.api import order_exports
from tierline.web import export_files
from tierline.web.export_files import ExportFiles

Json = dict[str, Any]
CLUB = "/v1/loyalties/Club"


@pytest.fixture
async def club(sandbox_shop: Shop) -> Shop:
    """Two cards: one whose points expire, one that was taken points from."""
    shop = await with_club(sandbox_shop)
    anna, bob = await join(shop), await join(shop, "bob")
    until = {"expiration_type": "CUSTOM_DATE", "expiration_date": "2022-11-12"}
    await change(shop, anna, 5, source_id="s-1", reason="=HYPERLINK(1)")
    await change(shop, anna, 7, **until)
    # Of one instant, customers of two shards stand in the order of their numbers, not of the calls.
    await shop.good("POST", "/api/clock", {"advance_to": "2022-11-10T10:00:00Z"})
    await change(shop, bob, 9)
    await change(shop, bob, -4)
    await shop.good("POST", "/api/clock", {"advance_to": "2022-11-14T00:00:00Z"})
    return shop


async def table(shop: Shop, path: str, body: Any = None) -> list[dict[str, str]]:
    """The rows of an export that is made, asked for and downloaded."""
    made = await shop.good("POST", path, body)
    export = await shop.good("GET", f"/v1/exports/{made['id']}")
    assert export["status"] == "DONE"
    url = export["result"]["url"]
    assert url.startswith(shop.url)
    answered = await shop.call("GET", url.removeprefix(shop.url))
    assert answered.status == 200
    return list(csv.DictReader(io.StringIO(answered.body.decode())))


async def test_transactions_are_exported(club: Shop) -> None:
    rows = await table(club, f"{CLUB}/transactions/export")
    made = await transactions(club, f"{CLUB}/transactions?limit=100")

    assert {row["ID"] for row in rows} == {each.id for each in made}
    assert [row["Amount"] for row in rows] == ["-7", "-4", "9", "7", "5"]
    first = rows[-1]
    assert (first["Source ID"], first["Reason"], first["Balance"]) == ("s-1", "'=HYPERLINK(1)", "5")
    assert [row["ID"] for row in await table(club, "/v1/exports", {})] == [
        row["ID"] for row in rows
    ]


async def test_columns_order_and_filters(club: Shop) -> None:
    (anna,) = (await club.good("GET", f"{CLUB}/members?customer=anna"))["vouchers"]
    parameters: Json = {"order": "created_at", "fields": ["type", "amount"]}
    parameters["filters"] = {"voucher_id": {"conditions": {"$in": [anna["code"]]}}}
    body = {"exported_object": "voucher_transactions", "parameters": parameters}
    rows = await table(club, "/v1/exports", body)

    assert rows == [
        {"Type": "POINTS_ADDITION", "Amount": "5"},
        {"Type": "POINTS_ADDITION", "Amount": "7"},
        {"Type": "POINTS_EXPIRATION", "Amount": "-7"},
    ]
    for path in (f"{CLUB}/members/{anna['id']}", f"/v1/loyalties/members/{anna['code']}"):
        assert len(await table(club, f"{path}/transactions/export")) == len(rows)


async def test_buckets_are_exported_with_those_that_expired(club: Shop) -> None:
    rows = await table(club, f"{CLUB}/points-expiration/export", {"parameters": {}})

    assert sorted((row["Status"], row["Points"], row["Expires At"]) for row in rows) == [
        ("ACTIVE", "5", ""),
        ("ACTIVE", "5", ""),
        ("EXPIRED", "7", "2022-11-12"),
    ]


ORDERS = "/v1/orders/export"


@pytest.fixture
async def sold(shop: Shop) -> Shop:
    """Three orders, one of them in no program, and one whose facts a spreadsheet would run."""
    await shop.good("POST", "/v1/campaigns", {"name": "Club"})
    await shop.good("POST", "/v1/loyalties/Club/members", {"customer": "anna"})
    facts = {"mean": "=1+1", "gift": True, "tags": ["a"]}
    orders: list[Json] = [
        {"source_id": "o-1", "status": "PAID", "amount": 500, "metadata": facts},
        {"source_id": "zürich/2", "amount": 900, "discount_amount": 100},
        {"source_id": "o-3", "status": "CANCELED", "amount": 70, "metadata": {"mean": "card"}},
    ]
    for order, customer in zip(orders, ("anna", "bob", "anna"), strict=True):
        await shop.good("POST", "/v1/orders", {**order, "customer": {"source_id": customer}})
    return shop


async def test_orders_are_exported(sold: Shop) -> None:
    """With an empty body or none, three columns, as the vendor has it; each row is the order."""
    rows = await table(sold, ORDERS)
    again = await table(sold, "/v1/exports", {"exported_object": "order"})
    wide = {"parameters": {"fields": list(order_exports.FIELDS), "order": "created_at"}}
    whole = await table(sold, ORDERS, wide)

    assert {row["Source ID"]: row["Status"] for row in rows} == {
        "o-1": "PAID",
        "zürich/2": "CREATED",
        "o-3": "CANCELED",
    }
    assert again == rows
    assert list(rows[0]) == ["ID", "Source ID", "Status"]
    assert [row["Source ID"] for row in whole] == ["o-1", "zürich/2", "o-3"]
    for row in whole:
        order = await sold.good("GET", f"/v1/orders/{row['ID']}")
        assert row["Total Amount"] == str(order["total_amount"])
        assert row["Customer ID"] == order["customer_id"]
        assert json.loads(row["Metadata"] or "{}") == order["metadata"]


AMOUNT_FILTERS: list[tuple[Json, list[str]]] = [
    ({"amount": {"conditions": {"$more_than": 500}}}, ["zürich/2"]),
    ({"amount": {"conditions": {"$more_than_equal": [500]}}}, ["o-1", "zürich/2"]),
    ({"total_amount": {"conditions": {"$less_than": 500}}}, ["o-3"]),
    ({"total_amount": {"conditions": {"$less_than_equal": 500}}}, ["o-1", "o-3"]),
    ({"discount_amount": {"conditions": {"$in": [100, 7]}}}, ["zürich/2"]),
    ({"discount_amount": {"conditions": {"$is_not": 100}}}, ["o-1", "o-3"]),
    ({"status": {"conditions": {"$not_in": ["PAID", "CREATED"]}}}, ["o-3"]),
    ({"source_id": {"conditions": {"$starts_with": "z"}}}, ["zürich/2"]),
    ({"metadata.mean": {"conditions": {"$is": "card"}}}, ["o-3"]),
    ({"metadata.gift": {"conditions": {"$has_value": ""}}}, ["o-1"]),
    ({"updated_at": {"conditions": {"$has_value": ""}}}, []),
]


@pytest.mark.parametrize(("filters", "names"), AMOUNT_FILTERS)
async def test_orders_are_filtered(sold: Shop, filters: Json, names: list[str]) -> None:
    parameters: Json = {"filters": filters, "order": "created_at"}
    rows = await table(sold, ORDERS, {"parameters": parameters})

    assert [row["Source ID"] for row in rows] == names


async def test_columns_of_metadata(sold: Shop) -> None:
    fields = ["source_id", "metadata.mean", "metadata.gift", "metadata.tags"]
    rows = await table(sold, ORDERS, {"parameters": {"fields": fields, "order": "status"}})

    assert [tuple(row.values()) for row in rows] == [
        ("o-3", "card", "", ""),
        ("zürich/2", "", "", ""),
        ("o-1", "'=1+1", "true", '["a"]'),
    ]


WRONG_ORDERS: list[tuple[Any, str]] = [
    ({"parameters": {"fields": ["items"]}}, "parameters.fields[0]"),
    ({"parameters": {"order": "amount"}}, "parameters.order"),
    ({"parameters": {"filters": {"amount": {"conditions": {"$more_than": "x"}}}}}, "filters"),
    ({"parameters": {"filters": {"amount": {"conditions": {"$contains": 1}}}}}, "filters"),
    ({"parameters": {"filters": {"voucher_id": {"conditions": {"$in": ["x"]}}}}}, "filters"),
    ({"exported_object": "order"}, "exported_object"),
]


@pytest.mark.parametrize(("body", "where"), WRONG_ORDERS)
async def test_wrong_exports_of_orders_are_refused(shop: Shop, body: Any, where: str) -> None:
    status, key, details = await shop.refused("POST", ORDERS, body)

    assert (status, key) == (400, "invalid_payload")
    assert where in details
    assert (await shop.good("GET", "/v1/exports"))["total"] == 0
    assert (await shop.call("GET", ORDERS)).status == 405


async def test_exports_are_listed_and_deleted(club: Shop) -> None:
    ids = [(await club.good("POST", "/v1/exports", {}))["id"] for _ in range(3)]
    listed = await club.good("GET", "/v1/exports?limit=2")

    assert listed["total"] == len(ids)
    assert len(listed["exports"]) == 2
    one = f"/v1/exports/{ids[0]}"
    url = (await club.good("GET", one))["result"]["url"].removeprefix(club.url)
    wrong = {"x-app-id": club.keys["app_id"], "x-app-token": "x"}
    assert (await club.call("GET", url, headers=wrong)).status == 401
    assert (await club.refused("GET", f"{one}?token=x"))[0] == 404
    assert (await club.call("DELETE", one)).status == 204
    for path in (one, url, "/v1/exports/exp_1"):
        assert (await club.refused("GET", path))[:2] == (404, "not_found")
    assert (await club.refused("DELETE", one))[0] == 404
    assert (await club.good("GET", "/v1/exports"))["total"] == len(ids) - 1


WRONG: list[Any] = [
    {"exported_object": "customer"},
    {"parameters": {"fields": ["colour"]}},
    {"parameters": {"order": "id"}},
    {"parameters": {"filters": {"colour": {"conditions": {"$in": ["x"]}}}}},
    {"parameters": {"filters": {"id": {"$in": ["x"]}}}},
    {"parameters": {"filters": {"id": {"conditions": {"$near": ["x"]}}}}},
    {"parameters": {"filters": {"id": {"conditions": {"$in": [{}]}}}}},
    {"parameters": {"filters": []}},
    {"unknown": 1},
    [],
]


@pytest.mark.parametrize("body", WRONG)
async def test_wrong_exports_are_refused(shop: Shop, body: Any) -> None:
    assert (await shop.refused("POST", "/v1/exports", body))[:2] == (400, "invalid_payload")
    assert (await shop.good("GET", "/v1/exports"))["total"] == 0


async def test_exports_make_room_and_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest for a newer one, all after a while; a file that was never finished is none."""
    monkeypatch.setattr(export_files, "EXPORTS_MAX", 2)
    files = ExportFiles(tmp_path / "exports", kept_ms=1000)
    header = (["a"], [["1"]])
    made = [await files.add("p", "x", {}, header, now) for now in (1, 2, 3)]
    (tmp_path / "exports" / "p" / "exp_half.csv").write_text("a")

    assert await files.all("p", 3) == made[1:]
    assert await files.read("p", made[2]) == b"a\n1\n"
    assert await files.all("q", 3) == []
    assert await files.all("p", 4 + 1000) == []
    mode = (tmp_path / "exports" / "p").stat().st_mode & 0o777
    assert mode == 0o700
