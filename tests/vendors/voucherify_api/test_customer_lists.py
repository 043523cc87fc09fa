"""Customers by pages, several at once, and those that go for good."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vendors.voucherify_api.conftest import Shop
from tests.vendors.voucherify_api.earning_world import balance, event, with_rule
from tests.vendors.voucherify_api.published import as_published
from tests.vendors.voucherify_api.published_customers import PublishedDeletion, names

Json = dict[str, Any]
LIST = "/v1/customers"


async def with_customers(shop: Shop, count: int = 12) -> list[Json]:
    made = []
    for i in range(count):
        body: Json = {"source_id": f"c-{i:02}", "name": f"Name {i}", "email": f"{i}@example.com"}
        body["address"] = {"city": "Oslo" if i % 2 else "Bergen"}
        made.append(await shop.good("POST", LIST, body))
    return made


async def test_a_walk_misses_nobody_who_was_made_at_one_moment(shop: Shop) -> None:
    """It goes on behind an instant, which many of one request share."""
    await shop.call("POST", "/v1/customers/bulk/async", [{"source_id": f"c{n}"} for n in range(5)])
    await shop.good("POST", "/v1/customers", {"source_id": "last"})
    for order, begin in (
        ("-created_at", "2200-01-01T00:00:00Z"),
        ("created_at", "1970-01-01T00:00:00Z"),
    ):
        met, after, more = list[str](), begin, True
        while more:
            query = f"limit=2&order={order}&starting_after={after}"
            page = await shop.good("GET", f"/v1/customers?{query}")
            met += [customer["source_id"] for customer in page["customers"]]
            after, more = page["customers"][-1]["created_at"], page["has_more"]
        assert sorted(met) == ["c0", "c1", "c2", "c3", "c4", "last"]


async def test_pages_of_customers(shop: Shop) -> None:
    """Newest first; every page is whole, and says whether there is more."""
    await with_customers(shop)
    everyone = [f"c-{i:02}" for i in range(12)]
    first = await shop.good("GET", f"{LIST}?limit=5")
    assert (names(first), first["total"], first["has_more"]) == (everyone[:6:-1], 12, True)
    last = await shop.good("GET", f"{LIST}?limit=5&page=3")
    assert (names(last), last["total"], last["has_more"]) == (everyone[1::-1], 12, False)
    oldest = await shop.good("GET", f"{LIST}?limit=5&page=2&order=created_at")
    assert names(oldest) == everyone[5:10]
    beyond = await shop.good("GET", f"{LIST}?limit=5&page=4")
    assert (names(beyond), beyond["has_more"]) == ([], False)


async def test_a_scroll_meets_everybody_once(shop: Shop) -> None:
    """As the older SDKs scroll: by `created_at` of the last one, while there is more."""
    made = await with_customers(shop, 7)
    met: list[str | None] = []
    after = ""
    while True:
        page = await shop.good("GET", f"{LIST}?limit=3{after}")
        met += names(page)
        if not page["has_more"]:
            break
        after = f"&starting_after={page['customers'][-1]['created_at']}"
    assert met == [customer["source_id"] for customer in reversed(made)]


async def test_customers_are_filtered(shop: Shop) -> None:
    made = await with_customers(shop, 6)
    for query, expected in (
        ("email=3@EXAMPLE.com", ["c-03"]),
        ("email=3@example", []),
        ("name=name%204", ["c-04"]),
        ("city=oslo", ["c-05", "c-03", "c-01"]),
        ("city=oslo&limit=2", ["c-05", "c-03"]),
        (f"created_at%5Bbefore%5D={made[2]['created_at']}", ["c-01", "c-00"]),
        (f"created_at%5Bafter%5D={made[4]['created_at']}", ["c-05"]),
    ):
        assert names(await shop.good("GET", f"{LIST}?{query}")) == expected, query


async def test_customers_by_last_change(sandbox_shop: Shop) -> None:
    """A change of the profile or of points moves somebody to the front."""
    shop = sandbox_shop
    await with_customers(shop, 3)
    assert len(names(await shop.good("GET", f"{LIST}?order=updated_at"))) == 3
    await shop.good("PUT", f"{LIST}/c-00", {"name": "Changed"})

    newest = names(await shop.good("GET", f"{LIST}?order=-updated_at"))
    assert newest[0] == "c-00"
    assert len(newest) == 3


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=101", "limit=x", "page=100", "page=0", "order=name", "more=1"),
        *("starting_after=yesterday", "created_at%5Bbefore%5D=x", "segment_id=seg_1"),
        *("updated_at%5Bafter%5D=1", "limit=1&limit=2"),
    ],
)
async def test_a_wrong_query_is_named(shop: Shop, query: str) -> None:
    status, key, details = await shop.refused("GET", f"{LIST}?{query}")
    assert (status, key) == (400, "invalid_query_params")
    assert details.startswith(query.partition("=")[0].replace("%5B", "[").replace("%5D", "]"))


async def test_several_are_changed_at_once(shop: Shop) -> None:
    """And made where they are not there; metadata is laid over what there is."""
    await shop.good("POST", LIST, {"source_id": "anna", "metadata": {"a": 1}, "name": "Anna"})
    body = [
        {"source_id": "anna", "metadata": {"b": 2}, "email": None},
        {"source_id": "bob", "name": "Bob"},
    ]
    answered = await shop.call("POST", f"{LIST}/bulk/async", body)
    assert (answered.status, answered.json["async_action_id"][:3]) == (202, "aa_")
    anna = await shop.good("GET", f"{LIST}/anna")
    assert (anna["name"], anna["metadata"]) == ("Anna", {"a": 1, "b": 2})
    change = {"source_ids": ["anna", "bob", "carl", "bob"], "metadata": {"lang": "en"}}
    assert (await shop.call("POST", f"{LIST}/metadata/async", change)).status == 202
    for name in ("anna", "bob", "carl"):
        assert (await shop.good("GET", f"{LIST}/{name}"))["metadata"]["lang"] == "en"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("bulk", [{"source_id": "new", "name": "N"}, {"source_id": "x", "birthdate": "2020"}]),
        ("bulk", [{"source_id": "new"}, {"name": "Nobody"}]),
        ("bulk", [{"source_id": "new"}, {"source_id": "x", "metadata": {"a": "\u0000"}}]),
        ("bulk", [{"source_id": "new", "colour": "red"}]),
        ("bulk", []),
        ("bulk", [{"source_id": "new"}] * 1001),
        ("bulk", {"source_id": "new"}),
        ("metadata", {"source_ids": [], "metadata": {}}),
        ("metadata", {"source_ids": ["new", ""], "metadata": {}}),
        ("metadata", {"source_ids": ["new"]}),
        ("metadata", {"source_ids": ["new"], "metadata": {"a": "\u0000"}}),
    ],
)
async def test_of_wrong_changes_none_is_made(shop: Shop, path: str, body: Any) -> None:
    refused = await shop.refused("POST", f"{LIST}/{path}/async", body)
    assert refused[:2] == (400, "invalid_payload")
    assert (await shop.good("GET", LIST))["total"] == 0


async def test_a_customer_goes_for_good(shop: Shop) -> None:
    """Nobody finds them again; who comes under their name later is somebody new."""
    await shop.good("POST", "/v1/campaigns", {"name": "Club"})
    await with_rule(shop, event="page_view")
    for name, method, path in (("anna", "DELETE", ""), ("bob", "POST", "/permanent-deletion")):
        await event(shop, customer={"source_id": name, "name": "Secret"})
        customer = await shop.good("GET", f"{LIST}/{name}")
        cards = await shop.good("GET", f"/v1/loyalties/Club/members?customer={name}")
        answered = await shop.call(method, f"{LIST}/{name}{path}")
        assert answered.status == (204 if method == "DELETE" else 200)
        if path:
            deletion = as_published(answered.json, PublishedDeletion)
            assert deletion.related_object_id == customer["id"]
        for gone in (
            f"{LIST}/{name}",
            f"{LIST}/{customer['id']}",
            f"/v1/vouchers/{cards['vouchers'][0]['id']}",
        ):
            assert (await shop.refused("GET", gone))[:2] == (404, "not_found"), gone
        assert (await shop.refused(method, f"{LIST}/{name}{path}"))[0] == 404
        new = await shop.good("POST", LIST, {"source_id": name})
        assert new["id"] != customer["id"]
        assert await balance(shop, name) == 0
    assert (await shop.good("GET", LIST))["total"] == 2
