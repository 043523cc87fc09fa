"""How many connections a process has to its database: counted, and never more than it says."""

from __future__ import annotations

import asyncio

import pytest

from tests.web.conftest import Api
from tierline.store.connection_counts import ConnectionKind, process_most
from tierline.store.database import Database
from tierline.store.event_log import EventLog

OPEN = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'tierline'
"""


def open_by_kind(database: Database) -> dict[ConnectionKind, int]:
    return {each.kind: each.in_use + each.idle for each in database.connections()}


async def test_it_counts_what_the_server_sees(club: Api) -> None:
    """After work of every kind of role, and no kind has more than it may."""
    database = club.installation.database
    await asyncio.gather(*(club.earn(f"c{i}", 1) for i in range(60)))
    while True:
        before = open_by_kind(database)
        seen = await database.pool.fetchval(OPEN)
        if open_by_kind(database) == before:  # none was opened or lost while we asked
            break

    assert sum(before.values()) == seen
    assert before["batch"] > 0
    assert before["line"] > 0
    assert all(f.in_use + f.idle <= f.most for f in database.connections())


async def test_a_process_says_how_many_it_may_open(club: Api) -> None:
    """The sum over all kinds is what `doctor` and the documentation say."""
    database = club.installation.database
    text = (await club.get("/metrics", key="")).body.decode()
    lines = [line for line in text.splitlines() if line.startswith("tierline_database_conn")]
    most = [float(line.rsplit(" ", 1)[1]) for line in lines if "_max{" in line]

    assert sum(most) == process_most(database.shards)
    assert 'tierline_database_connections{kind="pool",state="idle"}' in text
    assert "tierline_shards_away 0.0" in text


@pytest.mark.parametrize(("shards", "most"), [(2, 60), (4, 88), (64, 688)])
def test_the_documentation_has_these_numbers(shards: int, most: int) -> None:
    """`docs/scaling.md` shows them in its table. To each node of a cluster the log has as
    many lines again, and one connection looks at the nodes."""
    assert process_most(shards) == most
    assert process_most(shards, nodes=2) == most + 2 * 2 * 2 * min(4, shards) + 1


async def test_a_lost_connection_counts_no_more(database: Database) -> None:
    """Nor one that was closed; one at work is in use, and idle when that is done."""
    log = EventLog(database)
    line = log.reader(0)
    await line.run(lambda c: c.fetchval("SELECT 1"))
    idle = {each.kind: (each.in_use, each.idle) for each in database.connections()}
    at_work = await line.run(lambda _: figures_now(database))
    await log.close()
    while open_by_kind(database)["line"]:
        await asyncio.sleep(0)
    connection = await database.connect("batch")
    opened = open_by_kind(database)
    connection.terminate()
    while open_by_kind(database)["batch"]:
        await asyncio.sleep(0)

    assert idle["line"] == (0, 1)
    assert at_work["line"] == (1, 0)
    assert opened["batch"] == 1


async def figures_now(database: Database) -> dict[ConnectionKind, tuple[int, int]]:
    return {each.kind: (each.in_use, each.idle) for each in database.connections()}
