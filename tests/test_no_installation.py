"""Where there is no installation, every command but `serve`, `demo` and `migrate` says so in one
sentence and makes nothing; `serve` says that it makes one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import click
import pytest

from tests.test_cli import serving, start, tierline
from tierline.cli import main
from tierline.store.database import Database

MAKERS = {"serve", "demo", "migrate"}
# Clients of a server, which has the installation; and what needs none.
CLIENTS = {"apply", "diff", "save", "mcp", "manual"}
EITHER = {"drain": ("x",)}  # one of two parameters, which of them is left open
Words = tuple[str, ...]


def commands(group: click.Group, *path: str) -> Iterator[tuple[Words, click.Command]]:
    """Every command that can be given, with its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name), command


def required(command: click.Command, file: Path) -> list[str]:
    """Some value for each parameter without which the command would not begin."""
    words = list(EITHER.get(command.name or "", ()))
    for parameter in command.params:
        if parameter.required:
            is_file = isinstance(parameter.type, click.Path | click.File)
            value = str(file) if is_file else "x"
            words += [parameter.opts[-1], value] if isinstance(parameter, click.Option) else [value]
    return words


READERS = [
    *((words, command) for words, command in commands(main) if words[0] not in MAKERS | CLIENTS),
    (("migrate", "--check"), click.Command("migrate")),
]


async def refused(arguments: list[str], directory: Path, words: str) -> None:
    code, out, err = await tierline(*arguments, directory=directory)
    assert (code, out) == (1, ""), arguments
    assert words in err, (arguments, err)
    assert len(err.splitlines()) == 1, err


@pytest.mark.parametrize(("words", "command"), READERS, ids=lambda each: str(each)[:40])
async def test_a_mistyped_directory_is_an_error(
    words: Words, command: click.Command, tmp_path: Path
) -> None:
    """Named with its whole path; not even the files beside an import or export are made."""
    file = tmp_path / "file.jsonl"
    file.write_text("{}\n")
    typo = tmp_path / "typo" / "data"

    await refused([*words, *required(command, file)], typo, f"no Tierline installation in {typo};")

    assert list(tmp_path.iterdir()) == [file]
    assert file.read_text() == "{}\n"


async def test_a_place_of_something_else_stays_as_it_is(tmp_path: Path, empty_url: str) -> None:
    """A file, an empty directory, somebody else's directory, a database without our tables."""
    file, empty, foreign = tmp_path / "file", tmp_path / "empty", tmp_path / "foreign"
    file.write_text("")
    empty.mkdir()
    (foreign / "postgres").mkdir(parents=True)
    (foreign / "secret.key").write_text("not ours")
    before = sorted(tmp_path.rglob("*"))
    for place in (file, empty, foreign):
        await refused(["doctor"], place, str(place))
    await refused(["doctor", "--database-url", empty_url], empty, "no Tierline installation in")

    assert sorted(tmp_path.rglob("*")) == before
    async with await Database.open(empty_url) as database:
        assert database.shards == 2  # it was empty until now


async def test_a_right_database_makes_nothing_in_a_mistyped_directory(
    database_url: str, tmp_path: Path
) -> None:
    """Where nothing was sealed yet, the secret key comes with the first secret."""
    place = ("--database-url", database_url)
    assert (await tierline("doctor", *place, directory=tmp_path / "data"))[0] == 0
    made = await tierline("project", "create", "Shop", *place, directory=tmp_path / "data")
    assert made[0] == 0
    assert list(tmp_path.iterdir()) == []

    kind = ("--kind", "voucherify", "--project", "Shop")
    assert (await tierline("key", "create", *kind, *place, directory=tmp_path / "data"))[0] == 0
    assert (tmp_path / "data" / "secret.key").exists()
    assert (await tierline("doctor", *place, directory=tmp_path / "data"))[0] == 0
    code, _, err = await tierline("doctor", *place, directory=tmp_path / "typo")
    assert (code, (tmp_path / "typo").exists()) == (1, False)
    assert str(tmp_path / "typo" / "secret.key") in err


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
async def test_a_forbidden_directory_is_said(tmp_path: Path) -> None:
    """As what it is, and not as a database that does not answer."""
    (tmp_path / "shut").mkdir(mode=0o000)
    await refused(["doctor"], tmp_path / "shut" / "data", "Permission denied")


@pytest.mark.parametrize("kind", ["serve", "migrate"])
async def test_a_file_is_no_data_directory(kind: str, tmp_path: Path) -> None:
    """One sentence here, too; with a database elsewhere it is where the secret key should be."""
    file = tmp_path / "file"
    file.write_text("")
    await refused([kind], file, f"{file} cannot be used")


async def test_a_file_is_no_place_for_the_secret_key(database_url: str, tmp_path: Path) -> None:
    """The database is not blamed for it."""
    file = tmp_path / "file"
    file.write_text("")
    await refused(["serve", "--database-url", database_url], file, f"{file}/secret.key cannot be")


async def test_serve_says_that_it_makes_a_new_installation(
    database_url: str, tmp_path: Path
) -> None:
    """Loudly the first time: where, and what to do if that was a mistake. Never again."""
    logs = []
    for _ in range(2):
        process = await start(
            "serve", "--port", "0", "--database-url", database_url, directory=tmp_path
        )
        assert process.stdout is not None
        await asyncio.wait_for(process.stdout.readline(), 60)
        process.terminate()
        _, err = await asyncio.wait_for(process.communicate(), 60)
        logs.append([json.loads(line) for line in err.decode().splitlines()])
    first, second = logs

    (made,) = (line for line in first if line["event"] == "new_installation")
    assert made["level"] == "warning"
    assert "made a new installation" in made["text"]
    assert "database tierline_test_" in made["where"]
    assert all(line["event"] != "new_installation" for line in second)


async def demo(*arguments: str, directory: Path) -> str:
    """What the demo prints, its temporary files in the directory. A busy machine takes long."""
    process = await start("demo", *arguments, directory=directory, TMPDIR=str(directory))
    out, err = await asyncio.wait_for(process.communicate(), 180)
    assert process.returncode == 0, err.decode()
    return out.decode()


async def test_the_demo_says_what_it_leaves(data_dir: Path) -> None:
    """A line that serves its data, keys that work on it, and what takes it away."""
    out = await demo(directory=data_dir)
    (left,) = data_dir.iterdir()
    keys = [line.rpartition(": ")[2] for line in out.splitlines() if ": tk_" in line]
    async with serving(directory=left) as (_, ready):
        for key in keys:
            headers = {"authorization": f"Bearer {key}"}
            async with (
                aiohttp.ClientSession(headers=headers) as session,
                session.get(f"{ready['url']}/api/endpoints") as response,
            ):
                assert response.status == 200
                assert len((await response.json())["endpoints"]) == 1
    assert len(keys) == 4  # the shop, and the three sandboxes of the samples
    assert f"serve --data-dir {left}" in out
    assert f"rm -r {left}" in out


async def test_the_demo_for_machines_leaves_nothing(data_dir: Path) -> None:
    """It has no closing words that could say where it lies."""
    assert await demo("--json", directory=data_dir)
    assert list(data_dir.iterdir()) == []


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("PG_VERSION", signal.SIGTERM),
        ("postmaster.pid", signal.SIGHUP),
        ("postmaster.pid", signal.SIGINT),
    ],
    ids=["making", "running", "by hand"],
)
async def test_a_demo_that_is_ended_leaves_nothing(
    data_dir: Path, moment: str, number: signal.Signals
) -> None:
    """No directory and no database server, whenever and however it ends."""
    process = await start("demo", directory=data_dir, TMPDIR=str(data_dir))
    while not list(data_dir.glob(f"tierline-demo-*/postgres/{moment}")):
        await asyncio.sleep(0.01)
        assert process.returncode is None
    process.send_signal(number)

    await asyncio.wait_for(process.communicate(), 180)

    assert process.returncode == (130 if number == signal.SIGINT else 128 + number)
    assert list(data_dir.iterdir()) == []
