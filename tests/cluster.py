"""A Citus cluster that makes distributed databases for tests.

The URL names a database of the coordinator in which the workers are registered, reached by every
worker as the same user with the same password. A database of a cluster is one on each node, and so
is its copy: the metadata inside name the nodes, not the database.
"""

from __future__ import annotations

from typing import Self
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from tests.servers import Server, name_of, new_name
from tierline.store.citus import distribute
from tierline.store.database import Database

DROPS = 5  # of one database: each waits for some seconds
PIECES = 4  # of a table; the default, 32, would be two thousand files a database


class Cluster(Server):
    """Its coordinator is what tests connect to."""

    def __init__(self, url: str, nodes: list[tuple[str, int]]) -> None:
        super().__init__(url)
        self.nodes = nodes  # the coordinator first

    @classmethod
    async def at_url(cls, url: str) -> Self:
        """The cluster that the URL's database knows of."""
        connection = await asyncpg.connect(url)
        try:
            rows = await connection.fetch(
                "SELECT nodename, nodeport FROM pg_dist_node WHERE isactive ORDER BY groupid"
            )
        finally:
            await connection.close()
        return cls(url, [(row["nodename"], row["nodeport"]) for row in rows])

    def known_as(self, node: tuple[str, int]) -> tuple[str, int]:
        """The address by which the nodes of a new database know one of them."""
        return node

    def at(self, node: tuple[str, int], url: str) -> str:
        """The same database on another node."""
        parts = urlsplit(url)
        login = parts.netloc.rpartition("@")[0]
        place = f"{login}@{node[0]}:{node[1]}" if login else f"{node[0]}:{node[1]}"
        return urlunsplit(parts._replace(netloc=place))

    async def create(self, template: str = "template0") -> str:
        url = self.url_of(new_name())
        await self._everywhere(f"CREATE DATABASE {name_of(url)} TEMPLATE {template}")
        if template == "template0":
            await self._join(url)
        return url

    async def drop(self, url: str) -> None:
        # The extension's daemon may come back while it is being sent away.
        for left in reversed(range(DROPS)):
            try:
                await self._everywhere(f"DROP DATABASE IF EXISTS {name_of(url)} WITH (FORCE)")
            except asyncpg.ObjectInUseError:
                if not left:
                    raise
            else:
                return

    async def _everywhere(self, *statements: str) -> None:
        for node in self.nodes:
            connection = await asyncpg.connect(self.at(node, self.url))
            try:
                # A node tells the others of a new database only where that is switched on.
                await connection.execute("SET citus.enable_create_database_propagation = off")
                for statement in statements:
                    await connection.execute(statement)
            finally:
                await connection.close()

    async def prepare_template(self, url: str) -> None:
        name = name_of(url)
        async with await Database.open(url) as database:
            await distribute(database)
        # Copying wants nobody connected, the extension's own daemon included.
        await self._everywhere(
            f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE NOT"
            " (SELECT datallowconn FROM pg_database d WHERE d.datname = pg_stat_activity.datname)",
        )

    async def _join(self, url: str) -> None:
        """Make the new databases, one on each node, one cluster."""
        for node in self.nodes:
            connection = await asyncpg.connect(self.at(node, url))
            await connection.execute("CREATE EXTENSION citus")
            await connection.execute(
                f"ALTER DATABASE {name_of(url)} SET citus.shard_count = {PIECES}"
            )
            await connection.close()
        coordinator, *workers = self.nodes
        connection = await asyncpg.connect(url)
        # Adding a node writes roles, which all databases share: one session of tests at a time.
        alone = await asyncpg.connect(self.url)
        try:
            await alone.execute("SELECT pg_advisory_lock(0)")
            await connection.execute("SELECT citus_set_coordinator_host($1, $2)", *coordinator)
            for worker in workers:
                await connection.execute("SELECT citus_add_node($1, $2)", *self.known_as(worker))
            if not workers:
                await connection.execute(
                    "SELECT citus_set_node_property($1, $2, 'shouldhaveshards', true)", *coordinator
                )
        finally:
            await alone.close()
            await connection.close()
