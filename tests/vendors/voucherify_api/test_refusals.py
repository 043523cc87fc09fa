"""Keys, methods, paths and bodies: what is refused, in the vendor's error body."""

from __future__ import annotations

from tests.vendors.voucherify_api.conftest import Shop, error_of
from tests.vendors.voucherify_api.published import PublishedError, as_published
from tierline.clock import wall


async def test_a_route_needs_both_headers_of_one_key(shop: Shop) -> None:
    other = await shop.catalog.add_key(
        shop.number,
        "voucherify",
        (),
        "",
        wall(),
    )
    for headers in (
        {},
        {"x-app-id": shop.app["x-app-id"]},
        {"x-app-token": shop.app["x-app-token"]},
        {**shop.app, "x-app-token": other["app_token"]},
        {**shop.app, "x-app-token": ""},
        {
            "x-app-id": shop.management["x-management-id"],
            "x-app-token": shop.management["x-management-token"],
        },
        shop.native,
        shop.management,
    ):
        answered = await shop.call("GET", "/v1/campaigns", headers=headers)
        assert error_of(answered)[:2] == (401, "unauthorized")
        as_published(answered.json, PublishedError)


async def test_an_application_is_no_management_and_none_is_native(shop: Shop) -> None:
    path = f"/management/v1/projects/{shop.project}/webhooks"
    as_management = {
        "x-management-id": shop.app["x-app-id"],
        "x-management-token": shop.app["x-app-token"],
    }
    for headers in (shop.app, as_management):
        answered = await shop.call("GET", path, headers=headers)
        assert error_of(answered)[:2] == (401, "unauthorized")
    bearer = {"authorization": f"Bearer {shop.app['x-app-token']}"}
    assert (await shop.call("GET", "/api/project", headers=bearer)).status == 401


async def test_a_disabled_key_opens_nothing(shop: Shop) -> None:
    await shop.catalog.disable_key(shop.keys["id"], wall())

    assert (await shop.refused("GET", "/v1/campaigns"))[:2] == (401, "unauthorized")
    path = f"/management/v1/projects/{shop.project}/webhooks"
    assert (await shop.refused("GET", path))[:2] == (401, "unauthorized")


WRITES: list[tuple[str, str, object]] = [
    ("POST", "/v1/customers", {"source_id": "x"}),
    ("PUT", "/v1/customers/anna", {}),
    ("POST", "/v1/loyalties/Club/members", {"customer": "x"}),
    ("POST", "/v1/loyalties/members/v_1/balance", {"points": 1}),
    ("POST", "/v1/campaigns", {"name": "x"}),
    ("POST", "/v1/loyalties/Club/tiers", []),
    ("POST", "/v1/events", {"event": "x", "customer": "y"}),
]


async def test_a_key_that_may_only_read_changes_nothing(shop: Shop) -> None:
    scopes = ("read_customers", "read_programs")
    key = await shop.catalog.add_key(shop.number, "voucherify", scopes, "", wall())
    headers = {"x-app-id": key["app_id"], "x-app-token": key["app_token"]}
    for method, path, body in WRITES:
        answered = await shop.call(method, path, body, headers=headers)
        assert error_of(answered)[:2] == (403, "forbidden"), path


async def test_other_paths_and_methods(shop: Shop) -> None:
    answered = await shop.call("GET", "/v1/promotions/tiers")
    assert error_of(answered)[:2] == (404, "not_found")
    assert "docs/voucherify.md" in answered.json["details"]
    answered = await shop.call("PATCH", "/v1/campaigns/Club")
    assert error_of(answered)[:2] == (405, "method_not_allowed")
    assert answered.headers["allow"] == "GET, DELETE, PUT"
    assert answered.json["request_id"] == answered.headers["x-request-id"]


WRONG: list[tuple[bytes, str]] = [
    (b"", "JSON"),
    (b"{", "JSON"),
    (b"[]", "expected an object"),
    (b'{"source_id": 5}', "source_id: expected a text"),
    (b'{"surname": "x"}', "surname: there is no such field"),
    (b'{"source_id": ""}', "source_id"),
    (b'{"birthdate": "1990-02-30"}', "birthdate: expected a date"),
    (b'{"address": {"town": "x"}}', "address.town: there is no such field"),
    (b'{"metadata": {"a": "\\ud800"}}', "metadata.a"),
    (b'{"source_id": "anna", "source_id": "bob"}', "source_id"),
    (b'{"email": "' + b"x" * 400 + b'"}', "email"),
]


async def test_wrong_customers_are_refused(shop: Shop) -> None:
    for body, details in WRONG:
        status, key, reason = await shop.refused("POST", "/v1/customers", body)
        assert (status, key) == (400, "invalid_payload"), body
        assert details in reason, body


async def test_a_form_is_no_json_and_a_large_body_none_either(shop: Shop) -> None:
    headers = {**shop.app, "content-type": "application/x-www-form-urlencoded"}
    answered = await shop.call("POST", "/v1/customers", b"a=b", headers=headers)
    assert error_of(answered)[:2] == (415, "unsupported_media_type")
    large = b'{"name": "' + b"x" * 1_100_000 + b'"}'
    assert (await shop.refused("POST", "/v1/customers", large))[:2] == (400, "query_too_large")


async def test_long_pages_and_unknown_parameters(shop: Shop) -> None:
    for query in ("limit=101", "limit=x", "page=0", "order=name", "limits=5"):
        answer = await shop.refused("GET", f"/v1/campaigns?{query}")
        assert answer[:2] == (400, "invalid_query_params")
