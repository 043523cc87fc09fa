"""The small tables: written once, seen by every process, and sealed."""

from __future__ import annotations

import asyncio
import os

import pytest

from tierline.errors import Conflict, Invalid, NotFound
from tierline.rules.ladder import Tier
from tierline.rules.policy import Policy
from tierline.rules.program import Rules
from tierline.store.catalog import keys, resealing
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.programs import NewVersion
from tierline.store.catalog.projects import NewProject, ProjectChange
from tierline.store.catalog.secret_box import SecretBox, SecretKeyWrong
from tierline.store.database import Database
from tierline.vendors.registry import KEY_KINDS

NOW = 1_700_000_000_000
BOX = SecretBox(bytes(32))


def rules(name: str = "Club", *bounds: int) -> Rules:
    tiers = tuple(Tier(f"t{i}", f"Tier {i}", from_=low) for i, low in enumerate(bounds or (0,)))
    return Rules(name, Policy(tiers))


async def catalog_with_project(database: Database) -> tuple[Catalog, int]:
    catalog = await Catalog.open(database, BOX, KEY_KINDS)
    project = await catalog.add_project(NewProject("Shop"), NOW)
    return catalog, project.number


async def test_a_project_is_found_by_id_and_by_name(database: Database) -> None:
    """What the command line calls `--project P` may be either."""
    catalog, number = await catalog_with_project(database)
    project = catalog.project(number)

    assert catalog.find_project(project.id) == project
    assert catalog.find_project("Shop") == project
    assert catalog.find_project("other") is None


@pytest.mark.parametrize(
    ("field", "new"),
    [
        ("time_zone", NewProject("A", time_zone="Mars/Olympus")),
        ("currency", NewProject("A", currency="Euro")),
        ("name", NewProject("  ")),
        ("id", NewProject("A", id="no spaces")),
    ],
)
async def test_a_bad_project_names_the_field(
    database: Database, field: str, new: NewProject
) -> None:
    """Nothing of it is written."""
    catalog = await Catalog.open(database, BOX, KEY_KINDS)

    with pytest.raises(Invalid) as refused:
        await catalog.add_project(new, NOW)

    assert refused.value.path == field
    assert catalog.projects() == ()


async def test_a_taken_project_id_is_refused(database: Database) -> None:
    """Imported ids are kept, so they may clash."""
    catalog = await Catalog.open(database, BOX, KEY_KINDS)
    await catalog.add_project(NewProject("A", id="proj_1"), NOW)

    with pytest.raises(Conflict):
        await catalog.add_project(NewProject("B", id="proj_1"), NOW)


async def test_a_sandbox_clock_moves_forward_only(database: Database) -> None:
    """And a project on wall time has none to move."""
    catalog, wall = await catalog_with_project(database)
    sandbox = (await catalog.add_project(NewProject("S", clock=1000), NOW)).number

    await catalog.move_clock(sandbox, 2000)

    assert (catalog.now(sandbox, NOW), catalog.now(wall, NOW)) == (2000, NOW)
    for project, to in ((sandbox, 1999), (wall, NOW + 1)):
        with pytest.raises(Conflict):
            await catalog.move_clock(project, to)


async def test_another_process_sees_a_change_after_a_refresh(database: Database) -> None:
    """A refresh without news reads one row and says so."""
    ours = await Catalog.open(database, BOX, KEY_KINDS)
    theirs = await Catalog.open(database, BOX, KEY_KINDS)
    heard: list[int] = []
    theirs.on_change(lambda: heard.append(theirs.revision))

    project = await ours.add_project(NewProject("Shop"), NOW)

    assert await theirs.refresh()
    assert theirs.projects() == (project,)
    assert not await theirs.refresh()
    assert heard == [ours.revision]


async def test_a_crowd_that_asks_shares_one_refresh(database_url: str) -> None:
    """Five hundred bad keys cost as much as one; and what was made before anybody of them asked is
    found, also while an earlier refresh is under way."""
    async with await Database.open(database_url, pool_max=1) as database:
        catalog, number = await catalog_with_project(database)
        theirs = await Catalog.open(database, BOX, KEY_KINDS)
        queries: list[str] = []
        async with database.pool.acquire() as connection:
            connection.add_query_logger(lambda query: queries.append(query.query))
            early = asyncio.create_task(catalog.refresh())
            await asyncio.sleep(0)
            crowd = [asyncio.create_task(catalog.refresh_soon()) for _ in range(500)]
            await asyncio.sleep(0)
        await asyncio.gather(early, *crowd)
        assert len(queries) == 2

        answer = await theirs.add_key(number, "native", (), "", NOW)
        await asyncio.gather(*(catalog.refresh_soon() for _ in range(10)))
        assert catalog.key(keys.bearer_lookup(keys.digest(answer["key"]))) is not None


async def test_a_key_is_stored_as_a_hash_and_shown_once(database: Database) -> None:
    """The table holds nothing that opens a door."""
    catalog, number = await catalog_with_project(database)
    answer = await catalog.add_key(number, "native", ("read_customers",), "", NOW)
    row = await database.pool.fetchrow("SELECT * FROM api_key")
    hashed = keys.digest(answer["key"])
    key = catalog.key(keys.bearer_lookup(hashed))

    assert key is not None
    assert keys.matches(key, hashed)
    assert not keys.matches(key, keys.digest(answer["key"][:-1] + "x"))
    assert key.scopes == {"read_customers"}
    assert row is not None
    assert answer["key"] not in str(dict(row))


async def test_vendor_keys_share_the_projects_signing_secret(database: Database) -> None:
    """A vendor with one webhook secret per project keeps the first; only new tokens are new."""
    catalog, number = await catalog_with_project(database)
    first = await catalog.add_key(number, "voucherify", (), "", NOW)
    again = await catalog.add_key(number, "voucherify", (), "", NOW)
    lion = await catalog.add_key(number, "loyaltylion", (), "", NOW)

    assert first["webhook_secret"] == again["webhook_secret"]
    assert first["app_token"] != again["app_token"]
    assert catalog.project_secrets(number) == {
        "voucherify.webhook_secret": first["webhook_secret"],
        "loyaltylion.site_token": lion["site_token"],
        "loyaltylion.site_secret": lion["site_secret"],
    }
    site = catalog.key(lion["site_token"])
    assert site is not None
    assert site.kind == "loyaltylion.site"


async def test_a_disabled_key_opens_none_of_its_doors(database: Database) -> None:
    """Voucherify's management pair goes with its application's."""
    catalog, number = await catalog_with_project(database)
    answer = await catalog.add_key(number, "voucherify", (), "", NOW)

    await catalog.disable_key(answer["id"], NOW + 1)

    assert catalog.key(answer["app_id"]) is None
    assert catalog.key(answer["management_id"]) is None
    assert catalog.key(answer["client_application_id"]) is None
    with pytest.raises(NotFound):
        await catalog.disable_key("key_none", NOW)


async def test_the_site_pair_lives_as_long_as_any_key_of_its_vendor(database: Database) -> None:
    """What a key shows opens its door, whichever key was the first; a dead pair is never shown."""
    catalog, number = await catalog_with_project(database)
    first, second = [await catalog.add_key(number, "loyaltylion", (), "", NOW) for _ in range(2)]
    await catalog.disable_key(first["id"], NOW + 1)
    while_second = catalog.key(second["site_token"])
    await catalog.disable_key(second["id"], NOW + 2)
    after = catalog.key(second["site_token"])
    third = await catalog.add_key(number, "loyaltylion", (), "", NOW)

    assert first["site_token"] == second["site_token"] != third["site_token"]
    assert while_second is not None
    assert after is None
    assert catalog.key(third["site_token"]) is not None
    assert catalog.project_secrets(number)["loyaltylion.site_secret"] == third["site_secret"]


async def test_an_unknown_scope_is_refused(database: Database) -> None:
    """With the ones that there are."""
    catalog, number = await catalog_with_project(database)

    with pytest.raises(Invalid, match="read_customers"):
        await catalog.add_key(number, "native", ("read_everything",), "", NOW)


async def test_a_version_is_made_only_when_the_rules_differ(database: Database) -> None:
    """The same PUT twice is one version."""
    catalog, number = await catalog_with_project(database)
    first = await catalog.put_program(number, "club", NewVersion(rules(), "{}"), NOW)
    same = await catalog.put_program(number, "club", NewVersion(rules(), "{}"), NOW + 5)
    other = await catalog.put_program(number, "club", NewVersion(rules("Gold"), "{}"), NOW + 9)
    _, program = await catalog.need_program(number, "club")

    assert [put.version for put in (first, same, other)] == [1, 1, 2]
    assert [put.made for put in (first, same, other)] == [True, False, True]
    assert program.versions[0].effective_at == NOW
    assert program.versions[1].effective_at >= NOW + 209
    assert program.version(NOW + 8).rules.name == "Club"


async def test_rules_never_change_the_past(database: Database) -> None:
    """A version is effective now or later."""
    catalog, number = await catalog_with_project(database)

    with pytest.raises(Invalid, match="now"):
        await catalog.put_program(number, "club", NewVersion(rules(), "{}", NOW - 1), NOW)


async def test_rules_come_into_force_when_every_batch_knows_them(database: Database) -> None:
    """An instant that has come before a batch under way could know of it is moved on a little."""
    catalog, number = await catalog_with_project(database)
    await catalog.put_program(number, "club", NewVersion(rules("A"), "{}"), NOW)
    put = await catalog.put_program(number, "club", NewVersion(rules("B"), "{}", NOW + 1), NOW)
    assert put.effective_at >= NOW + 200
    later = NewVersion(rules("C"), "{}", NOW + 9_000_000)
    assert (await catalog.put_program(number, "club", later, NOW)).effective_at == NOW + 9_000_000


async def test_a_scheduled_version_is_dropped_only_on_purpose(database: Database) -> None:
    """Else a small mend today would silently undo next year's rules."""
    catalog, number = await catalog_with_project(database)
    await catalog.put_program(number, "club", NewVersion(rules("A"), "{}"), NOW)
    await catalog.put_program(number, "club", NewVersion(rules("B"), "{}", NOW + 1000), NOW)

    with pytest.raises(Conflict, match="Version 2 is scheduled"):
        await catalog.put_program(number, "club", NewVersion(rules("C"), "{}"), NOW + 1)
    on_purpose = NewVersion(rules("C"), "{}", supersede=True)
    await catalog.put_program(number, "club", on_purpose, NOW + 1)
    _, program = await catalog.need_program(number, "club")

    assert program.version(NOW + 2000).rules.name == "C"


async def test_a_version_that_a_transaction_saw_is_read(database: Database) -> None:
    """A cache that is behind cannot make a batch judge by old rules."""
    ours, number = await catalog_with_project(database)
    await ours.put_program(number, "club", NewVersion(rules("A"), "{}"), NOW)
    theirs = await Catalog.open(database, BOX, KEY_KINDS)
    program_number, _ = await theirs.need_program(number, "club")
    await ours.put_program(number, "club", NewVersion(rules("B"), "{}"), NOW + 1)

    program = await theirs.program_numbered(program_number, latest=2)

    assert [v.rules.name for v in program.versions] == ["A", "B"]


async def test_programs_made_at_once_get_different_numbers(database: Database) -> None:
    """Changes of small tables stand in one line."""
    catalog, number = await catalog_with_project(database)
    new = NewVersion(rules(), "{}")
    puts = await asyncio.gather(*(catalog.put_program(number, f"p{i}", new, NOW) for i in range(8)))

    assert len({put.program for put in puts}) == 8


async def test_an_endpoint_is_changed_at_the_revision_that_was_read(database: Database) -> None:
    """Who changes it on top of somebody else's change is told so."""
    catalog, number = await catalog_with_project(database)
    made = await catalog.add_endpoint(number, "ep_1", "{}", b"secret", NOW, NOW)
    changed = await catalog.change_endpoint(made.number, now=NOW + 1, state="paused")

    assert (changed.state, changed.secrets) == ("paused", b"secret")
    assert changed.revision > made.revision
    with pytest.raises(Conflict):
        await catalog.change_endpoint(made.number, now=NOW + 2, body="{ }", expected=made.revision)


async def test_a_deleted_endpoint_is_gone(database: Database) -> None:
    """Its row stays, so that its number and id are never used again."""
    catalog, number = await catalog_with_project(database)
    made = await catalog.add_endpoint(number, "ep_1", "{}", b"secret", NOW, NOW)

    await catalog.delete_endpoint(made.number, NOW)
    assert catalog.endpoints() == ()
    with pytest.raises(NotFound):
        await catalog.change_endpoint(made.number, now=NOW, state="active")


class Overtaken(Catalog):
    """After each change of its own, and before it looks again, somebody deletes all endpoints."""

    async def refresh(self) -> bool:
        await self.database.pool.execute(
            "UPDATE endpoint SET state = 'deleted', revision = (SELECT revision FROM installation)"
        )
        return await super().refresh()


async def test_an_endpoint_that_is_deleted_in_the_same_moment_is_not_there(
    database: Database,
) -> None:
    """Whoever made or changed it is told so; nothing breaks."""
    catalog, number = await catalog_with_project(database)
    made = await catalog.add_endpoint(number, "ep_1", "{}", b"secret", NOW, NOW)
    overtaken = await Overtaken.open(database, catalog.box)
    with pytest.raises(NotFound):
        await overtaken.add_endpoint(number, "ep_2", "{}", b"secret", NOW, NOW)
    await database.pool.execute("UPDATE endpoint SET state = 'active'")
    with pytest.raises(NotFound):
        await overtaken.change_endpoint(made.number, now=NOW + 1, state="paused")


async def test_secrets_are_sealed_with_a_key_outside_the_database(database: Database) -> None:
    """Another key opens nothing, and says so at start."""
    catalog, number = await catalog_with_project(database)
    await catalog.add_endpoint(number, "ep_1", "{}", b"whsec_of_ours", NOW, NOW)
    stored = await database.pool.fetchval("SELECT secrets FROM endpoint")

    assert b"whsec_of_ours" not in stored
    with pytest.raises(SecretKeyWrong):
        await Catalog.open(database, SecretBox(os.urandom(32)))


async def test_the_zone_is_fixed_once_there_are_members(database: Database) -> None:
    """Until then a newcomer may correct it."""
    catalog, number = await catalog_with_project(database)
    put = await catalog.put_program(number, "club", NewVersion(rules(), "{}"), NOW)
    await catalog.change_project(number, ProjectChange(time_zone="Asia/Tokyo"))
    await database.pool.execute(
        """INSERT INTO member (shard, customer, program, standing, balance, entries, seq, clock,
                               version) VALUES (1, 1, $1, ''::bytea, 0, 0, 0, 0, 1)""",
        put.program,
    )

    assert catalog.project(number).time_zone == "Asia/Tokyo"
    with pytest.raises(Conflict) as refused:
        await catalog.change_project(number, ProjectChange(time_zone="UTC"))
    assert refused.value.path == "time_zone"


def test_a_former_key_still_opens_what_it_sealed() -> None:
    """The first key seals, so that the former ones can go once everything was sealed anew."""
    old, new = bytes([1]) * 32, bytes([2]) * 32
    sealed = SecretBox(old).seal(b"secret", "here")
    both = SecretBox(new, old)

    assert both.open(sealed, "here") == b"secret"
    assert SecretBox(new).open(both.seal(b"secret", "here"), "here") == b"secret"
    with pytest.raises(SecretKeyWrong):
        SecretBox(new).open(sealed, "here")


async def test_everything_is_sealed_anew_so_that_a_former_key_can_go(database: Database) -> None:
    """Secrets of projects, of endpoints and the key of digests: none of them is lost, and none
    needs the former key. What a deleted endpoint had is left."""
    old, new = bytes([1]) * 32, bytes([2]) * 32
    former = await Catalog.open(database, SecretBox(old), KEY_KINDS)
    shop = await former.add_project(NewProject("Shop"), NOW)
    await former.add_key(shop.number, "voucherify", (), "", NOW)
    made = await former.add_endpoint(shop.number, "ep_1", "{}", b"whsec_1", NOW, NOW)
    gone = await former.add_endpoint(shop.number, "ep_2", "{}", b"whsec_2", NOW, NOW)
    await former.delete_endpoint(gone.number, NOW)
    both = await Catalog.open(database, SecretBox(new, old), KEY_KINDS)
    await both.add_endpoint(shop.number, "ep_3", "{}", b"whsec_3", NOW, NOW)
    with pytest.raises(SecretKeyWrong):
        await Catalog.open(database, SecretBox(old), KEY_KINDS)

    async with both.changing() as (connection, _):
        first = await resealing.reseal(connection, both.box)
    async with both.changing() as (connection, _):
        again = await resealing.reseal(connection, both.box)
    alone = await Catalog.open(database, SecretBox(new), KEY_KINDS)

    assert (first, again) == (3, 0)
    assert alone.project_secrets(shop.number) == former.project_secrets(shop.number)
    assert alone.project_secrets(shop.number) != {}
    endpoint = alone.endpoint_numbered(made.number)
    assert endpoint is not None
    assert endpoint.secrets == b"whsec_1"
    assert alone.digests.name("ann") == former.digests.name("ann")
