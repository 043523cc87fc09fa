"""Nothing of an erased customer is left but numbers, wherever one looks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.receiver import Receiver
from tests.web.conftest import Api
from tests.web.erasure.person import RENAMED, SOURCE, TOKEN, planted, post
from tests.web.erasure.traces import in_database
from tierline.ledger.rebuild import VerificationProgress, verify
from tierline.store.database import Database


async def traces(api: Api) -> list[str]:
    async with api.process.installation.database.pool.acquire() as connection:
        return await in_database(connection, TOKEN)


async def differences(api: Api) -> tuple[list[str], int]:
    """What `rebuild --verify` says, and how many memberships are of erased customers."""
    here, seen = api.process.installation, [VerificationProgress()]
    wrong = [str(d) async for d in verify(here.database, here.catalog, seen.append)]
    return wrong, seen[-1].erased


async def numbers(database: Database, customer: str) -> list[Any]:
    number = int(customer.removeprefix("cust_"), 16)
    return await database.pool.fetch(
        "SELECT n, kind, points, amount, occurred_at, recorded_at FROM entry"
        " WHERE customer = $1 AND kind <> 'checkpoint' ORDER BY program, n",
        number,
    )


POINTS = ["joined", "points.earned", "points.spent", "points.transferred", "points.reversed"]


@pytest.mark.parametrize("hears_points", [False, True])
async def test_no_trace_is_left_in_any_column(
    api: Api, receiver: Receiver, hears_points: bool
) -> None:
    """Plain, folded, in hex, in base64, escaped: in no column of any table; and what remains is
    sound."""
    kinds = [*POINTS, "customer.created", "customer.changed"]
    hook = {"url": receiver.url, "kinds": kinds, "format": "cloudevents"}
    customer = await planted(api, hook if hears_points else None)
    database = api.process.installation.database
    before, amounts = await traces(api), await numbers(database, customer)
    assert len(before) > 40
    bob = (await api.get("/api/programs/club/members/bob")).json["points"]

    answered = await api.post(f"/api/customers/{RENAMED}/erase")

    assert answered.status == 200, answered.body
    assert answered.json["customer_id"] == customer
    assert await traces(api) == []
    assert await numbers(database, customer) == amounts
    assert await differences(api) == ([], 1)
    assert (await api.get("/api/programs/club/members/bob")).json["points"] == bob


async def test_the_api_knows_nobody_of_that_name_any_more(api: Api) -> None:
    """By no name of theirs, nor by our id; the feed tells of the erasure, by the id alone."""
    customer = await planted(api)
    await api.post(f"/api/customers/{SOURCE}/erase")
    for name in (SOURCE, RENAMED, customer, f"{TOKEN}-card"):
        assert (await api.get(f"/api/customers/{name}")).status == 404
        assert (await api.get(f"/api/programs/club/members/{name}")).status == 404
    pages = [
        await api.get(path)
        for path in (
            "/api/events",
            "/api/events?class=points",
            "/api/events?class=ops",
            "/api/customers",
            "/api/programs/club/members",
            "/api/orders",
            "/api/audit",
            "/api/programs/club/summary",
            "/metrics",
        )
    ]
    assert [page.status for page in pages] == [200] * len(pages)
    assert not any(TOKEN.lower().encode() in page.body.lower() for page in pages)
    (event,) = [e for e in pages[2].json["events"] if e["kind"] == "customer_erased"]
    assert event["data"] == {"customer_id": customer}
    (line,) = [a for a in pages[6].json["changes"] if a["kind"] == "customer.erased"]
    assert line["object"] == customer
    assert pages[7].json["members"] == len(pages[4].json["members"]) == 1


async def test_erasing_twice_is_the_same_answer(api: Api) -> None:
    """By our id and by a name that is not there any more; once somebody has the name again, it is
    theirs."""
    customer = await planted(api)
    first = await api.post(f"/api/customers/{SOURCE}/erase")
    for name in (SOURCE, RENAMED, customer):
        again = await api.post(f"/api/customers/{name}/erase")
        assert (again.status, again.json) == (200, first.json)
    assert (await api.post("/api/customers/nobody/erase")).problem == (
        404,
        "not_found",
        "source_id",
    )

    await post(api, "earn", points=7, key="new")
    returned = (await api.get(f"/api/customers/{SOURCE}")).json
    member = (await api.get(f"/api/programs/club/members/{SOURCE}")).json
    other = await api.post(f"/api/customers/{SOURCE}/erase")
    assert returned["id"] != customer
    assert member["points"]["balance"] == 7
    assert other.json["customer_id"] == returned["id"] != customer
    assert (await differences(api))[0] == []


async def test_erasing_needs_its_own_scope(api: Api) -> None:
    """To write customers is not enough."""
    made = await api.post("/api/keys", {"scopes": ["read_customers", "write_customers"]})
    key = made.json["key"]
    refused = await api.post("/api/customers/x/erase", key=key)
    assert refused.problem[:2] == (403, "forbidden")
