"""A walk through all that the toy vendor has: `test_toy_vendor` runs it on a copy of the code."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import sys
from pathlib import Path

import tierline
from tests.receiver import Receiver, receiving
from tests.web.conftest import Api, running
from tierline.endpoints.endpoint import Endpoint
from tierline.logging import configure
from tierline.store.database import Database


async def tour(api: Api, receiver: Receiver) -> None:
    key = (await api.post("/api/keys", {"kind": "toy"})).json
    secrets = api.installation.catalog.project_secrets(1)
    same = key["secret"] in secrets.values()
    print(f"key kind {key['kind']}, signs with the project's secret: {same}")
    settings = {"levels": {"wooden": 0, "golden": 100}}
    body = {"name": "Arcade", "format": "toy", "settings": settings}
    made = await api.put("/api/programs/arcade", body)
    tiers = ", ".join(tier["name"] for tier in made.json["policy"]["tiers"])
    print(f"program {made.status}, tiers {tiers}")
    await endpoint(api, receiver)
    changed = await api.call("PATCH", "/api/project", {"toy_program": "arcade"})
    print("project's toy_program:", changed.json["toy_program"])
    await api.put("/api/customers/ann", {"names": {"player": "pl-1"}})
    other = await api.put("/api/customers/ben", {"names": {"player": "pl-1"}})
    print("player pl-1 belongs to", "ann" if other.status == 409 else "nobody")
    activity = {"customer": "ann", "kind": "earn", "points": 120}
    await api.post("/api/programs/arcade/activities", activity)
    (arrived,) = await receiver.wait(1)
    expected = hmac.digest(key["secret"].encode(), arrived.body, hashlib.sha256).hex()
    signed = arrived.headers["x-toy-signature"] == expected
    print(f"webhook {arrived.body.decode()}, signed: {signed}")
    (row,) = (await api.get("/api/endpoints")).json["endpoints"]
    await api.post(f"/api/endpoints/{row['id']}/test")
    sample = (await receiver.wait(2))[1]
    print("test event level.up in upper case:", json.loads(sample.body)["topic"])
    print("routes of its own:", (await api.get("/toy/projects")).body.decode())
    document = (await api.get("/openapi.json")).body.decode()
    print(
        "described:", *(word for word in ("shout", "toy_program", "level.up") if word in document)
    )


async def endpoint(api: Api, receiver: Receiver) -> None:
    body = {"url": receiver.url, "format": "toy", "retry": "toy", "shout": True}
    made = await api.post("/api/endpoints", body)
    shout, preset = made.json["shout"], made.json["retry"]
    deadline = Endpoint("e", 1, 1, receiver.url, format="toy").deadline_ms
    print(f"endpoint {made.status}, shout {shout}, preset {preset}, its own deadline {deadline} ms")
    refused = await api.post("/api/endpoints", {**body, "headers": {"X-Toy-Signature": "mine"}})
    print("header refused:", *refused.problem)


async def main(url: str, directory: Path) -> None:
    assert Path(tierline.__file__).is_relative_to(directory), tierline.__file__
    async with (
        await Database.open(url) as database,
        receiving() as receiver,
        running(database, directory) as api,
    ):
        await tour(api, receiver)


if __name__ == "__main__":
    configure()  # the log goes to stderr
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
