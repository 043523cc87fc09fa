"""From a plain database to a distributed one: refused without Citus, whole and repeatable with."""

from __future__ import annotations

import re

import asyncpg
import pytest

from tests.cluster import Cluster
from tests.conftest import PLACES
from tests.ledger.conftest import Club
from tests.store.test_statements import SMALL, STATEMENTS
from tierline.ledger.commands import Answer
from tierline.model import ids
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.secret_box import SecretBox
from tierline.store.citus import STAY, ExtensionMissing, NotTheCoordinator, distribute
from tierline.store.compaction import compact
from tierline.store.database import PLANNER, Database
from tierline.store.heartbeat import InUse, Presence
from tierline.store.named_queries import Statement
from tierline.store.node_watch import watching

no_cluster = pytest.mark.skipif("citus" not in PLACES, reason="TIERLINE_TEST_CITUS_URL not given")
on_citus = pytest.mark.parametrize(
    "server", [pytest.param("citus", marks=no_cluster)], indirect=True
)
PORT = "SELECT inet_server_port()"
MOVE = """
    SELECT citus_move_shard_placement(d.shardid, $2, $3, $4, $5, 'block_writes')
    FROM pg_dist_shard d
    WHERE d.logicalrelid = 'shard_head'::regclass AND worker_hash($1::smallint)
          BETWEEN d.shardminvalue::integer AND d.shardmaxvalue::integer
"""
HOT = [statement for statement in STATEMENTS if statement.wide is None]


@pytest.mark.parametrize("server", ["plain"], indirect=True)
async def test_without_the_extension_it_says_what_is_missing(database: Database) -> None:
    """The sentence names the step that the operator has not done; nothing is changed."""
    with pytest.raises(ExtensionMissing) as caught:
        await distribute(database)

    assert "CREATE EXTENSION citus" in str(caught.value)


@on_citus
async def test_rows_that_were_there_are_there_afterwards(empty_url: str) -> None:
    """A database with members is distributed, and works on; a second run finds nothing to do."""
    async with await Database.open(empty_url, shards=4) as database:
        club = Club(database, await Catalog.open(database, SecretBox(bytes(32))))
        await club.create()
        batch = [club.activity(customer=f"c{i}", points=5, key="1") for i in range(9)]
        async with club.writer() as writer:
            await writer.submit_all(batch)
        names: list[str] = []
        first = await distribute(database, names.append)
        second = await distribute(database)
    async with await Database.open(empty_url) as database:
        club.database = database
        async with club.writer() as writer:
            again = await writer.submit_all(batch)
        members = await club.count("member")
        groups = await database.pool.fetch(
            "SELECT DISTINCT colocationid FROM pg_dist_partition WHERE partmethod = 'h'"
        )

    assert set(first.small) == SMALL - STAY
    assert names == [*first.small, *first.large]
    assert (first.changed, second.changed) == (len(names), 0)
    assert len(groups) == 1
    assert members == 9
    assert [
        answer for answer in again if not isinstance(answer, Answer) or not answer.repeated
    ] == []


@on_citus
async def test_it_is_done_from_the_coordinator_and_with_nobody_at_work(
    server: Cluster, database: Database, empty_url: str
) -> None:
    """A worker is refused, and so is a database that a server gave a sign of life in."""
    worker = server.at(server.nodes[-1], database.url)
    if len(server.nodes) > 1:
        async with await Database.open(worker) as there:
            with pytest.raises(NotTheCoordinator):
                await distribute(there)
    async with await Database.open(empty_url) as busy:
        async with busy.errand() as connection:
            await Presence("api", "p1").beat(connection)
        with pytest.raises(InUse):
            await distribute(busy)


@on_citus
async def test_batches_and_sweeps_go_to_the_node_that_holds_the_shard(
    server: Cluster, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And follow it where it is moved; nothing of them passes the coordinator."""
    club = Club(database, await Catalog.open(database, SecretBox(bytes(32))))
    await club.create()
    async with watching(database), club.writer() as writer:
        customer = "anna"
        shard = ids.shard_of(ids.route(club.project.id, customer), database.shards)

        async def served(key: str) -> tuple[Answer, set[int]]:
            """The answer, and the ports of the nodes where batches of this shard have run."""
            answer = await writer.submit(club.activity(customer=customer, points=5, key=key))
            idle = writer.shards[shard]._idle
            return answer, {await tx.connection.fetchval(PORT) for tx in idle}

        first, ports = await served("1")
        here = database.nodes.of(shard)
        assert here is not None
        assert ports == {int(here.rpartition(":")[2])}
        sweep = await database.connect_to(shard, "sweep", **PLANNER)
        assert await sweep.fetchval(PORT) in ports
        await sweep.close()

        # Somebody else's server at the node's address is left alone.
        monkeypatch.setattr(database, "epoch", "another")
        stranger = await database.connect_to(shard, "sweep", **PLANNER)
        assert await stranger.fetchval(PORT) not in ports
        await stranger.close()
        monkeypatch.undo()
        database.nodes.reached(here)

        others = [node for node in server.nodes[1:] if f"{node[0]}:{node[1]}" != here]
        if not others:
            return
        host, _, port = here.rpartition(":")
        await database.pool.execute(MOVE, shard, host, int(port), *others[0])
        assert await database.absent.confirms(shard) is False  # a look
        second, moved = await served("2")
        assert moved == {others[0][1]}
        again, _ = await served("1")
    assert (first.balance, second.balance) == (5, 10)
    assert again.repeated


@on_citus
async def test_every_hot_statement_is_one_task(database: Database) -> None:
    """As Citus itself plans it: one node does all of it, and nothing is pulled here first."""
    connection = await database.connect(**PLANNER)
    try:
        plans = {statement.name: await _plan(connection, statement) for statement in HOT}
    finally:
        await connection.close()

    assert {name: plan for name, plan in plans.items() if not _is_one_task(plan)} == {}


@on_citus
async def test_compacting_names_each_table_once(database: Database) -> None:
    """The pieces of a table are written with it, and are nobody's concern."""
    names: list[str] = []
    count = await compact(database, names.append)

    assert count == len(names)
    assert set(names) >= SMALL | {"member", "entry"}
    assert [name for name in names if re.search(r"_\d{5,}$", name)] == []


async def _plan(connection: asyncpg.Connection, statement: Statement) -> str:
    prepared = await connection.prepare(statement.text)
    values = ", ".join(_sample(kind) for kind in prepared.get_parameters())
    await connection.execute(f"PREPARE hot AS {statement.text}")
    try:
        rows = await connection.fetch(f"EXPLAIN EXECUTE hot{values and f'({values})'}")
    except asyncpg.PostgresError as error:
        return f"not planned: {error}"
    finally:
        await connection.execute("DEALLOCATE hot")
    return "\n".join(row[0] for row in rows)


def _is_one_task(plan: str) -> bool:
    refused = ("not planned: ", "pull to coordinator", "repartition", "Distributed Subplan")
    return set(re.findall(r"Task Count: (\d+)", plan)) <= {"1"} and not any(
        word in plan for word in refused
    )


def _sample(kind: asyncpg.Type) -> str:
    """A value of a parameter's type, as SQL; columns of text are empty arrays."""
    name = kind.name.removesuffix("[]").removeprefix("_")
    samples = {"bool": "true", "bytea": "'\\x00'::bytea", "text": "'{}'"}
    one = samples.get(name, f"'1'::{name}")
    return f"ARRAY[{one}]" if kind.kind == "array" else one
