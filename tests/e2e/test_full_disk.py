"""A disk that fills up under a running server, and has room again: nothing is started anew."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.caller import Caller
from tests.e2e.process import Served, tierline
from tests.web.conftest import Answered
from tierline.store.database import Database
from tierline.store.disk_space import FREE_BYTES_MIN, SPARE_BYTES, SPARE_FILE, DiskSpace, is_low
from tierline.store.embedded_postgres.server import EmbeddedServer

CLUB = {"name": "Club", "policy": {"tiers": [{"id": "gold", "name": "Gold", "from": 1}]}}
ACTIVITIES = "/api/programs/club/activities"
TO_CLUB = ("--project", "Default", "--program", "club")
MANY = 20_000  # activities, more than the free rows of the pages that are there
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="a disk of its own takes root to mount")


@pytest.fixture
def disk() -> Iterator[Path]:
    """A small file system."""
    with tempfile.TemporaryDirectory(prefix="tierline-disk-") as name:
        words = ["mount", "-t", "tmpfs", "-o", "size=200M,mode=755", "none", name]
        if subprocess.run(words, check=False, capture_output=True).returncode:
            pytest.skip("nothing can be mounted here")
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", "--lazy", name], check=True)


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Inside, what was free is taken."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError:
            pass
    try:
        yield
    finally:
        filler.unlink()


async def earn(caller: Caller, customer: str) -> Answered:
    activity = {"customer": customer, "kind": "earn", "points": 5}
    return await caller.call("POST", ACTIVITIES, activity)


async def earn_many(caller: Caller) -> Answered:
    activities = [{"customer": f"n{i}", "kind": "earn", "points": 5} for i in range(MANY)]
    lines = "\n".join(map(json.dumps, activities)).encode()
    return await caller.call("POST", ACTIVITIES, lines, content_type="application/x-ndjson")


async def readiness(caller: Caller) -> tuple[int, list[str]]:
    answered = await caller.call("GET", "/readyz", key="")
    return answered.status, answered.json["missing"]


async def metric(caller: Caller, name: str) -> float:
    text = (await caller.call("GET", "/metrics")).body.decode()
    (line,) = (line for line in text.splitlines() if line.startswith(f"{name} "))
    return float(line.split()[1])


@as_root
async def test_writes_are_refused_while_the_disk_is_full(
    disk: Path, tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    """By every way in, with `disk_full`; reads go on; /readyz, /metrics, doctor and the log say
    it; with room again all is as before, without a start."""
    with Served(disk / "data") as server:
        shop = Caller(session, server.url, server.key)
        await shop.put("/api/programs/club", CLUB)
        assert (await earn(shop, "ann")).status == 200
        for _ in range(2):
            with filled(disk):
                answers = [
                    await earn(shop, "ann"),
                    await earn(shop, "bob"),
                    await earn_many(shop),
                    await shop.call("POST", ACTIVITIES, [{"customer": "ann", "kind": "earn"}]),
                    await shop.call("PUT", "/api/customers/cem", {"email": "cem@example.com"}),
                    await shop.call("PUT", "/api/programs/other", CLUB),
                    await shop.call("POST", "/api/keys", {}),
                ]
                for answered in answers:
                    assert answered.problem[:2] == (503, "disk_full")
                    assert int(answered.headers["retry-after"]) > 0
                    assert "free some space" in answered.json["detail"]
                assert await shop.balance("club", "ann") == 5
                assert (await shop.get("/api/programs"))["programs"]
                assert await readiness(shop) == (503, ["disk"])
                assert await metric(shop, "tierline_disk_full") == 1
                file = tmp_path / "people.csv"
                file.write_text("customer,points\ndan,5\n")
                imported = tierline("import", str(file), *TO_CLUB, data_dir=disk / "data")
                assert imported.returncode == 1
                assert "The disk is full" in imported.stderr
                doctor = tierline("doctor", data_dir=disk / "data")
                assert doctor.returncode == 1
                assert "!!  disk: it is full (disk_full)" in doctor.stdout
            assert (await earn(shop, "bob")).status == 200
            assert await readiness(shop) == (200, [])
            assert await metric(shop, "tierline_disk_full") == 0
            assert await metric(shop, "tierline_disk_free_bytes") > FREE_BYTES_MIN
        assert tierline("doctor", data_dir=disk / "data").returncode == 0
        assert server.stop() == 0
        events = [json.loads(line)["event"] for line in server.log.splitlines() if line[:1] == "{"]
        assert "disk_has_room" in events
        assert "Traceback" not in server.log


@as_root
async def test_a_full_disk_of_a_server_elsewhere_is_told_when_a_write_met_it(
    disk: Path, tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    """Nobody can measure it from here, and small writes may still find room."""
    with EmbeddedServer.attach_or_start(disk / "elsewhere") as elsewhere:
        place = ("--database-url", elsewhere.url)
        with Served(tmp_path, *place) as server:
            shop = Caller(session, server.url, server.key)
            await shop.put("/api/programs/club", CLUB)
            await earn(shop, "ann")
            # PostgreSQL may refuse a new connection for want of room: this one has been made.
            assert await shop.balance("club", "ann") == 5
            with filled(disk):
                answered = await earn_many(shop)
                last = json.loads(answered.body.splitlines()[-1])
                assert (answered.status, last["code"]) == (200, "disk_full")
                assert await readiness(shop) == (503, ["disk"])
                assert await metric(shop, "tierline_disk_full") == 1
                doctor = tierline("doctor", *place, data_dir=tmp_path)
                assert doctor.returncode == 1
                assert "disk is full" in doctor.stderr or "disk_full" in doctor.stdout
                assert await shop.balance("club", "ann") == 5
            assert await readiness(shop) == (200, [])
            assert await metric(shop, "tierline_disk_full") == 0
            assert (await earn(shop, "bob")).status == 200


async def test_what_the_database_said_counts_until_it_writes_again(database: Database) -> None:
    """By its SQLSTATE; an error of another kind says nothing of the disk."""
    disk = DiskSpace()
    for state, full in (("23505", False), ("53100", True), ("23505", True)):
        with pytest.raises(Exception, match="no room") as caught:
            await database.pool.execute(
                f"DO $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '{state}'; END $$"
            )
        disk.saw(caught.value)
        assert disk.full is full
    disk.require_room()  # a server elsewhere is asked itself
    connection = await database.connect()
    await disk.ask(connection)
    await connection.close()
    assert not disk.full


def test_the_spare_room_is_given_up_and_taken_back(tmp_path: Path) -> None:
    """Where there is none, there must be room for it before there is room for anything else."""
    (tmp_path / "postgres" / "pg_wal").mkdir(parents=True)
    disk = DiskSpace(tmp_path / "postgres")
    disk.settle()

    assert (tmp_path / SPARE_FILE).stat().st_size == SPARE_BYTES
    assert [path.name for path in sorted(tmp_path.iterdir())] == [SPARE_FILE, "postgres"]
    assert not is_low(FREE_BYTES_MIN, spared=True)
    assert is_low(FREE_BYTES_MIN - 1, spared=True)
    assert is_low(FREE_BYTES_MIN + SPARE_BYTES - 1, spared=False)
    assert not is_low(FREE_BYTES_MIN + SPARE_BYTES, spared=False)
