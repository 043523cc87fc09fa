"""Tokens, the legacy pair, scopes, and the vendor's error body."""

from __future__ import annotations

import pytest

from tests.vendors.loyaltylion_api.conftest import Shop, error_of


async def test_a_token_and_the_pair_say_who_they_are(club: Shop) -> None:
    answer = await club.good("GET", "/v2/identity/whoami")
    by_pair = await club.call("GET", "/v2/identity/whoami", headers=club.basic)

    identity = answer["identity"]
    assert by_pair.json == answer
    assert (identity["kind"], identity["integration"]) == ("api_key", None)
    assert {"read_customers", "write_customers", "read_orders", "write_orders"} <= set(
        identity["scopes"]
    )
    (site,) = (await club.good("GET", "/v2/sites"))["sites"]
    assert site["id"] == club.keys["site_id"]


async def test_who_may_write_may_read_and_nobody_else(club: Shop) -> None:
    await club.good("PUT", "/api/customers/ann", {})
    writer = await club.with_scopes("write_customers")
    other = await club.with_scopes("read_orders")

    assert (await club.call("GET", "/v2/customers", headers=writer)).status == 200
    status, error = error_of(await club.call("GET", "/v2/customers", headers=other))
    assert status == 403
    assert "read_customers" in error["message"]
    reader = await club.with_scopes("read_customers")
    change = {"customer": {"blocked": True}}
    refused = await club.call("PATCH", "/v2/customers/ann", change, headers=reader)
    assert error_of(refused)[0] == 403
    assert (await club.customer("ann"))["blocked"] is False


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer pat_00000000000000000000000000000000",
        "Basic",
        "Basic !!!",
        "Basic YQ==",
        "Basic /////w==",
        "Digest x",
    ],
)
async def test_a_wrong_key_is_refused_without_a_reason(club: Shop, header: str) -> None:
    headers = {"authorization": header} if header else {}
    status, _ = error_of(await club.call("GET", "/v2/customers", headers=headers))

    assert status == 401
    native = {"authorization": f"Bearer {club.keys['native']}"}
    assert (await club.call("GET", "/v2/customers", headers=native)).status == 401


async def test_a_disabled_key_opens_nothing(club: Shop) -> None:
    other = await club.with_scopes("read_customers")
    key = next(k for k in club.catalog.keys(club.number) if k.scopes == {"read_customers"})
    await club.catalog.disable_key(key.id, 1)

    assert (await club.call("GET", "/v2/customers", headers=other)).status == 401


async def test_what_is_not_there_is_refused_in_the_vendors_words(club: Shop) -> None:
    assert (await club.refused("GET", "/v2/nothing"))[0] == 404
    assert (await club.refused("DELETE", "/v2/customers"))[0] == 405
    assert (await club.refused("GET", "/headless/2025-06/1/nothing"))[0] == 404
    assert (await club.call("GET", "/v2/nothing", headers={})).status == 401


async def test_a_native_key_passes_on_what_it_holds(club: Shop) -> None:
    """LoyaltyLion's own scopes are those of customers, by another name."""
    reader = await club.good(
        "POST", "/api/keys", {"kind": "native", "scopes": ["read_customers", "manage_keys"]}
    )
    club.native = {"authorization": f"Bearer {reader['key']}"}
    body = {"kind": "loyaltylion", "scopes": ["write_orders"]}
    refused = await club.call("POST", "/api/keys", body)

    assert refused.problem == (403, "forbidden", "scopes")
    unknown = await club.call("POST", "/api/keys", {"kind": "loyaltylion", "scopes": ["read_x"]})
    assert unknown.status == 403


async def test_the_pair_is_not_advised_where_it_opens_nothing(club: Shop) -> None:
    configuration = f"/headless/2025-06/{club.keys['site_id']}/configuration?channel=web"
    for path, ending in (
        ("/v2/customers", "or the site's token and secret as Basic."),
        ("/v2/customers/exports", "the site's token and secret open nothing here."),
        (configuration, "the site's token and secret open nothing here."),
    ):
        headers = {"authorization": "Basic eDp5"}
        status, error = error_of(await club.call("GET", path, headers=headers))
        assert status == 401
        assert error["message"].endswith(ending)


async def test_a_limit_of_calls_is_a_setting(club: Shop) -> None:
    """Off by default; the rest of a second's calls are refused, and say when to go on."""
    path = "/v2/identity/whoami"
    assert {(await club.call("GET", path)).status for _ in range(30)} == {200}
    limit = {"presentations": {"loyaltylion": {"requests_per_second": 1}}}
    await club.good("PATCH", "/api/project", limit)
    answers = [await club.call("GET", path) for _ in range(20)]
    refused = [answered for answered in answers if answered.status == 429]

    assert refused
    assert {answered.headers["retry-after"] for answered in refused} == {"1"}
    assert error_of(refused[0])[1]["message"].startswith(
        "There were more than 1 calls in one second"
    )
    for wrong in (0, -1, "x", True, None):
        body = {"presentations": {"loyaltylion": {"requests_per_second": wrong}}}
        await club.good("PATCH", "/api/project", body)
        assert {(await club.call("GET", path)).status for _ in range(5)} == {200}
