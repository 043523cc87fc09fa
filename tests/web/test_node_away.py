"""A worker of a real cluster is away: the server refuses what needs it, does all the rest, and sees
by itself when it is back. It needs TIERLINE_TEST_CITUS_URL, and two workers at least."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.conftest import PLACES
from tests.gates import SHARDS, Gate, GatedCluster
from tests.receiver import Receiver
from tests.web.conftest import CLUB, SERVING, Answered, Api, running
from tierline.app import serving
from tierline.clock import wall
from tierline.endpoints.health_records import home
from tierline.model import ids
from tierline.store import diagnostics
from tierline.store.database import Database
from tierline.store.node_watch import by_node, placements, watching

pytestmark = [
    pytest.mark.database,
    pytest.mark.skipif("citus" not in PLACES, reason="TIERLINE_TEST_CITUS_URL not given"),
]
PATH = "/api/programs/club/activities"
NDJSON = {"content-type": "application/x-ndjson"}


class Nodes:
    """The server on its cluster, and who lives where."""

    def __init__(self, api: Api, cluster: GatedCluster, shards: dict[str, list[int]]) -> None:
        self.api = api
        self.gates = cluster.gates
        first, second = (f"127.0.0.1:{gate.port}" for gate in cluster.gates[:2])
        self.gone, self.there = shards[first], shards[second]
        (self.project,) = api.installation.catalog.projects()

    @property
    def gate(self) -> Gate:
        """The way to the node that holds `gone`."""
        return self.gates[0]

    def customer(self, shards: list[int], nth: int = 0) -> str:
        names = (f"c{i}" for i in range(10_000))
        here = (n for n in names if ids.shard_of(ids.route(self.project.id, n), SHARDS) in shards)
        return [next(here) for _ in range(nth + 1)][-1]

    async def ready(self, status: str) -> Answered:
        """What `/readyz` says as soon as it says this."""
        while (answered := await self.api.get("/readyz", key="")).json["status"] != status:
            await asyncio.sleep(0.01)
        return answered


@pytest.fixture(scope="module")
def cluster() -> Iterator[GatedCluster]:
    async def made() -> GatedCluster:
        cluster = await GatedCluster.at_url(os.environ["TIERLINE_TEST_CITUS_URL"])
        async with cluster:
            await cluster.make_template()
        return cluster

    gated = asyncio.run(made())
    yield gated
    asyncio.run(gated.drop(gated.url_of(gated.template)))


@pytest.fixture
async def gated_url(cluster: GatedCluster) -> AsyncIterator[str]:
    url = await cluster.create(cluster.template)
    async with cluster:
        yield url
    await cluster.drop(url)


@pytest.fixture
async def nodes(cluster: GatedCluster, gated_url: str, tmp_path: Path) -> AsyncIterator[Nodes]:
    """A server with a club; everybody's node is there."""
    async with (
        await Database.open(gated_url) as database,
        watching(database),
        running(database, tmp_path) as api,
    ):
        yield await with_club(api, cluster)


async def with_club(api: Api, cluster: GatedCluster) -> Nodes:
    assert (await api.put("/api/programs/club", CLUB)).status == 201
    async with api.installation.database.pool.acquire() as connection:
        shards = by_node(await placements(connection, SHARDS))  # type: ignore[arg-type]
    return Nodes(api, cluster, shards)


def points(name: str, key: str) -> dict[str, Any]:
    return {"customer": name, "kind": "earn", "points": 100, "key": key}


async def test_what_needs_the_node_is_refused_and_nothing_else(nodes: Nodes) -> None:
    """At once, whether somebody knew of it before or not; the first one finds out. When it is back
    the same requests are taken, each once."""
    api, gone, there = nodes.api, nodes.customer(nodes.gone), nodes.customer(nodes.there)
    before = await api.post(PATH, points(gone, "1"))
    await nodes.gate.close()
    first = await api.post(PATH, points(gone, "2"))
    ready = await api.get("/readyz", key="")
    other = await api.post(PATH, points(there, "1"))
    both = [points(there, "2"), points(gone, "3")]
    array = await api.post(PATH, both)
    lines = "\n".join(map(json.dumps, both)).encode()
    stream = await api.post(PATH, lines, headers=NDJSON)
    member = await api.get(f"/api/programs/club/members/{gone}")
    await nodes.gate.open()
    again = await nodes.ready("ready")
    later = [await api.post(PATH, points(gone, key)) for key in ("1", "2", "3")]

    assert before.status == 200
    assert first.problem[:2] == (503, "node_away")
    assert first.headers["retry-after"] == "5"
    assert (ready.status, ready.json["status"]) == (200, "degraded")
    assert ready.json["away"] == nodes.gone
    assert other.status == 200
    assert [item.get("code", "done") for item in array.json] == ["done", "node_away"]
    answers = [json.loads(line) for line in stream.body.splitlines()]
    assert [line.get("code", "done") for line in answers] == ["done", "node_away"]
    assert member.problem[:2] == (503, "node_away")
    assert "away" not in again.json
    assert [answered.json["repeated"] for answered in later] == [True, False, False]
    assert later[-1].json["balance"] == 300


async def test_it_is_noticed_without_a_request(nodes: Nodes) -> None:
    """By looking now and then. With no node left the server is not ready, and refuses all."""
    await nodes.gate.close()
    one = await nodes.ready("degraded")
    for gate in nodes.gates[1:]:
        await gate.close()
    none = await nodes.ready("not_ready")
    refused = await nodes.api.post(PATH, points(nodes.customer(nodes.there), "1"))
    for gate in nodes.gates:
        await gate.open()
    await nodes.ready("ready")

    assert (one.status, one.json["missing"]) == (200, ["shards"])
    assert (none.status, none.json["missing"]) == (503, ["shards"])
    assert refused.problem[:2] == (503, "node_away")


async def test_a_node_that_is_back_is_connected_to_at_once(nodes: Nodes) -> None:
    """Not after the minute for which one that could not be reached is left to the coordinator."""
    places, node = nodes.api.installation.database.nodes, f"127.0.0.1:{nodes.gate.port}"
    await nodes.gate.close()
    await nodes.ready("degraded")
    places.failed(node, ConnectionRefusedError())
    assert places.of(nodes.gone[0]) is None
    await nodes.gate.open()
    await nodes.ready("ready")

    assert places.of(nodes.gone[0]) == node


async def test_the_feed_and_webhooks_of_the_others_go_on(nodes: Nodes, receiver: Receiver) -> None:
    """Nothing is skipped: what lay in the node comes when it is back."""
    api, gone, there = nodes.api, nodes.customer(nodes.gone), nodes.customer(nodes.there)
    await api.post("/api/endpoints", {"url": receiver.url})
    await api.post(PATH, points(gone, "1"))
    await receiver.wait(1)
    await nodes.gate.close()
    await nodes.ready("degraded")
    await api.post(PATH, points(there, "1"))
    await receiver.wait(2)
    during = await api.get("/api/events")
    await nodes.gate.open()
    await nodes.ready("ready")
    after = await api.get(f"/api/events?after={during.json['next']}")
    await api.post(PATH, points(nodes.customer(nodes.gone, 1), "1"))
    await receiver.wait(3)

    assert during.json["away"] == nodes.gone
    assert {event["customer"] for event in during.json["events"]} == {there}
    assert {event["customer"] for event in after.json["events"]} == {gone}
    assert "away" not in after.json


async def test_doctor_names_the_node_and_looks_at_the_rest(nodes: Nodes, gated_url: str) -> None:
    """In a process of its own, which was started while the node was away."""
    await nodes.gate.close()
    async with await Database.open(gated_url) as database, watching(database):
        findings = await diagnostics.findings(database, nodes.api.installation.catalog, wall())

    unwell = {check.about: check.text for check in findings if not check.well}
    well = {check.about for check in findings if check.well}
    assert unwell.keys() == {"nodes", *(f"shard {shard}" for shard in nodes.gone)}
    assert f"127.0.0.1:{nodes.gate.port} away" in unwell["nodes"]
    assert {f"shard {shard}" for shard in nodes.there} <= well


async def test_a_sender_that_starts_meanwhile_sends_what_it_can(
    cluster: GatedCluster, gated_url: str, tmp_path: Path, receiver: Receiver
) -> None:
    """And the rest when the node is back, without another start; each event once."""
    async with await Database.open(gated_url) as database, watching(database):
        async with running(database, tmp_path) as api:
            nodes = await with_club(api, cluster)
            await endpoint_with_home(nodes, receiver.url)
            await api.post(PATH, points(nodes.customer(nodes.gone), "1"))
            await receiver.wait(1)
        await nodes.gate.close()
        assert await database.absent.confirms_any()
        async with serving(api.installation, SERVING) as process, ClientSession() as session:
            nodes.api = Api(session, process, api.key)
            await nodes.api.post(PATH, points(nodes.customer(nodes.there), "1"))
            await receiver.wait(2)
            await nodes.gate.open()
            await nodes.ready("ready")
            await nodes.api.post(PATH, points(nodes.customer(nodes.gone, 1), "1"))
            requests = await receiver.wait(3)

    people = [json.loads(request.body)["data"]["customer"] for request in requests]
    names = (nodes.customer(nodes.gone), nodes.customer(nodes.there), nodes.customer(nodes.gone, 1))
    assert people == list(names)
    assert len(receiver.requests) == 3


async def endpoint_with_home(nodes: Nodes, url: str) -> None:
    """An endpoint whose health lies in a shard that stays."""
    while True:
        made = (await nodes.api.post("/api/endpoints", {"url": url})).json["id"]
        if home(made, SHARDS) in nodes.there:
            return
        await nodes.api.call("DELETE", f"/api/endpoints/{made}")
