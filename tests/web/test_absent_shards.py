"""A shard is away: what is answered then, on any PostgreSQL. That a node went is said here, for a
real one see `test_node_away.py`."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.receiver import Receiver
from tests.web.conftest import Answered, Api
from tierline.model import ids

GOLD = "/api/programs/club/activities"
NDJSON = {"content-type": "application/x-ndjson"}


def customers(api: Api, shard: int, count: int = 3) -> list[str]:
    """Names of customers who live in a shard."""
    (project,) = api.installation.catalog.projects()
    shards = api.installation.database.shards
    names = (f"c{i}" for i in range(1_000))
    there = [n for n in names if ids.shard_of(ids.route(project.id, n), shards) == shard]
    return there[:count]


def points(name: str, key: str | None = None) -> dict[str, Any]:
    return {"customer": name, "kind": "earn", "points": 100} | ({} if key is None else {"key": key})


@pytest.fixture
async def half(club: Api) -> Api:
    """The club's shard 1 is away; in both shards somebody was there before."""
    for shard in (0, 1):
        assert (await club.earn(customers(club, shard)[0], 100)).status == 200
    club.installation.database.absent.saw({1: "node"})
    return club


def back(api: Api) -> None:
    api.installation.database.absent.saw({})


def codes(answered: Answered) -> list[str]:
    return [item.get("code", "done") for item in answered.json]


async def test_it_is_refused_at_once_and_others_are_not(half: Api) -> None:
    """With a code of its own, and when to come again; the same key is taken when it is back."""
    there, gone = customers(half, 0)[1], customers(half, 1)[1]
    refused = await half.earn(gone, 100, key="k")
    taken = await half.earn(there, 100)
    back(half)
    again = await half.earn(gone, 100, key="k")

    assert refused.problem[:2] == (503, "node_away")
    assert refused.headers["retry-after"] == "5"
    assert "shard 1" in refused.json["detail"]
    assert taken.status == 200
    assert (again.status, again.json["repeated"]) == (200, False)


async def test_an_array_answers_item_by_item(half: Api) -> None:
    """As a whole it is refused only where nothing of it was done."""
    (there, *_), (gone, *_) = customers(half, 0), customers(half, 1)
    mixed = await half.post(GOLD, [points(there), points(gone), points(there)])
    nobody = await half.post(GOLD, [points(gone), points(gone)])

    assert (mixed.status, codes(mixed)) == (200, ["done", "node_away", "done"])
    assert nobody.problem[:2] == (503, "node_away")


async def test_so_does_a_stream(half: Api) -> None:
    """Line by line."""
    names = [customers(half, 1)[0], customers(half, 0)[0]]
    lines = "\n".join(json.dumps(points(name)) for name in names).encode()
    answered = await half.post(GOLD, lines, headers=NDJSON)

    outcomes = [json.loads(line).get("code", "done") for line in answered.body.splitlines()]
    assert outcomes == ["node_away", "done"]


async def test_who_leaves_the_customer_open_is_refused(half: Api) -> None:
    """Whose activity a key names is known only when every shard was asked."""
    there = customers(half, 0)[0]
    await half.post(GOLD, points(there, "o-1"))
    void = {"kind": "void", "of": "o-1"}
    alone = await half.post(GOLD, void)
    mixed = await half.post(GOLD, [void, points(there)])

    assert alone.problem[:2] == (503, "node_away")
    assert codes(mixed) == ["node_away", "done"]


async def test_ready_says_which_shards_are_away(half: Api) -> None:
    """Degraded while some are there; not ready when nothing is left."""
    one = await half.get("/readyz", key="")
    half.installation.database.absent.saw({0: "node", 1: "node"})
    none = await half.get("/readyz", key="")
    back(half)
    all_ = await half.get("/readyz", key="")

    assert (one.status, one.json["status"]) == (200, "degraded")
    assert (one.json["missing"], one.json["away"]) == (["shards"], [1])
    assert "shard 1 is away" in one.json["details"][0]
    assert (none.status, none.json["status"]) == (503, "not_ready")
    assert (none.json["missing"], none.json["away"]) == (["shards"], [0, 1])
    assert all_.json == {"status": "ready", "missing": [], "details": []}


def people(answered: Answered) -> list[str]:
    """Who the events of a page are of."""
    return [event["customer"] for event in answered.json["events"]]


async def test_the_feed_goes_on_and_skips_nothing(half: Api) -> None:
    """The cursor waits in the shard that is away; its events follow, each once."""
    (old, new, _), (gone, later, _) = customers(half, 0), customers(half, 1)
    first = await half.get("/api/events?limit=1000")
    await half.earn(new, 100)
    second = await half.get(f"/api/events?after={first.json['next']}")
    back(half)
    await half.earn(later, 100)
    third = await half.get(f"/api/events?after={second.json['next']}")
    fourth = await half.get(f"/api/events?after={third.json['next']}")

    assert (first.json["away"], second.json["away"]) == ([1], [1])
    assert "away" not in third.json
    assert set(people(first)) == {old}
    assert set(people(second)) == {new}
    assert set(people(third)) == {gone, later}
    assert people(fourth) == []


async def test_a_feed_that_begins_meanwhile_has_all_since_then(half: Api) -> None:
    """Where it is to begin in a shard that is away is looked up when that is back."""
    (old, *_), (gone, *_) = customers(half, 0), customers(half, 1)
    since = await half.get("/api/events?since=2020-01-01T00:00:00Z")
    late = await half.get("/api/events?since=2099-01-01T00:00:00Z")
    back(half)
    after_since = await half.get(f"/api/events?after={since.json['next']}")
    after_late = await half.get(f"/api/events?after={late.json['next']}")

    assert set(people(since)) == {old}
    assert set(people(after_since)) == {gone}
    assert people(late) == people(after_late) == []


async def test_the_feed_of_one_customer_needs_one_shard(half: Api) -> None:
    """Theirs."""
    (old, *_), (gone, *_) = customers(half, 0), customers(half, 1)
    theirs = await half.get(f"/api/events?customer={old}")
    more = await half.get(f"/api/events?customer={old}&after={theirs.json['next']}")

    assert set(people(theirs)) == {old}
    assert people(more) == []
    back(half)
    cursor = (await half.get(f"/api/events?customer={gone}")).json["next"]
    half.installation.database.absent.saw({1: "node"})
    refused = await half.get(f"/api/events?customer={gone}&after={cursor}")
    assert refused.problem[:2] == (503, "node_away")


async def test_lists_say_what_they_leave_out(half: Api) -> None:
    """Nobody takes half of the customers for all of them. By last change there is no list: up to
    when it is complete is not known."""
    (there, *_), (gone, *_) = customers(half, 0), customers(half, 1)
    pages = {
        path: await half.get(path) for path in ("/api/customers", "/api/programs/club/members")
    }
    changed = await half.get("/api/customers?sort=updated_at")
    back(half)
    whole = await half.get("/api/programs/club/members")

    names = [pages["/api/customers"].json["customers"][0]["source_id"]]
    names += [line["customer"] for line in pages["/api/programs/club/members"].json["members"]]
    assert names == [there, there]
    assert [answered.json["away"] for answered in pages.values()] == [[1], [1]]
    assert changed.problem[:2] == (503, "node_away")
    assert {line["customer"] for line in whole.json["members"]} == {there, gone}
    assert "away" not in whole.json


async def test_endpoints_say_what_is_not_told_of_them(club: Api, receiver: Receiver) -> None:
    """Their lag, attempts and lanes are those of the shards that are there; a replay by time, which
    would leave events out, is refused."""
    made = (await club.post("/api/endpoints", {"url": receiver.url})).json["id"]
    for shard in (0, 1):
        await club.earn(customers(club, shard)[0], 100)
    await receiver.wait(2)
    paths = ("", "/attempts", "/lanes")
    while len((await club.get(f"/api/endpoints/{made}/attempts")).json["attempts"]) < 2:
        await asyncio.sleep(0.01)
    before = [await club.get(f"/api/endpoints/{made}{path}") for path in paths]
    club.installation.database.absent.saw({1: "node"})
    during = [await club.get(f"/api/endpoints/{made}{path}") for path in paths]
    listed = await club.get("/api/endpoints")
    counted = await club.post(
        f"/api/endpoints/{made}/replay", {"everything": True, "dry_run": True}
    )
    back(club)

    assert [answered.json.get("away") for answered in before] == [None] * 3
    assert [answered.json.get("away") for answered in during] == [[1]] * 3
    assert listed.json["endpoints"][0]["away"] == [1]
    lines = [len(answered.json["attempts"]) for answered in (before[1], during[1])]
    assert lines == [2, 1]
    assert counted.problem[:2] == (503, "node_away")
