"""One open database: its pool, its dedicated connections, and what is fixed about it.

The hot path uses dedicated connections (`connect`), whose prepared statements stay; the pool serves
everything occasional, and `lookups` what many requests need at once, by key. All are warmed:
asyncpg asks the catalog about each array type that it
meets, which takes seconds on a Citus node unless its visibility rewriting is switched off first.
What it learns of PostgreSQL's own types, a process keeps.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit

import asyncpg

from tierline.errors import TierlineError
from tierline.store import migrate
from tierline.store.absent_shards import AbsentShards
from tierline.store.connection_counts import (
    ERRANDS_MAX,
    LOOKUPS_MAX,
    POOL_MAX,
    ConnectionCounts,
    ConnectionFigures,
    ConnectionKind,
)
from tierline.store.disk_space import DiskSpace
from tierline.store.errors import (
    CopyUnfinished,
    DatabaseTooOld,
    DatabaseUrlInvalid,
    NoInstallation,
    ShardsFixed,
    translate,
)
from tierline.store.shard_nodes import ShardNodes, at_node

VERSION_MIN: Final = 15
CONNECT_SECONDS_MAX: Final = 10
CLOSE_SECONDS_MAX: Final = 10
NODE_SECONDS_MAX: Final = 2  # to a node of a cluster: the coordinator is the other way
STATEMENT_MS_MAX: Final = 10_000  # hot statements take under 100 ms; this bounds a wait for locks
IDLE_SECONDS_MAX: Final = 300  # then the pool lets a connection go
# A full disk may refuse a new connection (PostgreSQL writes a file of its catalog for it), and
# reads are to go on: what has looked something up once can do so again.
FOR_EVER: Final = 0
COMMAND_SECONDS_MAX: Final = 30  # for a server that went silent; never reached before the above
NODE_COMMAND_SECONDS_MAX: Final = 12  # for a node that did: there its shards wait
EPOCH: Final = "SELECT epoch FROM installation WHERE id = 1"
KEPT_PLANS: Final = "force_generic_plan"  # where `distribute` noted nothing else
COPYING: Final = "copying:"  # begins the epoch of what an unfinished copy fills

SESSION: Final[Mapping[str, str]] = {
    "application_name": "tierline",
    "citus.override_table_visibility": "off",  # an unknown name with a dot is fine elsewhere
    "statement_timeout": str(STATEMENT_MS_MAX),
    "idle_in_transaction_session_timeout": str(STATEMENT_MS_MAX),
    "jit": "off",
    "standard_conforming_strings": "on",  # scripts hold texts as literals
    "TimeZone": "UTC",
}
# Look-ups by key, as of a batch: the plan made for empty tables is the one that is kept while they
# fill. So nothing is left to choose: joins in the order in which they are written, each a nested
# loop over an index.
PLANNER: Final[Mapping[str, str]] = {
    "plan_cache_mode": KEPT_PLANS,
    "join_collapse_limit": "1",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_material": "off",
}
_WARM: Final = (
    "SELECT $1::smallint[], $2::integer[], $3::bigint[], $4::text[], $5::bytea[], $6::boolean[]"
)

OIDS_OF_OTHERS: Final = 16_384  # below, a type is PostgreSQL's own, and the same on every server
_types: dict[frozenset[int], Any] = {}


class WarmConnection(asyncpg.Connection):
    """A connection that asks once a process what PostgreSQL's own array types are, not each anew:
    the driver's question costs a server more than the connection itself."""

    __slots__ = ("node",)
    node: str | None  # of a cluster, which it goes to; None: to the database's own address

    async def _introspect_types(self, typeoids: Iterable[int], *waits: float | None) -> Any:
        oids, ask = frozenset(typeoids), super()._introspect_types  # type: ignore[misc]
        if max(oids) >= OIDS_OF_OTHERS:
            return await ask(oids, *waits)
        if oids not in _types:
            _types[oids] = await ask(oids, *waits)
        return _types[oids]


class Fixed(NamedTuple):
    """What an installation's row says."""

    epoch: str
    shards: int
    plan_cache_mode: str  # PostgreSQL's, for the batch path


class Database:
    """An installation that is open for work. Made by `open`; what `fixed` says never changes."""

    def __init__(
        self, url: str, pool: asyncpg.Pool, lookups: asyncpg.Pool, fixed: Fixed, disk: DiskSpace
    ) -> None:
        self.url = url
        self.pool = pool
        self.lookups = lookups
        self.disk = disk
        self.absent = AbsentShards()
        self.nodes = ShardNodes(url)
        self.counts = ConnectionCounts()
        self._errands = asyncio.Semaphore(ERRANDS_MAX)
        self.shards = fixed.shards
        self.epoch = fixed.epoch
        self._plan_cache_mode = fixed.plan_cache_mode
        self.distributed = fixed.plan_cache_mode != KEPT_PLANS  # shards live on several nodes

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        migrate: bool = True,
        create: bool = True,
        shards: int | None = None,
        pool_max: int = POOL_MAX,
        disk: DiskSpace | None = None,
    ) -> Self:
        """Connect, bring the schema up to date (`migrate=False`: only check it), and read what is
        fixed. Without `create` an empty database stays empty. `shards` counts for a new database
        (default 2); for an existing one it must agree.

        Raises NoInstallation, DatabaseUnreachable, DatabaseTooOld, SchemaTooNew, SchemaBehind,
        ShardsFixed, CopyUnfinished, LoginRefused, DatabaseMissing, TooManyConnections,
        NoWritePermission, DiskFull."""
        try:
            # A migration, and the wait for another process's, may take long; so may, on a busy
            # machine, loading what writes its script.
            connection = await connect(
                url, {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}
            )
            try:
                if not create and not await _installed(connection):
                    raise NoInstallation(where=where(url))
                fixed = await _prepare(connection, url, migrate, shards)
            finally:
                await connection.close(timeout=CONNECT_SECONDS_MAX)
            if shards not in {None, fixed.shards}:
                raise ShardsFixed(installed=fixed.shards, option=shards)
            pool = await _open_pool(url, pool_max, SESSION, IDLE_SECONDS_MAX)
            planner = {**PLANNER, "plan_cache_mode": fixed.plan_cache_mode}
            lookups = await _open_pool(url, LOOKUPS_MAX, {**SESSION, **planner}, FOR_EVER)
        except TierlineError:
            raise
        except Exception as error:
            failure = translate(error, where(url))
            if failure is None:
                raise
            raise failure from error
        return cls(url, pool, lookups, fixed, disk or DiskSpace())

    async def connect(
        self, kind: ConnectionKind = "errand", /, **settings: str
    ) -> asyncpg.Connection:
        """A dedicated, warmed connection, which the caller closes; it is counted as of this kind.
        `settings` are PostgreSQL's own, for this session: `connect(statement_timeout="0")`. Where
        plans cannot be kept, as on a distributed database, a wish for kept ones is passed over."""
        settings = self._planned(settings)
        try:
            connection = await connect(self.url, settings)
        except Exception as error:
            failure = translate(error, where(self.url))
            if failure is None:
                raise
            raise failure from error
        self.counts.opened(kind, connection)
        return connection

    async def connect_to(
        self, shard: int, kind: ConnectionKind, /, **settings: str
    ) -> asyncpg.Connection:
        """As `connect`, for work in one shard: on a cluster, to the node that holds it, where that
        can be reached from here."""
        node = self.nodes.of(shard)
        if node is None:
            return await self.connect(kind, **settings)
        return await self.connect_at(node, kind, **settings)

    async def connect_at(
        self, node: str, kind: ConnectionKind, /, **settings: str
    ) -> asyncpg.Connection:
        """As `connect`, to a node of the cluster. Where it cannot be reached from here, to the
        database's own address."""
        try:
            connection = await self._reach(node, self._planned(settings))
        except Exception as error:  # noqa: BLE001 - whatever it is: there is another way
            self.nodes.failed(node, error)
            return await self.connect(kind, **settings)
        self.nodes.reached(node)
        self.counts.opened(kind, connection)
        return connection

    async def _reach(self, node: str, settings: dict[str, str]) -> WarmConnection:
        """Raises whatever stands against it; who answers there may be somebody else's server."""
        url = at_node(self.url, node)
        connection = await connect(url, settings, NODE_SECONDS_MAX, NODE_COMMAND_SECONDS_MAX)
        try:
            if await connection.fetchval(EPOCH) != self.epoch:
                raise LookupError("another installation is there")
        except BaseException:
            connection.terminate()
            raise
        connection.node = node
        return connection

    def serves(self, connection: asyncpg.Connection, shard: int) -> bool:
        """Whether a connection is open, and still goes where `connect_to` would."""
        if connection.is_closed():
            return False
        return getattr(connection, "node", None) == self.nodes.of(shard)

    def _planned(self, settings: Mapping[str, str]) -> dict[str, str]:
        if "plan_cache_mode" not in settings:
            return dict(settings)
        return {**settings, "plan_cache_mode": self._plan_cache_mode}

    @asynccontextmanager
    async def errand(self) -> AsyncIterator[asyncpg.Connection]:
        """A dedicated connection for something that requests ask for, so many at a time."""
        async with self._errands:
            connection = await self.connect()
            try:
                yield connection
            finally:
                await connection.close(timeout=5)

    def connections(self) -> list[ConnectionFigures]:
        """How many this process has open, and may have, by kind."""
        return list(self.counts.figures(self.pool, self.lookups))

    async def close(self) -> None:
        """Wait for the pools' work to end, then disconnect; work that goes on is cut off."""
        for pool in (self.pool, self.lookups):
            with suppress(TimeoutError):  # the driver cuts all of the pool
                async with asyncio.timeout(CLOSE_SECONDS_MAX):
                    await pool.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


async def connect(
    url: str,
    settings: Mapping[str, str] | None = None,
    seconds_max: float = CONNECT_SECONDS_MAX,
    command_seconds_max: float = COMMAND_SECONDS_MAX,
) -> WarmConnection:
    """A warmed connection to any server that is not too old; drivers' errors come as they are."""
    if not url.startswith(("postgresql://", "postgres://")):
        raise DatabaseUrlInvalid(reason="it does not begin with postgresql://")
    session = {**SESSION, **(settings or {})}
    try:
        connection: WarmConnection = await asyncpg.connect(
            url,
            connection_class=WarmConnection,
            timeout=seconds_max,
            command_timeout=_patience(session, command_seconds_max),
            server_settings=session,
        )
    except ValueError as error:  # the driver reads a port by int()
        raise DatabaseUrlInvalid(reason=str(error)) from error
    try:
        major = connection.get_server_version().major
        if major < VERSION_MIN:
            raise DatabaseTooOld(where=where(url), version=major, minimum=VERSION_MIN)
        await _warm(connection)
    except BaseException:
        connection.terminate()
        raise
    connection.node = None
    return connection


def _patience(session: Mapping[str, str], most: float) -> float | None:
    """Seconds after which a silent server is given up: later than it would itself give up."""
    return most if session["statement_timeout"] == str(STATEMENT_MS_MAX) else None


def where(url: str) -> str:
    """Host and database of a URL, for messages: never user or password."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "the given database URL"
    host = host or dict(parse_qsl(parts.query)).get("host", "")
    if not host or host.startswith("/"):
        database = parts.path and f", database {parts.path[1:]}"
        return f"the local socket{host and ' in ' + host}{database}"
    return f"{host}:{port or 5432}{parts.path}"


async def _open_pool(
    url: str, size: int, settings: Mapping[str, str], idle_seconds: float
) -> asyncpg.Pool:
    return await asyncpg.create_pool(
        url,
        min_size=0,  # connections come as they are needed
        max_size=size,
        max_inactive_connection_lifetime=idle_seconds,
        timeout=CONNECT_SECONDS_MAX,
        command_timeout=COMMAND_SECONDS_MAX,
        server_settings=dict(settings),
        connection_class=WarmConnection,
        init=_warm,
        reset=_keep,
    )


async def _warm(connection: asyncpg.Connection) -> None:
    await connection.fetch(_WARM, [], [], [], [], [], [])


async def _keep(_: asyncpg.Connection) -> None:
    """Nothing to reset: our code sets nothing outside a transaction, and asyncpg rolls an open one
    back by itself. Its default costs a round trip at each release."""


async def _installed(connection: asyncpg.Connection) -> bool:
    return await migrate.version(connection) is not None


async def _prepare(
    connection: asyncpg.Connection, url: str, may_migrate: bool, shards: int | None
) -> Fixed:
    if not may_migrate:
        await migrate.require(connection)
    elif not await migrate.check(connection):
        count = migrate.SHARDS_DEFAULT if shards is None else shards
        await migrate.upgrade(connection, count)
    row = await connection.fetchrow(
        "SELECT epoch, shards, plan_cache_mode FROM installation WHERE id = 1"
    )
    assert row is not None  # written in the first migration's transaction
    if row["epoch"].startswith(COPYING):
        raise CopyUnfinished(where=where(url))
    return Fixed(*row)


async def rows_of_table(connection: asyncpg.Connection, name: str) -> Sequence[asyncpg.Record]:
    """A small table, whole. `name` is one of ours, never a caller's."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(f"SELECT * FROM {name}")
    return rows
