"""A customer of whom there is a trace wherever one can be: every text of theirs holds TOKEN."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from tests.web.conftest import Api
from tests.web.test_orders import RULES
from tierline.ledger.files.importer import Importer
from tierline.ledger.writer import Writer
from tierline.model import ids

TOKEN = "zqPlanted"
ACTIVITIES = "/api/programs/club/activities"
SOURCE = f"{TOKEN}-source"
RENAMED = f"{TOKEN}-renamed"
PROFILE: dict[str, Any] = {
    "name": f"{TOKEN} Nowak",
    "email": f"{TOKEN}@shop.example",
    "phone": f"+48 {TOKEN}",
    "birthdate": "1990-05-01",
    "address": {"line_1": f"{TOKEN} Street 1", "city": f"{TOKEN} City", "postal_code": TOKEN},
    "metadata": {"shoe": f"{TOKEN}-shoe", TOKEN: 1},
    "names": {"card": f"{TOKEN}-card"},
    "presentations": {"voucherify": {"note": TOKEN}},
    "id": f"{TOKEN}-own-id",
    "number": 123_456_789,
}


async def post(api: Api, kind: str, **fields: Any) -> dict[str, Any]:
    answered = await api.post(ACTIVITIES, {"kind": kind, "customer": SOURCE, **fields})
    assert answered.status == 200, answered.body
    answer: dict[str, Any] = answered.json
    return answer


async def planted(api: Api, hook: dict[str, Any] | None = None) -> str:
    """The customer's id, as we made it. `hook`: an endpoint that hears of them."""
    assert (await api.put("/api/programs/club", RULES)).status == 201
    if hook is not None:
        answered = await api.post("/api/endpoints", hook)
        assert answered.status == 201, answered.body
    made = await api.put(f"/api/customers/{SOURCE}", PROFILE)
    assert made.status == 201, made.body
    said = {"metadata": {"note": f"{TOKEN}-note", TOKEN: TOKEN}}
    for kind in ("earn", "custom", "redeem", "adjust"):
        name = {"name": f"{TOKEN}-visit"} if kind == "custom" else {"points": 40}
        await post(api, kind, key=f"{TOKEN}-{kind}", **said, **name)
    await post(api, "earn", points=300, key=f"{TOKEN}-big", **said)
    await post(api, "order", amount=500, key=f"{TOKEN}-shop", **said)
    await post(api, "refund", of=f"{TOKEN}-shop", amount=200, key=f"{TOKEN}-back", **said)
    await post(api, "earn", points=9, key=f"{TOKEN}-wrong", **said)
    await post(api, "void", of=f"{TOKEN}-wrong", key=f"{TOKEN}-void", **said)
    pending = {"points": 8, "available_at": "2199-01-01T00:00:00Z"}
    await post(api, "earn", key=f"{TOKEN}-pending", **pending, **said)
    await post(api, "earn", key=f"{TOKEN}-later", **pending, **said)
    await post(api, "approve", of=f"{TOKEN}-later", key=f"{TOKEN}-approved")
    await _import(api, said)
    await _order(api)
    await _transfers(api, said)
    await _membership(api)
    renamed = await api.put(f"/api/customers/{SOURCE}", {"source_id": RENAMED})
    assert renamed.status == 200, renamed.body
    pool = api.process.installation.database.pool
    number = await pool.fetchval("SELECT customer FROM alias WHERE name = $1", SOURCE)
    return ids.customer_id(number)


async def _import(api: Api, said: dict[str, Any]) -> None:
    """A file of another system's, by the path of `tierline import`."""
    here = api.process.installation
    project = here.catalog.projects()[0]
    program = here.catalog.programs(project.number)[0].number
    lines = [
        {"customer": SOURCE, "kind": "earn", "points": 6, "key": f"{TOKEN}-old", **said},
        {"customer": SOURCE, "name": PROFILE["name"], "email": PROFILE["email"]},
    ]
    writer = Writer(here.database, here.catalog, lambda _: None)
    await writer.start()
    try:
        with NamedTemporaryFile("w", suffix=".jsonl") as file:
            file.write("".join(json.dumps(line) + "\n" for line in lines))
            file.flush()
            importer = Importer(here.database, here.catalog, writer, project, program)
            done = await importer.run(Path(file.name))
    finally:
        await writer.stop()
    assert (done.records, done.refused) == (2, 0)


async def _order(api: Api) -> None:
    order = {
        "order": f"{TOKEN}-1001",
        "key": f"{TOKEN}-statement",
        "paid": 9000,
        "as_of": "2024-03-02T10:00:00Z",
        "items": [{"product": f"{TOKEN}-sku", "name": TOKEN, "amount": 9000}],
        "metadata": {"note": TOKEN},
    }
    await post(api, "order", **order)
    await post(api, "order", **{**order, "key": f"{TOKEN}-s2", "refunded": 1000})


async def _transfers(api: Api, said: dict[str, Any]) -> None:
    await post(api, "earn", customer="bob", points=500, key="b-1")
    there = {"to": "bob", "points": 30, "reason": f"{TOKEN} gives", **said}
    back = {"to": SOURCE, "points": 10, "reason": f"for {TOKEN}", **said}
    await post(api, "transfer", key=f"{TOKEN}-there", **there)
    await post(api, "transfer", customer="bob", key="bob-back", **back)
    closed = "/api/programs/closed"
    assert (await api.put(closed, RULES | {"auto_join": False})).status == 201
    assert (await api.put(f"{closed}/members/bob", {})).status == 200
    for n, activity in enumerate(({"kind": "earn"}, {"kind": "transfer", "to": SOURCE, **said})):
        body = {"customer": "bob", "points": 5, "key": f"bob-lost-{n}", **activity}
        assert (await api.post(f"{closed}/activities", body)).status == 200


async def _membership(api: Api) -> None:
    path = f"/api/programs/club/members/{SOURCE}"
    attributes = await api.put(
        f"{path}/attributes", {"attributes": {"colour": f"{TOKEN}-blue", "vip": True}}
    )
    assert attributes.status == 200, attributes.body
    override = {"kind": "floor", "tier": "silver", "reason": f"{TOKEN} complained", "actor": TOKEN}
    answered = await api.put(f"{path}/override", override)
    assert answered.status in (200, 201), answered.body
