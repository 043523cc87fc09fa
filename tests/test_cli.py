"""The command line as people run it: another process, its output, its exit code."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import click
import pytest

from tierline.bootstrap import open_installation
from tierline.cli import main
from tierline.clock import wall
from tierline.config import Location
from tierline.store.catalog.projects import NewProject
from tierline.store.migrate import newest

ROOT = Path(__file__).parent.parent


async def start(*arguments: str, directory: Path, **variables: str) -> Process:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TIERLINE_")}
    environment |= {"PYTHONPATH": str(ROOT / "src"), "TIERLINE_DATA_DIR": str(directory)}
    environment |= variables
    command = (sys.executable, "-m", "tierline", *arguments)
    return await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE, env=environment)


async def tierline(*arguments: str, directory: Path) -> tuple[int, str, str]:
    """Exit code, output, errors."""
    process = await start(*arguments, directory=directory)
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    assert "Traceback" not in err.decode()
    return process.returncode, out.decode(), err.decode()


@asynccontextmanager
async def serving(*arguments: str, directory: Path) -> AsyncIterator[tuple[Process, Any]]:
    """A server and what it printed when it was ready; ended by SIGTERM if it still runs."""
    process = await start("serve", "--port", "0", *arguments, directory=directory)
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        assert line, (await process.communicate())[1].decode()
        yield process, json.loads(line)
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.communicate(), 60)


async def test_a_first_start_makes_a_project_and_its_keys(
    database_url: str, tmp_path: Path
) -> None:
    """One JSON line says where; the file is its owner's alone; the second start makes nothing."""
    place = ("--database-url", database_url)
    async with serving(*place, directory=tmp_path) as (process, ready):
        keys = Path(ready["keys"])
        native = json.loads(keys.read_text())["key"]
        async with (
            aiohttp.ClientSession(headers={"authorization": f"Bearer {native}"}) as session,
            session.get(f"{ready['url']}/api/project") as response,
        ):
            project = await response.json()
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0
    async with serving(*place, directory=tmp_path) as (_, again):
        assert set(again) == {"url", "roles", "join"}  # nobody has joined yet

    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    assert (project["id"], project["time_zone"], project["currency"]) == (
        "proj_default", "UTC", "USD",
    )  # fmt: skip


async def test_where_the_keys_cannot_be_written_none_are_made(
    database_url: str, tmp_path: Path
) -> None:
    """Their secrets would be gone: the next start makes them, once somebody made room."""
    place = ("--database-url", database_url)
    (tmp_path / "keys.json").mkdir()
    refused = await tierline("serve", "--port", "0", *place, directory=tmp_path)
    (tmp_path / "keys.json").rmdir()
    async with serving(*place, directory=tmp_path) as (_, ready):
        keys = json.loads(Path(ready["keys"]).read_text())
        async with (
            aiohttp.ClientSession(headers={"authorization": f"Bearer {keys['key']}"}) as session,
            session.get(f"{ready['url']}/api/keys") as response,
        ):
            listed = await response.json()

    assert refused[0] == 1
    assert len([key for key in listed["keys"] if "." not in key["id"]]) == 3


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Not below pytest's own, whose permissions every other session of pytest resets."""
    with tempfile.TemporaryDirectory(prefix="tierline-cli-") as directory:
        yield Path(directory)


async def test_the_embedded_database_serves_and_is_shared(data_dir: Path) -> None:
    """Commands work beside a running server; a second whole server on the directory does not."""
    async with serving(directory=data_dir) as (_, ready):
        made = await tierline(
            "project", "create", "Sand", "--clock", "2018-01-01T00:00:00Z", directory=data_dir
        )
        listed = await tierline("project", "list", "--json", directory=data_dir)
        second = await tierline("serve", "--port", "0", directory=data_dir)
        key = await tierline("key", "create", "--project", "Sand", "--json", directory=data_dir)
        fresh = json.loads(key[1])
        async with (
            aiohttp.ClientSession(headers={"authorization": f"Bearer {fresh['key']}"}) as session,
            session.get(f"{ready['url']}/api/project") as response,
        ):
            there = await response.json()

    assert made[0] == 0
    assert [json.loads(line)["name"] for line in listed[1].splitlines()] == ["Default", "Sand"]
    assert second[0] == 1
    assert "in use" in second[2]
    assert (there["id"], there["clock"]) == (made[1].strip(), "2018-01-01T00:00:00.000Z")


async def test_keys_are_made_listed_and_disabled(database_url: str, tmp_path: Path) -> None:
    """Of every kind, with the fields that the vendor's clients ask for."""
    place = ("--database-url", database_url)
    await tierline("project", "create", "Shop", *place, directory=tmp_path)
    fields = {
        "native": {"key"},
        "voucherify": {
            "app_id", "app_token", "management_id", "management_token", "client_application_id",
            "client_token", "webhook_secret", "signs",
        },
        "loyaltylion": {"key", "site_id", "site_token", "site_secret", "signs"},
    }  # fmt: skip
    for kind, own in fields.items():
        code, out, _ = await tierline(
            "key", "create", "--project", "Shop", "--kind", kind, "--json",
            "--scopes", "read_customers,manage_endpoints", *place, directory=tmp_path,
        )  # fmt: skip
        made = json.loads(out)
        assert code == 0
        assert set(made) == {"id", "kind", "project_id", "scopes"} | own
        assert made["scopes"] == ["read_customers", "manage_endpoints"]
        gone = await tierline("key", "disable", made["id"], *place, directory=tmp_path)
        assert gone[0] == 0
    listed = await tierline(
        "key", "list", "--project", "Shop", "--json", *place, directory=tmp_path
    )
    rows = [json.loads(line) for line in listed[1].splitlines()]

    assert {row["kind"] for row in rows} == {
        "native", "voucherify", "voucherify.management", "voucherify.client", "loyaltylion",
        "loyaltylion.site",
    }  # fmt: skip
    table = await tierline("key", "list", "--project", "Shop", *place, directory=tmp_path)
    assert [line.split()[0] for line in table[1].splitlines()] == ["id", *(r["id"] for r in rows)]
    assert "…" not in table[1]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("project", "create", "A", "--time-zone", "Mars/Base"), 1, "Mars/Base"),
        (("project", "create", "A", "--currency", "money"), 1, "ISO 4217"),
        (("project", "create", "A", "--clock", "noon"), 1, "--clock"),
        (("key", "create", "--project", "nobody"), 1, "nobody"),
        (("key", "disable", "key_none"), 1, "key_none"),
        (("serve", "--roles", "chef"), 1, "chef"),
        (("serve", "--allow-address", "everywhere"), 1, "everywhere"),
        (("serve", "--proxy", "socks5://proxy:1"), 1, "proxy"),
        (("serve", "--keep-events", "0"), 2, "--keep-events"),
        (("serve", "--port", "x"), 2, "x"),
        (("replay", "--project", "p", "--endpoint", "e", "--kind", "upgrade"), 2, "upgraded"),
        (("replay", "--project", "p", "--endpoint", "e", "--rate", "0"), 2, "--rate"),
        (("dance",), 2, "dance"),
    ],
)
async def test_what_goes_wrong_is_one_sentence(
    database_url: str, tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    """1 for a refusal, 2 for a wrong command, and never a trace."""
    place = ("--database-url", database_url) if arguments != ("dance",) else ()
    status, out, err = await tierline(*arguments, *place, directory=tmp_path)

    assert (status, out) == (code, "")
    assert words in err
    assert code == 2 or len(err.strip().splitlines()) == 1


async def test_no_server_is_said_in_one_sentence(tmp_path: Path) -> None:
    """With what to do."""
    url = "postgresql://nobody@127.0.0.1:1/none"
    code, _, err = await tierline("sweep", "--database-url", url, directory=tmp_path)

    assert code == 1
    assert "No PostgreSQL answers at 127.0.0.1:1" in err


async def test_a_name_that_two_projects_have_is_asked_for_again(
    database_url: str, tmp_path: Path
) -> None:
    """With the ids to choose from, and not as if there were none."""
    place = ("--database-url", database_url)
    made = [await tierline("project", "create", "A", *place, directory=tmp_path) for _ in range(2)]
    code, _, err = await tierline("key", "list", "--project", "A", *place, directory=tmp_path)

    assert code == 1
    assert all(out.strip() in err for _, out, _ in made)


async def test_logs_of_libraries_are_lines_of_json_too() -> None:
    """Whoever reads stderr has one format to read."""
    script = (
        "import logging; from tierline.logging import configure; configure();"
        "logging.getLogger('uvicorn.error').warning('a %s', 'b');"
        "logging.getLogger('asyncio').info('not this')"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stderr=PIPE, env={"PYTHONPATH": str(ROOT / "src")}
    )
    (line,) = (await process.communicate())[1].splitlines()
    record = json.loads(line)

    assert (record["logger"], record["level"], record["event"]) == (
        "uvicorn.error",
        "warning",
        "a b",
    )


async def test_a_taken_port_is_said(database_url: str, tmp_path: Path) -> None:
    """Naming host and port."""
    place = ("--database-url", database_url)
    async with serving(*place, directory=tmp_path) as (_, ready):
        port = ready["url"].rpartition(":")[2]
        code, _, err = await tierline("serve", "--port", port, *place, directory=tmp_path)

    assert code == 1
    assert f"127.0.0.1:{port}" in err


async def test_upkeep_of_a_sound_installation(database_url: str, tmp_path: Path) -> None:
    """Nothing is due, nothing differs, nothing is unwell."""
    place = ("--database-url", database_url)
    connection = await asyncpg.connect(database_url)
    number = int(await connection.fetchval("SHOW server_version_num"))
    await connection.close()
    for arguments, words in (
        (("sweep",), "0 members"),
        (("rebuild", "--verify"), "All equal"),
        (("doctor",), f"ok  database: PostgreSQL {number // 10_000}.{number % 10_000}, schema "),
        (("migrate",), f"The schema is {newest()}"),
    ):
        code, out, err = await tierline(*arguments, *place, directory=tmp_path)
        assert (code, err) == (0, "")
        assert words in out


async def test_rebuild_names_what_differs(database_url: str, tmp_path: Path) -> None:
    """Member by member, standings and log, with exit code 1; what can be repaired then is."""
    place = ("--database-url", database_url)
    connection = await asyncpg.connect(database_url)
    async with serving(*place, directory=tmp_path) as (_, ready):
        native = json.loads(Path(ready["keys"]).read_text())["key"]
        headers = {"authorization": f"Bearer {native}"}
        async with aiohttp.ClientSession(ready["url"], headers=headers) as session:
            rules = {"name": "Club", "policy": {"tiers": [{"id": "gold", "name": "G", "from": 1}]}}
            await (await session.put("/api/programs/club", json=rules)).read()
            body = [{"customer": c, "kind": "earn", "points": 5} for c in ("ann", "bob")]
            await (await session.post("/api/programs/club/activities", json=body)).read()
    assert (await tierline("rebuild", "--verify", *place, directory=tmp_path))[0] == 0

    await connection.execute("UPDATE member SET balance = 7 WHERE balance = 5")
    await connection.execute("UPDATE event SET body = replace(body, 'gold', 'lead')")
    code, out, err = await tierline("rebuild", "--verify", *place, directory=tmp_path)
    assert code == 1
    assert out.count(": column:balance is 7, the ledger says 5") == 2
    assert out.count(": event:1 is {") == 2
    assert "4 things" in err

    code, out, _ = await tierline("rebuild", *place, directory=tmp_path)
    assert (code, out.splitlines()[-1]) == (0, "4 differences, 2 members rebuilt.")
    code, out, _ = await tierline("rebuild", "--verify", *place, directory=tmp_path)
    assert (code, out.count("column"), out.count("event:1")) == (1, 0, 2)
    await connection.close()


async def test_the_doctor_finds_what_is_wrong(database_url: str, tmp_path: Path) -> None:
    """And says so by its exit code."""
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE shard_head SET head = 5 WHERE shard = 0")
    await connection.execute("UPDATE shard_head SET head = 500 WHERE shard = 1")
    await connection.execute(
        """INSERT INTO event VALUES (0, 7, 'tier', 1, 1, 1, 'evt', 0, '{}', NULL)"""
    )
    await connection.close()
    code, out, err = await tierline("doctor", "--database-url", database_url, directory=tmp_path)

    assert code == 1
    assert "!!  shard 0: its head is 5, its newest event 7" in out
    assert "!!  shard 1: its head is 500, its newest event 0" in out
    assert "2 things" in err


async def test_a_lost_secret_key_is_not_made_anew(database_url: str, tmp_path: Path) -> None:
    """Once something was sealed with it: another one would open nothing, and hide the loss."""
    data = tmp_path / "data"
    place = ("--database-url", database_url, "--data-dir", str(data))
    async with open_installation(Location(data, database_url)) as installation:
        shop = await installation.catalog.add_project(NewProject(name="Shop"), wall())
        new = {"url": "http://127.0.0.1:1/", "format": "standard"}
        await installation.catalog.add_endpoint(
            shop.number, "ep_1", json.dumps(new), b"{}", 1, wall()
        )
    key = data / "secret.key"
    before = key.read_text()
    key.unlink()
    without, _, stderr = await tierline("doctor", *place, directory=tmp_path)
    there = key.exists()
    key.write_text(before)
    after, _, _ = await tierline("doctor", *place, directory=tmp_path)

    assert (without, there, after) == (1, False, 0)
    assert str(key) in stderr


async def test_a_second_project_of_a_name_is_made_with_a_warning(
    database_url: str, tmp_path: Path
) -> None:
    """Which says what the other one is; the output is the new id alone."""
    create = ("project", "create", "Shop", "--database-url", database_url)
    _, first, quiet = await tierline(*create, directory=tmp_path)
    code, second, warning = await tierline(*create, directory=tmp_path)

    assert (code, quiet) == (0, "")
    assert first.strip() != second.strip()
    assert warning.startswith(f"Warning: {first.strip()} is named 'Shop', too")


async def test_a_log_that_retention_emptied_is_well(database_url: str, tmp_path: Path) -> None:
    """All its events are told of as dropped."""
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE shard_head SET head = 500, log_start = 501 WHERE shard = 1")
    await connection.close()
    code, out, _ = await tierline("doctor", "--database-url", database_url, directory=tmp_path)

    assert (code, "ok  shard 1: events: 500" in out) == (0, True)


def test_every_command_explains_itself() -> None:
    """In one line at least."""
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        assert command.get_short_help_str(), name


@pytest.mark.parametrize("roles", ["api", "sweeper", "sender", "api,sender,sweeper"])
async def test_nothing_is_copied_while_a_server_is_at_work(
    database_url: str, tmp_path: Path, roles: str
) -> None:
    """Whatever it does, and it is named; one that ended in order is in nobody's way."""
    place = ("--database-url", database_url)
    copying = ("copy", *place, "--to", database_url)
    async with serving(*place, "--roles", roles, directory=tmp_path):
        code, _, refused = await tierline(*copying, directory=tmp_path)
    _, _, later = await tierline(*copying, directory=tmp_path)

    assert code == 1
    assert "1 Tierline server(s) work on the database at" in refused
    assert f"({roles})" in refused
    assert "Stop them" not in later
