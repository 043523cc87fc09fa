"""`/v1/customers`."""

from __future__ import annotations

from tests.vendors.voucherify_api.conftest import Shop
from tests.vendors.voucherify_api.published import PublishedCustomer, as_published

BOB = {
    "source_id": "source_123",
    "name": "Bob Smith",
    "description": "A frequent customer",
    "email": "bob.smith@email.com",
    "phone": "+1 933 222 3333",
    "address": {"city": "New York", "line_1": "123 Main St.", "state": "NY"},
    "metadata": {"lang": "en", "test": True},
    "birthdate": "2022-01-01",
}


async def test_a_customer_as_it_was_sent(shop: Shop) -> None:
    answer = await shop.good("POST", "/v1/customers", BOB)
    customer = as_published(answer, PublishedCustomer)

    address = {"line_2": None, "country": None, "postal_code": None, **BOB["address"]}  # type: ignore[dict-item]
    assert answer == {**answer, **BOB, "address": address}
    assert customer.loyalty.points == 0
    assert await shop.good("GET", f"/v1/customers/{customer.id}") == answer
    assert await shop.good("GET", "/v1/customers/source_123") == answer


async def test_a_sparse_customer(shop: Shop) -> None:
    customer = as_published(await shop.good("POST", "/v1/customers", {}), PublishedCustomer)

    assert customer.source_id == customer.id
    assert (customer.name, customer.address, customer.metadata) == (None, None, {})
    assert await shop.good("GET", f"/v1/customers/{customer.id}")


async def test_posting_again_changes_what_was_said_and_nothing_else(shop: Shop) -> None:
    first = await shop.good("POST", "/v1/customers", BOB)
    again = {"source_id": "source_123", "address": {"city": "Boston"}, "metadata": {"test": False}}
    nothing = dict.fromkeys(["name", "description", "email", "phone", "birthday", "birthdate"])
    second = await shop.good("POST", "/v1/customers", again | nothing)

    assert second["id"] == first["id"]
    assert second["metadata"] == {"lang": "en", "test": False}
    assert second["address"]["city"] == "Boston"
    assert second["address"]["line_1"] is None
    for field in ("name", "description", "email", "phone", "birthdate", "created_at"):
        assert second[field] == first[field]


async def test_put_changes_the_customer_of_the_path(shop: Shop) -> None:
    await shop.good("POST", "/v1/customers", BOB)
    changed = await shop.good("PUT", "/v1/customers/source_123", {"phone": "1", "source_id": "x"})

    assert (changed["phone"], changed["source_id"]) == ("1", "source_123")
    assert await shop.refused("PUT", "/v1/customers/nobody", {"phone": "1"}) == (
        404,
        "not_found",
        "Cannot find customer with id nobody",
    )


async def test_an_id_that_is_brought_along_stays(shop: Shop) -> None:
    body = {"id": "cust_CSnYd37MXmrbS19XCrghjBsv", "source_id": "bob"}
    assert (await shop.good("POST", "/v1/customers", body))["id"] == body["id"]
    renamed = await shop.good("POST", "/v1/customers", {**body, "source_id": "robert"})

    assert (renamed["id"], renamed["source_id"]) == (body["id"], "robert")
    assert (await shop.good("GET", "/v1/customers/bob"))["id"] == body["id"]


async def test_another_name_of_a_customer_is_no_new_source_id(shop: Shop) -> None:
    """A card code names its holder; whoever sends it as a source id renames nobody."""
    await shop.good("POST", "/v1/campaigns", {"name": "Club"})
    joining = {"customer": {"source_id": "bob", "name": "Bob"}, "voucher": "CARD-1"}
    await shop.good("POST", "/v1/loyalties/Club/members", joining)
    answer = await shop.good("POST", "/v1/customers", {"source_id": "CARD-1", "phone": "1"})

    assert (answer["source_id"], answer["name"], answer["phone"]) == ("bob", "Bob", "1")
    other = {"id": answer["id"], "source_id": "anna"}
    await shop.good("POST", "/v1/customers", {"source_id": "anna"})
    assert (await shop.refused("POST", "/v1/customers", other))[:2] == (409, "duplicate_found")


async def test_the_same_customer_by_the_native_api(shop: Shop) -> None:
    answer = await shop.good("POST", "/v1/customers", BOB)
    native = await shop.good("GET", "/api/customers/source_123")

    assert (native["id"], native["name"]) == (answer["id"], "Bob Smith")
    assert {f: native[f] for f in ("phone", "birthdate")} == {
        f: BOB[f] for f in ("phone", "birthdate")
    }
    assert native["address"]["city"] == "New York"
