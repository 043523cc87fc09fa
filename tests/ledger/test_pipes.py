"""Commands in a pipe whose reader has enough (`| head`): silence, and no untruth."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.process import ROOT
from tests.ledger.conftest import Club
from tests.ledger.test_import_records import customers, jsonl
from tests.ledger.test_importer import run
from tierline.store.catalog.secret_box import KEY_VARIABLE

SECONDS_MAX = 60
PIPE_BYTES = 65_536
NOWHERE = "postgresql://nobody@127.0.0.1:1/none"


def tierline(*arguments: str, url: str, directory: Path, read: int) -> tuple[int, bytes, str]:
    """Exit code, the bytes that a reader took before it left, and errors."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TIERLINE_")}
    environment |= {"PYTHONPATH": str(ROOT / "src"), "TIERLINE_DATA_DIR": str(directory)}
    environment[KEY_VARIABLE] = base64.b64encode(bytes(32)).decode()  # that of `club`
    end, start = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "tierline", *arguments, "--database-url", url],
        stdout=start, stderr=subprocess.PIPE, env=environment,
    )  # fmt: skip
    os.close(start)
    data = os.read(end, read) if read else b""
    os.close(end)
    _, errors = process.communicate(timeout=SECONDS_MAX)
    return process.returncode, data, errors.decode()


async def test_an_export_ends_quietly_when_its_reader_has_enough(
    club: Club, tmp_path: Path
) -> None:
    """The first lines came, the rest goes nowhere; the database is not blamed."""
    await club.create()
    people = [{"customer": f"c{i}", "points": i, "name": "n" * 150} for i in range(1500)]
    await run(club, jsonl(tmp_path / "people.jsonl", *people))
    place = ("--project", club.project.id, "--program", "club")
    for more in ((), ("--history",)):
        code, data, errors = tierline(
            "export", "-", *place, *more, url=club.database.url, directory=tmp_path, read=1_000
        )
        assert (code, errors) == (0, "")
        assert data.startswith(b'{"customer":')


@pytest.mark.parametrize(
    "arguments",
    [("project", "list"), ("project", "list", "--json"), ("key", "list"), ("doctor",)],
    ids=" ".join,
)
async def test_a_list_that_nobody_reads_ends_quietly(
    club: Club, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """Whatever it would have printed."""
    await club.create()
    await club.catalog.add_key(club.project.number, "native", (), "", 0)
    place = ("--project", club.project.id) if arguments[0] == "key" else ()
    code, _, errors = tierline(
        *arguments, *place, url=club.database.url, directory=tmp_path, read=0
    )

    assert (code, errors) == (0, "")


@pytest.mark.parametrize("arguments", [("manual",), ("--help",), ("member", "--help")])
def test_a_page_that_nobody_reads_ends_quietly(arguments: tuple[str, ...]) -> None:
    """What needs no installation, too."""
    end, start = os.pipe()
    os.close(end)
    command = [sys.executable, "-m", "tierline", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        command, stdout=start, stderr=subprocess.PIPE, env=environment, check=False
    )
    os.close(start)

    assert (done.returncode, done.stderr) == (0, b"")


async def test_an_import_goes_on_when_nobody_reads_its_rejects(club: Club, tmp_path: Path) -> None:
    """More of them than a pipe holds; the sound records are in, and the end says what was not."""
    await club.create()
    dirty = [{"customer": f"d{i}", "name": "n" * 190, "points": -1.5} for i in range(400)]
    path = jsonl(tmp_path / "p.jsonl", *dirty, {"customer": "ada", "points": 5})
    assert len(path.read_bytes()) > PIPE_BYTES
    place = ("--project", club.project.id, "--program", "club", "--rejects", "-")
    code, data, errors = tierline(
        "import", str(path), *place, url=club.database.url, directory=tmp_path, read=100
    )

    assert code == 1
    assert data.startswith(b'{"customer": "d0"')
    assert "401 records: 1 customer (1 made, 0 changed)" in errors
    assert "Refused: 400 records." in errors
    assert await customers(club) == ["ada"]
    assert not (tmp_path / "-").exists()


async def test_rejects_go_to_standard_output_alone(club: Club, tmp_path: Path) -> None:
    """So that they can be piped on; with a heading where the file has one."""
    await club.create()
    path = tmp_path / "p.csv"
    path.write_text("customer;points\nada;5\nbob;five\neve;six\n")
    place = ("--project", club.project.id, "--program", "club", "--rejects", "-")
    for more in (("--dry-run",), ()):
        _, data, errors = tierline(
            "import", str(path), *place, *more,
            url=club.database.url, directory=tmp_path, read=PIPE_BYTES,
        )  # fmt: skip
        heading, *rows = data.decode().splitlines()
        assert heading == "customer;points;refused"
        assert rows[0].startswith('bob;five;"line 3, points: ') or rows[0].startswith(
            "bob;five;line 3, points: "
        )
        assert "3 records: 1 customer " in errors


@pytest.mark.parametrize("read", [0, 1])
def test_a_database_that_does_not_answer_is_said(tmp_path: Path, read: int) -> None:
    """Also where nobody reads the output."""
    place = ("--project", "p", "--program", "club")
    code, data, errors = tierline("export", "-", *place, url=NOWHERE, directory=tmp_path, read=read)

    assert (code, data) == (1, b"")
    assert "No PostgreSQL answers at 127.0.0.1:1" in errors


@pytest.mark.parametrize("name", ["-", "/dev/stdin", "pipe"])
def test_an_import_of_a_pipe_says_why_not(tmp_path: Path, name: str) -> None:
    """Not that the file is empty: whoever reads it first has emptied it."""
    file = tmp_path / name if name == "pipe" else Path(name)
    if name == "pipe":
        os.mkfifo(file)
    facts = ("import", str(file), "--project", "p", "--program", "c")
    code, _, errors = tierline(*facts, url=NOWHERE, directory=tmp_path, read=0)

    assert code == 2
    assert "write it to a file first" in errors


async def test_rejects_never_take_the_place_of_what_is_imported(club: Club, tmp_path: Path) -> None:
    """The file itself is refused as their place before anything happens to it."""
    await club.create()
    path = jsonl(tmp_path / "p.jsonl", {"customer": "ada", "points": 1.5})
    place = ("--project", club.project.id, "--program", "club", "--rejects", str(path))
    code, _, errors = tierline(
        "import", str(path), *place, url=club.database.url, directory=tmp_path, read=0
    )

    assert code == 2
    assert "--rejects names FILE itself" in errors
    assert path.exists()
