"""Who is made and whose profile changes, for endpoints that ask."""

from __future__ import annotations

import json
from typing import Any

from tests.receiver import Receiver
from tests.web.conftest import Api
from tierline.ledger.files.importer import Importer
from tierline.ledger.writer import Writer

KINDS = ["customer.created", "customer.changed"]


async def ops(api: Api) -> list[tuple[str, Any]]:
    events = (await api.get("/api/events?class=ops")).json["events"]
    return [(event["kind"], event["data"]) for event in events]


async def id_of(api: Api, name: str) -> str:
    return str((await api.get(f"/api/customers/{name}")).json["id"])


async def test_nobody_asks_and_nothing_is_written(club: Api, receiver: Receiver) -> None:
    await club.post("/api/endpoints", {"url": receiver.url})
    await club.put("/api/customers/anna", {"name": "Anna"})
    await club.put("/api/customers/anna", {"name": "Anne"})
    await club.earn("ben", 10)
    assert await ops(club) == []


async def test_whoever_asks_hears_who_is_made_and_what_changed(
    club: Api, receiver: Receiver
) -> None:
    """By a profile, by a first activity; a change of nothing tells nothing. No text of theirs."""
    hook = {"url": receiver.url, "kinds": KINDS}
    endpoint = (await club.post("/api/endpoints", hook)).json["id"]
    await club.put("/api/customers/anna", {"name": "Anna"})
    await club.put("/api/customers/anna", {"name": "Anna"})
    await club.put("/api/customers/anna", {"name": "Anne", "email": "anne@example.com"})
    await club.earn("ben", 10)
    await club.earn("ben", 10)
    anna, ben = await id_of(club, "anna"), await id_of(club, "ben")
    events = [
        ("customer.created", {"customer_id": anna}),
        ("customer.changed", {"customer_id": anna, "fields": ["name", "email"]}),
        ("customer.created", {"customer_id": ben}),
    ]
    assert sorted(await ops(club), key=str) == sorted(events, key=str)
    bodies = [json.loads(request.body) for request in await receiver.wait(3)]
    assert sorted(body["type"] for body in bodies) == sorted(kind for kind, _ in events)
    of_anna = [body["type"] for body in bodies if body["data"]["customer_id"] == anna]
    assert of_anna == KINDS  # one customer's in their order
    assert b"example.com" not in b"".join(request.body for request in receiver)

    assert (await club.call("DELETE", f"/api/endpoints/{endpoint}")).status == 204
    await club.put("/api/customers/eve", {"name": "Eve"})
    assert len(await ops(club)) == 3


async def test_they_are_of_the_project_and_need_the_scope(club: Api, receiver: Receiver) -> None:
    narrow = (await club.post("/api/keys", {"scopes": ["manage_endpoints"]})).json["key"]
    hook = {"url": receiver.url, "kinds": ["customer.created"]}
    refused = await club.post("/api/endpoints", hook, key=narrow)
    assert refused.problem == (403, "forbidden", "kinds")
    project = club.process.installation.catalog.projects()[0]
    assert not project.tells_of_customers
    assert (await club.post("/api/endpoints", hook)).status == 201
    assert club.process.installation.catalog.project(project.number).tells_of_customers


async def test_a_quiet_import_tells_nothing(club: Api, receiver: Receiver, tmp_path: Any) -> None:
    await club.post("/api/endpoints", {"url": receiver.url, "kinds": KINDS})
    here = club.process.installation
    project = here.catalog.projects()[0]
    number, _ = await here.catalog.need_program(project.number, "club")
    writer = Writer(here.database, here.catalog, lambda _: None)
    await writer.start()
    try:
        for name, quiet in (("anna", True), ("ben", False)):
            path = tmp_path / f"{name}.jsonl"
            earned = {"kind": "earn", "points": 1, "key": name}
            lines = [{"customer": name, "name": name, "points": 5}]
            lines += [{"customer": "quiet cleo", **earned}] if quiet else []
            path.write_text("\n".join(json.dumps(line) for line in lines))
            place = (here.database, here.catalog, writer, project, number)
            await Importer(*place, quiet=quiet).run(path)
    finally:
        await writer.stop()
    assert await ops(club) == [("customer.created", {"customer_id": await id_of(club, "ben")})]
