"""Programs and customers: what is put in comes out, and a change makes a version."""

from __future__ import annotations

import asyncio

from tests.web.conftest import CLUB, POLICY, Api


async def test_a_program_comes_out_as_it_went_in(club: Api) -> None:
    """With its version, and when that came into force."""
    answer = (await club.get("/api/programs/club")).json

    assert answer["policy"]["tiers"] == POLICY["tiers"]
    assert (answer["id"], answer["name"], answer["version"], answer["auto_join"]) == (
        "club", "Club", 1, True,
    )  # fmt: skip
    assert [version["number"] for version in answer["versions"]] == [1]


async def test_the_same_rules_make_no_second_version(club: Api) -> None:
    """A PUT is safe to repeat."""
    again = await club.put("/api/programs/club", CLUB)
    other = await club.put("/api/programs/club", CLUB | {"name": "Club!"})

    assert (again.status, again.json["version"]) == (200, 1)
    assert (other.status, other.json["version"]) == (200, 2)


async def test_new_rules_are_in_force_when_they_are_answered(club: Api) -> None:
    """The next activity is judged by them."""
    await club.earn("anna", 60)
    lower = [dict(tier) for tier in POLICY["tiers"]]
    lower[0]["to"], lower[1]["from"] = 49, 50
    await club.put("/api/programs/club", CLUB | {"policy": POLICY | {"tiers": lower}})

    assert (await club.earn("ben", 60)).json["tier"] == "silver"
    assert (await club.earn("anna", 1)).json["tier"] == "silver"


async def test_a_sandbox_judges_its_members_by_new_rules_at_once(sandbox: Api) -> None:
    """Its clock steps on by a millisecond, so that whoever was judged a moment ago is, again."""
    await sandbox.earn("anna", 60)
    lower = [dict(tier) for tier in POLICY["tiers"]]
    lower[0]["to"], lower[1]["from"] = 49, 50
    new = CLUB | {"policy": POLICY | {"tiers": lower}, "on_change": "rejudge"}
    put = await sandbox.put("/api/programs/club", new)
    anna = await sandbox.get("/api/programs/club/members/anna")

    assert put.json["effective_at"] == "2024-01-01T00:00:00.001Z"
    assert anna.json["tier"]["id"] == "silver"


async def test_rules_for_later_wait(sandbox: Api) -> None:
    """Until their instant the old ones hold."""
    later = CLUB | {"name": "New Club", "effective_at": "2024-06-01T00:00:00Z"}
    put = await sandbox.put("/api/programs/club", later)
    now = await sandbox.get("/api/programs/club")
    then = await sandbox.get("/api/programs/club?at=2024-06-01T00:00:00Z")

    assert (put.json["version"], now.json["name"], then.json["name"]) == (2, "Club", "New Club")
    refused = await sandbox.put("/api/programs/club", CLUB | {"name": "Mended"})
    assert refused.problem == (409, "conflict", "effective_at")


async def test_traps_are_warned_of(api: Api) -> None:
    """The rules work, so they are taken; the field and the reason are told."""
    policy = POLICY | {"term": {"type": "window_end"}}
    put = await api.put("/api/programs/club", CLUB | {"policy": policy})

    assert put.status == 201
    assert [warning["path"] for warning in put.json["warnings"]] == ["policy.term"]


async def test_traps_of_a_vendor_are_warned_of(api: Api) -> None:
    """Points that redeem themselves at 100: a balance of 100 is never there. So says a preview."""
    reward = {"reward": "rew_1", "parameters": {"loyalty": {"points": 100, "auto_redeem": True}}}
    tiers = [
        {"name": "Silver", "points": {"from": 1, "to": 99}},
        {"name": "Gold", "points": {"from": 100}},
    ]
    body = {"format": "voucherify", "settings": {"loyalty_tiers": tiers, "rewards": [reward]}}
    put = await api.put("/api/programs/club", body)
    previewed = await api.post("/api/programs/club/preview", body)

    paths = [[w["path"] for w in answer.json["warnings"]] for answer in (put, previewed)]
    assert paths == [["settings.rewards[0].parameters.loyalty.auto_redeem"]] * 2


async def test_vendor_settings_become_rules(api: Api) -> None:
    """In the vendor's own words; what stands beside them replaces that part."""
    settings = {
        "boundary_mode": "spend",
        "membership": {"mode": "lifetime"},
        "tiers": [
            {"name": "Bronze", "lower_bound": 0},
            {"name": "Silver", "lower_bound": 20_001},
        ],
    }
    body = {"name": "Lion", "format": "loyaltylion", "settings": settings, "auto_join": False}
    put = await api.put("/api/programs/lion", body)

    assert put.status == 201, put.body
    assert [tier["name"] for tier in put.json["policy"]["tiers"]] == ["Bronze", "Silver"]
    assert put.json["auto_join"] is False


async def test_versions_that_never_come_into_force_are_marked(club: Api) -> None:
    """Those that a later one overtook; those that were in force, and those to come, are not."""
    one, *rest = (await club.get("/api/programs/club")).json["versions"]
    assert (one["superseded"], rest) == (False, [])
    policy = (await club.get("/api/programs/club")).json["policy"]
    names = ("Second", "Third", "Fourth")
    for name, at in zip(names, ("2199-01-01", "2198-01-01", None), strict=True):
        body = {"name": name, "policy": policy, "supersede": True}
        body |= {"effective_at": f"{at}T00:00:00Z"} if at else {}
        assert (await club.put("/api/programs/club", body)).status == 200
        marks = (await club.get("/api/programs/club")).json["versions"]
        later = [line["number"] for line in marks if line["superseded"]]
        assert later == [n for n in (3, 2) if n < marks[0]["number"]]
    old = await club.get("/api/programs/club?version=2")
    assert (old.json["name"], len(old.json["versions"])) == ("Second", 4)


async def test_programs_are_listed(club: Api) -> None:
    """With the ids of their tiers."""
    listed = await club.get("/api/programs")

    assert listed.json["programs"] == [
        {"id": "club", "name": "Club", "version": 1, "tiers": ["bronze", "silver", "gold"]}
    ]


async def test_a_customer_is_made_and_changed(api: Api) -> None:
    """Making one makes no member; what is not said stays."""
    imported = {
        "id": "cust_old", "number": 6932, "name": "Jessica White", "email": "j@example.com",
        "metadata": {"b": 1, "1": 2.0}, "created_at": "2015-12-10T03:00:00Z",
        "names": {"merchant": "2134606599", "card": ["C1", "C2"]},
    }  # fmt: skip
    made = await api.put("/api/customers/jessica", imported)
    changed = await api.put("/api/customers/jessica", {"email": None})
    by_id = await api.get("/api/customers/cust_old")

    assert (made.status, changed.status) == (201, 200)
    assert (made.json["id"], made.json["number"]) == ("cust_old", 6932)
    assert made.json["created_at"] == "2015-12-10T03:00:00.000Z"
    assert list(made.json["metadata"]) == ["1", "b"]  # as JavaScript would have it
    assert (changed.json["email"], changed.json["name"]) == (None, "Jessica White")
    assert by_id.json == changed.json


async def test_a_customer_that_is_wrong_names_the_field(api: Api) -> None:
    """And is not made."""
    for body, path in (
        ({"number": 0}, "number"),
        ({"number": 2**53}, "number"),
        ({"names": {"nick": "x"}}, "names.nick"),
        ({"names": {"merchant": "1", "card": [f"C{n}" for n in range(20)]}}, "names"),
        ({"email": ""}, "email"),
        ({"created_at": "yesterday"}, "created_at"),
        ({"metadata": {"a": {"b": "x\0"}}}, "metadata.a.b"),
        ({"metadata": {"a": "x" * 70_000}}, "metadata"),
    ):
        answered = await api.put("/api/customers/anna", body)
        assert answered.problem[2] == path, answered.body
    assert (await api.get("/api/customers/anna")).status == 404


async def test_one_customer_made_ten_times_at_once_is_one(club: Api) -> None:
    """By their profile and by their first activities."""
    puts = (club.put("/api/customers/anna", {"name": f"A{i}"}) for i in range(5))
    earns = (club.earn("anna", 1) for _ in range(5))
    answers = await asyncio.gather(*puts, *earns)
    ids = {a.json["id"] for a in answers if "id" in a.json}

    assert all(answered.status in (200, 201) for answered in answers)
    assert len(ids) == 1
    assert (await club.get("/api/programs/club/members/anna")).json["points"]["balance"] == 5


async def test_the_project_is_shown_and_mended(club: Api) -> None:
    """Its zone only while nobody is a member."""
    assert (await club.get("/api/project")).json["time_zone"] == "UTC"
    patched = await club.call("PATCH", "/api/project", {"time_zone": "Europe/Berlin"})
    await club.earn("anna", 1)
    late = await club.call("PATCH", "/api/project", {"time_zone": "UTC"})
    unknown = await club.call("PATCH", "/api/project", {"loyaltylion_program": "none"})

    assert patched.json["time_zone"] == "Europe/Berlin"
    assert late.problem == (409, "conflict", "time_zone")
    assert unknown.problem[:2] == (404, "not_found")
