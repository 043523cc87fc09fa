"""Which node is connected to for work in a shard."""

from __future__ import annotations

import pytest

from tierline.store.database import PLANNER, Database
from tierline.store.shard_nodes import ShardNodes, at_node


@pytest.mark.parametrize(
    ("url", "there"),
    [
        ("postgresql://u:p%40ss@db:5432/shop", "postgresql://u:p%40ss@w1:5433/shop"),
        ("postgresql://db/shop?sslmode=require", "postgresql://w1:5433/shop?sslmode=require"),
        ("postgresql:///shop?host=/run/pg&user=u", "postgresql://w1:5433/shop?user=u"),
    ],
)
def test_it_is_the_same_database_there(url: str, there: str) -> None:
    assert at_node(url, "w1:5433") == there


def test_what_cannot_be_reached_is_left_alone_for_a_while() -> None:
    """Longer each time, up to an hour; who fails at once with others has failed once."""
    now = 100.0
    nodes = ShardNodes("postgresql://db/shop", lambda: now)
    assert nodes.of(0) is None
    nodes.saw({0: "w1:1", 1: "w2:1"})
    assert (nodes.of(0), nodes.of(1), nodes.of(2)) == ("w1:1", "w2:1", None)
    for wait in (60, 120, 240, 480, 960, 1_920, 3_600, 3_600):
        nodes.failed("w1:1", OSError())
        nodes.failed("w1:1", OSError())
        now += wait - 1
        assert (nodes.of(0), nodes.of(1)) == (None, "w2:1")
        now += 1
        assert nodes.of(0) == "w1:1"
    nodes.reached("w1:1")
    nodes.failed("w1:1", OSError())
    now += 60
    assert nodes.of(0) == "w1:1"
    nodes.saw({0: "w2:1"})
    assert nodes.of(0) == "w2:1"


@pytest.mark.parametrize("node", ["localhost:1", "127.0.0.1:1", "[::1]:1", "::1:1"])
def test_a_node_that_is_called_by_the_machines_own_name_is_another_server(node: str) -> None:
    """Where we are somewhere else than the database."""
    for url, there in (
        ("postgresql://db:5432/shop", None),
        ("postgresql://10.0.0.9/shop", None),
        ("postgresql://localhost/shop", node),
        ("postgresql://u@[::1]:5432/shop", node),
        ("postgresql:///shop?host=/run/pg", node),
    ):
        nodes = ShardNodes(url)
        nodes.saw({0: node, 1: "w1:1"})
        assert (nodes.of(0), nodes.of(1)) == (there, "w1:1"), url


async def test_where_a_node_is_not_reached_there_is_the_other_way(database: Database) -> None:
    """By the database's own address; as soon as it is known to lie elsewhere, that is tried."""
    database.nodes.saw({0: "127.0.0.1:1"})
    connection = await database.connect_to(0, "batch", **PLANNER)
    try:
        assert await connection.fetchval("SELECT count(*) FROM shard_head WHERE shard = 0") == 1
        assert database.serves(connection, 0)
        database.nodes.saw({0: "127.0.0.1:2"})
        assert not database.serves(connection, 0)
        database.nodes.saw({})
        assert database.serves(connection, 0)
    finally:
        await connection.close()
    assert not database.serves(connection, 0)
