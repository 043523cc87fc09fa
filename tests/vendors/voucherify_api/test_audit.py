"""What is changed over Voucherify's API stands in the audit log, under the vendor's key."""

from __future__ import annotations

from tests.vendors.voucherify_api.conftest import Shop


async def test_changes_are_noted_under_the_vendors_key(shop: Shop) -> None:
    """Without the address of a webhook, and without the words of a reason."""
    await shop.good("POST", "/v1/campaigns", {"name": "Club"})
    joining = {"customer": {"source_id": "bob"}, "voucher": "CARD-1"}
    await shop.good("POST", "/v1/loyalties/Club/members", joining)
    change = {"points": 50, "reason": "Bob's birthday"}
    await shop.good("POST", "/v1/loyalties/Club/members/CARD-1/balance", change)
    lines = (await shop.good("GET", "/api/audit?kind=member"))["changes"]
    programs = (await shop.good("GET", "/api/audit?kind=program"))["changes"]
    (key,) = {line["actor"] for line in lines}
    kinds = {k["id"]: k["kind"] for k in (await shop.good("GET", "/api/keys"))["keys"]}

    assert [line["kind"] for line in lines] == ["member.adjusted"]
    assert lines[0]["after"]["points"] == 50
    assert kinds[key] == "voucherify"
    assert [(line["kind"], line["actor"]) for line in programs] == [("program.created", key)]
    assert "birthday" not in str(lines)


async def test_a_paused_program_gives_nothing(shop: Shop) -> None:
    await shop.good("POST", "/v1/campaigns", {"name": "Club"})
    native = (await shop.good("GET", "/api/programs"))["programs"][0]["id"]
    await shop.good("POST", f"/api/programs/{native}/pause")
    answer = await shop.call("POST", "/v1/loyalties/Club/members", {"customer": {"source_id": "b"}})
    assert (answer.status, "paused" in answer.body.decode()) == (400, True)
