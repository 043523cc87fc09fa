"""Finding customers and members: pages that stay right while others write, searches, filters."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.web.conftest import Api
from tierline.store import listing
from tierline.store.catalog.projects import NewProject
from tierline.store.listing import ListPlace, MemberFilter, Search

MEMBERS = "/api/programs/club/members"
PEOPLE = {
    "anna": {"name": "Anna Ärmel", "email": "Anna@Example.com", "names": {"card": "4711"}},
    "ben": {"name": "Ben Berg", "email": "ben@shop.example"},
    "cem": {"name": "ÄRMEL, Cem", "email": "cem@example.com", "number": 77},
    "dora": {"name": "Dora", "id": "cust_dora"},
}


async def people(api: Api) -> Api:
    for source_id, body in PEOPLE.items():
        answered = await api.put(f"/api/customers/{source_id}", body)
        assert answered.status == 201, answered.body
    return api


async def walk(api: Api, path: str, what: str, limit: int) -> list[list[Any]]:
    """All pages of a list."""
    pages, after = [], ""
    joint = "&" if "?" in path else "?"
    while True:
        answered = await api.get(f"{path}{joint}limit={limit}&after={after}")
        assert answered.status == 200, answered.body
        pages.append(answered.json[what])
        if answered.json["next"] is None:
            return pages
        after = answered.json["next"]


async def names(api: Api, query: str, path: str = "/api/customers") -> list[str]:
    what = path.rpartition("/")[2]
    key = "source_id" if what == "customers" else "customer"
    joint = "&" if "?" in path else "?"
    lines = (await api.get(f"{path}{joint}{query}")).json[what]
    return [line[key] for line in lines]


async def test_pages_hold_everybody_once_while_others_write(club: Api) -> None:
    """In both shards, in the order of numbers: whoever was there before the first page is met
    exactly once, whatever happens between the pages; who comes meanwhile may be met."""
    await asyncio.gather(*(club.earn(f"c{i:02}", 120) for i in range(40)))
    before = {f"c{i:02}" for i in range(40)}
    seen: list[str] = []
    numbers: list[int] = []
    after: str | None = ""
    step = 0
    while after is not None:
        page = (await club.get(f"{MEMBERS}?limit=7&after={after}")).json
        seen += [line["customer"] for line in page["members"]]
        numbers += [line["number"] for line in page["members"]]
        after, step = page["next"], step + 1
        await asyncio.gather(
            *(club.earn(f"c{i:02}", 500) for i in range(0, 40, 5)),
            *(club.earn(f"new{step}-{i}", 1) for i in range(2)),
        )

    assert step > 6
    assert [name for name in seen if name in before] == sorted(before, key=seen.index)
    assert len(seen) == len(set(seen))
    assert numbers == sorted(numbers)
    assert before <= set(seen)


async def test_customers_are_listed_whole_and_those_of_others_are_not(api: Api) -> None:
    """As `GET /api/customers/{source_id}` shows each of them."""
    await people(api)
    other = await api.installation.catalog.add_project(NewProject("Other"), 1)
    key = await api.installation.catalog.add_key(other.number, "native", (), "", 1)
    pages = await walk(api, "/api/customers", "customers", 3)
    alone = [(await api.get(f"/api/customers/{name}")).json for name in ("cem", "anna", "ben")]

    assert [len(page) for page in pages] == [3, 1]
    assert pages[0][0] == alone[0]
    listed = {line["source_id"]: line for page in pages for line in page}
    assert [listed["anna"], listed["ben"]] == alone[1:]
    theirs = (await api.get("/api/customers", key=key["key"])).json
    assert (theirs["customers"], theirs["next"]) == ([], None)


async def test_a_customer_is_found_by_any_id(api: Api) -> None:
    """A source id, a card, a number, an imported id, and the id that we made."""
    await people(api)
    anna = (await api.get("/api/customers/anna")).json

    for text in ("anna", "4711", str(anna["number"]), anna["id"]):
        assert await names(api, f"id={text}") == ["anna"], text
    assert await names(api, "id=77") == ["cem"]
    assert await names(api, "id=cust_dora") == ["dora"]
    assert await names(api, "id=nobody") == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("name=anna", ["anna"]),
        ("name=%C3%A4rm", ["cem"]),
        ("name=%C3%84RMEL,%20c", ["cem"]),
        ("name=%25", []),
        ("email=anna@", ["anna"]),
        ("email=CEM@EXAMPLE.COM", ["cem"]),
        ("email_part=example", ["cem", "anna", "ben"]),
        ("email_part=@EXAMPLE", ["cem", "anna"]),
        ("email_part=_", []),
    ],
)
async def test_a_search_ignores_case_and_knows_no_wildcards(
    api: Api, query: str, expected: list[str]
) -> None:
    """A name or an email by its beginning, in their order; a part of an email by number."""
    await people(api)
    listed = await names(api, query)

    assert listed[:1] == expected[:1]
    assert sorted(listed) == sorted(expected)


async def test_a_search_follows_a_changed_name(api: Api) -> None:
    """In the request that changes it."""
    await people(api)
    await api.put("/api/customers/ben", {"name": "Zoe"})
    await api.put("/api/customers/dora", {"name": None})

    assert await names(api, "name=z") == ["ben"]
    assert await names(api, "name=ben") == await names(api, "name=dora") == []


async def test_names_that_begin_alike_are_paged_in_order(api: Api) -> None:
    """Equal ones too: nobody is left out between two pages."""
    await asyncio.gather(
        *(api.put(f"/api/customers/c{i}", {"name": f"Same {i % 3}"}) for i in range(20))
    )
    pages = await walk(api, "/api/customers?name=same", "customers", 3)
    lines = [line for page in pages for line in page]

    assert len({line["source_id"] for line in lines}) == len(lines) == 20
    assert [line["name"] for line in lines] == sorted(line["name"] for line in lines)


async def test_members_are_filtered(sandbox: Api) -> None:
    """By tier, since when, until when, balance and attributes; all filters together."""
    club = sandbox
    for name, points in (("anna", 10), ("ben", 150), ("cem", 160), ("dora", 900)):
        await club.earn(name, points)
    await club.put(f"{MEMBERS}/cem/attributes", {"attributes": {"vip": True, "size": 7}})
    await club.put(f"{MEMBERS}/ben/attributes", {"attributes": {"vip": "yes"}})
    gone = {"tier": "gold", "expires_at": "2024-03-01T00:00:00Z", "quiet": True}
    answered = await club.put(f"{MEMBERS}/emil", gone)
    assert answered.status == 200, answered.body
    queries = {
        "tier=silver": ["ben", "cem"],
        "balance_min=150&balance_max=160": ["ben", "cem"],
        "tier=silver&balance_min=151": ["cem"],
        "expires_before=2024-03-02T00:00:00Z": ["emil"],
        "expires_before=2024-03-01T00:00:00Z": [],
        "since_from=2024-01-01T00:00:00Z": ["anna", "ben", "cem", "dora", "emil"],
        "since_before=2024-01-01T00:00:00Z": [],
        "attribute=vip:true": ["cem"],
        "attribute=vip:yes": ["ben"],
        "attribute=size:7": ["cem"],
        "attribute=size:70": [],
        "tier=gold&id=dora": ["dora"],
        "tier=silver&id=dora": [],
    }
    for query, expected in queries.items():
        assert sorted(await names(club, query, MEMBERS)) == expected, query


async def test_a_member_in_a_list_says_what_the_member_says(sandbox: Api) -> None:
    """Tier with its name, dates as text."""
    await sandbox.put("/api/customers/anna", {"name": "Anna", "email": "a@example.com"})
    await sandbox.earn("anna", 120)
    (line,) = (await sandbox.get(MEMBERS)).json["members"]
    alone = (await sandbox.get(f"{MEMBERS}/anna")).json

    for field in ("customer", "member", "joined_at", "tier", "since", "expires_at"):
        assert line[field] == alone[field], field
    assert (line["id"], line["balance"]) == (alone["customer_id"], alone["points"]["balance"])
    assert (line["name"], line["email"]) == ("Anna", "a@example.com")


async def test_a_page_costs_its_bound_and_no_more(club: Api) -> None:
    """Where few match, pages come short or empty, and the walk still meets everybody."""
    await asyncio.gather(*(club.earn(f"c{i}", 500 if i == 17 else 1) for i in range(20)))
    database = club.installation.database
    (project,) = [p for p in club.installation.catalog.projects() if p.name == "Shop"]
    program, _ = await club.installation.catalog.need_program(project.number, "club")
    search = Search(members=MemberFilter(program=program, tier="gold"))
    pages: list[list[str | None]] = []
    after: ListPlace | None = None
    async with database.pool.acquire() as connection:
        while not pages or after is not None:
            place = (database.shards, project.number, search, after, 10)
            page = await listing.page(connection, *place, met_max=4)
            pages.append([line.customer.customer.source_id for line in page.rows])
            after = page.last

    assert len(pages) >= 5
    assert [name for page in pages for name in page] == ["c17"]


async def test_what_is_no_cursor_of_this_list_is_refused(api: Api) -> None:
    """Made up, or of a list in another order."""
    await people(api)
    cursor = (await api.get("/api/customers?limit=1")).json["next"]
    by_name = (await api.get("/api/customers?name=a&limit=1")).json["next"]

    for query in ("after=x", "after=WzEsIDJd!", f"name=a&after={cursor}"):
        refused = await api.get(f"/api/customers?{query}")
        assert refused.problem == (400, "invalid", "after"), query
    assert by_name is None


async def test_one_search_at_a_time(club: Api) -> None:
    """And wrong filters name their field."""
    two = await club.get("/api/customers?name=a&email=b")
    attribute = await club.get(f"{MEMBERS}?attribute=vip")
    instant = await club.get(f"{MEMBERS}?expires_before=soon")
    limit = await club.get(f"{MEMBERS}?limit=1001")
    unknown = await club.get("/api/programs/nothing/members")

    assert two.problem == (400, "invalid", "email")
    assert attribute.problem == (400, "invalid", "attribute")
    assert instant.problem == (400, "invalid", "expires_before")
    assert limit.problem == (400, "invalid", "limit")
    assert unknown.problem == (404, "not_found", "program")


async def test_a_walk_by_last_change_meets_every_change(club: Api) -> None:
    """Window after window: whoever changes while a walk goes on is met by it or by the next, and
    a window that is over never changes."""
    await asyncio.gather(*(club.earn(f"c{i}", 5) for i in range(12)))
    first = await _window(club, "")
    await club.earn("c3", 5)
    await club.put("/api/customers/c5", {"name": "Five"})
    await club.put("/api/customers/new", {})
    second = await _window(club, f"&updated_from={first['as_of']}")
    third = await _window(club, f"&updated_from={second['as_of']}")
    again = await _window(club, f"&updated_before={first['as_of']}")

    assert first["names"] == {f"c{i}" for i in range(12)}
    assert second["names"] == {"c3", "c5", "new"}
    assert third["names"] == set()
    assert again["names"] == first["names"] - second["names"]


async def test_no_change_is_missed_while_writes_go_on(club: Api) -> None:
    """A consumer that only ever reads windows ends with every balance as it is."""
    expected = {f"c{i}": 0 for i in range(8)}
    copied: dict[str, int] = {}

    async def write() -> None:
        for step in range(15):
            for name in expected:
                points = step + len(name)
                assert (await club.earn(name, points)).status == 200
                expected[name] += points

    writing, as_of = asyncio.create_task(write()), "1970-01-01T00:00:00Z"
    while not writing.done():
        as_of = await _copy(club, as_of, copied)
    await writing
    await _copy(club, as_of, copied)

    assert copied == expected


async def test_lists_by_last_change_are_of_members_too(club: Api) -> None:
    """With filters; a text search has an order of its own."""
    await club.earn("anna", 120)
    await club.put("/api/customers/ben", {"name": "Ben"})
    query = "sort=updated_at&tier=silver"
    assert await names(club, query, MEMBERS) == ["anna"]
    both = await club.get("/api/customers?sort=updated_at&name=b")
    alone = await club.get("/api/customers?updated_from=2024-01-01T00:00:00Z")

    assert both.problem == (400, "invalid", "sort")
    assert alone.problem == (400, "invalid", "updated_from")


async def _window(api: Api, more: str) -> dict[str, Any]:
    """All pages of a window: who is in it, and where the next one begins."""
    source_ids: list[str] = []
    after: str | None = ""
    as_of = ""
    while after is not None:
        page = (await api.get(f"/api/customers?sort=updated_at&limit=5&after={after}{more}")).json
        source_ids += [line["source_id"] for line in page["customers"]]
        after, as_of = page["next"], page["as_of"]
    return {"names": set(source_ids), "as_of": as_of}


async def _copy(api: Api, since: str, copied: dict[str, int]) -> str:
    """Read a window of members into a copy; where the next one begins."""
    after: str | None = ""
    as_of = since
    while after is not None:
        query = f"sort=updated_at&limit=3&updated_from={since}&after={after}"
        page = (await api.get(f"{MEMBERS}?{query}")).json
        copied |= {line["customer"]: line["balance"] for line in page["members"]}
        after, as_of = page["next"], page["as_of"]
    return as_of
