"""What a key may not do is refused before anything happens."""

from __future__ import annotations

from tests.e2e.caller import Caller
from tests.receiver import Receiver

MANAGER = ["manage_endpoints", "read_programs"]


async def limited(caller: Caller, *scopes: str) -> str:
    """A key that holds only these scopes."""
    made = await caller.post("/api/keys", {"kind": "native", "scopes": list(scopes)})
    assert set(made["scopes"]) == set(scopes)
    return str(made["key"])


async def test_tier_events_need_a_key_that_may_read_customers(
    caller: Caller, receiver: Receiver
) -> None:
    """Without `read_customers` no endpoint can be made to hear of customers, nor be changed to;
    one that hears of operations can."""
    key = await limited(caller, *MANAGER)
    before = await caller.get("/api/endpoints")
    for kinds in ([], ["upgraded"], ["joined", "endpoint.failing"]):
        body = {"url": receiver.url, "kinds": kinds}
        refused = await caller.call("POST", "/api/endpoints", body, key=key)
        assert refused.problem == (403, "forbidden", "kinds")
        assert "read_customers" in refused.json["detail"]
    assert await caller.get("/api/endpoints") == before

    body = {"url": receiver.url, "kinds": ["endpoint.failing"]}
    made = await caller.call("POST", "/api/endpoints", body, key=key)
    assert made.status == 201, made.body
    path = f"/api/endpoints/{made.json['id']}"
    widened = await caller.call("PATCH", path, {"kinds": ["upgraded"]}, key=key)
    assert widened.problem == (403, "forbidden", "kinds")
    assert (await caller.get(path))["kinds"] == ["endpoint.failing"]


async def test_each_door_asks_for_its_scope(caller: Caller) -> None:
    """A key of one purpose opens nothing else; no key, or a wrong one, opens nothing at all."""
    key = await limited(caller, *MANAGER)
    doors = [
        ("POST", "/api/programs/none/activities", "write_customers"),
        ("PUT", "/api/programs/none", "write_programs"),
        ("PUT", "/api/customers/none", "write_customers"),
        ("GET", "/api/customers/none", "read_customers"),
        ("GET", "/api/events", "read_customers"),
        ("GET", "/api/keys", "manage_keys"),
        ("POST", "/api/clock", "write_customers"),
    ]
    for method, path, scope in doors:
        body: dict[str, str] | None = {} if method != "GET" else None
        refused = await caller.call(method, path, body, key=key)
        assert refused.problem[:2] == (403, "forbidden"), path
        assert scope in refused.json["detail"]
        for wrong in ("", "tk_nobody"):
            unknown = await caller.call(method, path, body, key=wrong)
            assert unknown.problem[:2] == (401, "unauthorized"), path
            assert unknown.headers["www-authenticate"].startswith("Bearer")


async def test_a_key_passes_on_only_what_it_holds(caller: Caller) -> None:
    """Who manages keys cannot raise themselves."""
    key = await limited(caller, "manage_keys")
    body = {"kind": "native", "scopes": ["read_customers"]}
    refused = await caller.call("POST", "/api/keys", body, key=key)
    assert refused.problem == (403, "forbidden", "scopes")
