"""What can be wrong with the database, said so that an operator knows what to do next.

Drivers' errors are translated at one boundary, `translate`, by SQLSTATE only: on a distributed
database constraint names, table names and message texts differ from node to node.
"""

from __future__ import annotations

import errno
from typing import Final

import asyncpg

from tierline.errors import Busy, TierlineError


class DatabaseUnreachable(TierlineError):
    """No PostgreSQL answers at {where} ({reason}); start it, or correct --database-url."""

    code = "database_unreachable"
    status = 503


class DatabaseTooOld(TierlineError):
    """The server at {where} is PostgreSQL {version}; Tierline needs {minimum} or newer."""

    code = "database_too_old"
    status = 503


class DatabaseUrlInvalid(TierlineError):
    """The database URL cannot be read ({reason}); it looks like
    postgresql://user:password@host:5432/database."""

    code = "database_url_invalid"
    status = 400


class LoginRefused(TierlineError):
    """The server at {where} refused the login ({reason}); check user and password."""

    code = "database_login_refused"
    status = 503


class DatabaseMissing(TierlineError):
    """The server at {where} has no such database ({reason}); create it first, for example with
    createdb."""

    code = "database_missing"
    status = 503


class TooManyConnections(TierlineError):
    """The database has no connection left ({reason}); raise its max_connections, or run fewer
    processes."""

    code = "database_connections_exhausted"
    status = 503


class DatabaseExhausted(TierlineError):
    """The database server lacks something that it needs ({reason}); look at its memory, its disks
    and its log, then retry with the same keys."""

    code = "database_exhausted"
    status = 503


class DiskFull(TierlineError):
    """The disk is full, so nothing more can be committed ({reason}); free some space, then
    retry with the same keys."""

    code = "disk_full"
    status = 503


class NodeAway(Busy):
    """The node of the database that holds what this needs ({shards}) is away; requests for others
    go on. Send this one again, with the same key, after the seconds in Retry-After."""

    code = "node_away"


class NoWritePermission(TierlineError):
    """Tierline may not write there ({reason}); make the user the owner, or grant it CREATE and
    write access."""

    code = "no_write_permission"
    status = 503


class DatabaseReadOnly(TierlineError):
    """The database accepts no writes ({reason}); it is probably a standby: connect to the
    primary."""

    code = "database_read_only"
    status = 503


class SchemaTooNew(TierlineError):
    """The database has schema {schema}, made by a newer Tierline than this one (which knows
    {newest}); upgrade the program, the data is untouched."""

    code = "schema_too_new"
    status = 503


class SchemaBehind(TierlineError):
    """The database has schema {schema}, this Tierline needs {newest}; run `tierline migrate`."""

    code = "schema_behind"
    status = 503


class ShardsFixed(TierlineError):
    """The installation has {installed} shards and {option} were asked for; the number is fixed when
    a database is initialised. `tierline copy --shards` moves it into another one."""

    code = "shards_fixed"
    status = 409


class CopyUnfinished(TierlineError):
    """The database at {where} is being filled by `tierline copy`, which has not finished; run the
    same copy again to finish it."""

    code = "copy_unfinished"
    status = 503


class DataDirInUse(TierlineError):
    """The data directory {where} is in use by another tierline (process {holder}); stop that one,
    or name another --data-dir."""

    code = "data_dir_in_use"
    status = 409


class DataDirForeign(TierlineError):
    """The data directory {where} holds a PostgreSQL {version} cluster, this Tierline carries
    {ours}; use the Tierline that made it, or --database-url."""

    code = "data_dir_foreign"
    status = 409


class DataDirUnreachable(TierlineError):
    """PostgreSQL refuses to run as root, and the user {user} that it runs as may not pass {where};
    put --data-dir and Tierline itself where this user can reach them, like /var/lib/tierline and
    /opt/tierline, or run Tierline as the ordinary user who owns the directory."""

    code = "data_dir_unreachable"
    status = 503


class NoInstallation(TierlineError):
    """There is no Tierline installation in {where}; correct --data-dir or --database-url, or make
    one with `tierline serve`."""

    code = "no_installation"
    status = 404


class PathUnusable(TierlineError):
    """{where} cannot be used ({reason}); name another path, or make the user that runs Tierline
    its owner."""

    code = "path_unusable"
    status = 503


class EmbeddedUnavailable(TierlineError):
    """No embedded PostgreSQL is installed for this machine; name a server with --database-url."""

    code = "embedded_unavailable"
    status = 503


class EmbeddedFailed(TierlineError):
    """The embedded PostgreSQL in {where} does not work: {reason}"""

    code = "embedded_failed"
    status = 503


NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_BY_SQLSTATE: Final[dict[str, type[TierlineError]]] = {
    "28000": LoginRefused,  # no pg_hba entry, unknown role
    "28P01": LoginRefused,  # wrong password
    "3D000": DatabaseMissing,
    "53300": TooManyConnections,
    "53100": DiskFull,
    "42501": NoWritePermission,
    "25006": DatabaseReadOnly,
    "55000": DatabaseUnreachable,  # it takes no connections, as while it is copied or moved
}

# Every other state of a class: how a connection fails, or a server that has nothing left.
_BY_CLASS: Final[dict[str, type[TierlineError]]] = {
    "08": DatabaseUnreachable,
    "57P": DatabaseUnreachable,  # starting up, shutting down, crashed
    "28": LoginRefused,
    "53": DatabaseExhausted,
    "58": DatabaseExhausted,  # an error of its system: files, disks
}

NODE_RETRY_SECONDS: Final = 5  # what is told to whoever needs a node that is away

# "Later" and "elsewhere", never "no": the same work with the same keys may succeed.
_RETRYABLE_CLASSES: Final = ("08",)
# 57014: a statement that waited too long, most likely for a lock. 25P03: a transaction that began
# in advance, and nothing came.
_RETRYABLE: Final = frozenset({"25P03", "40001", "40P01", "57014", "57P01", "57P02", "57P03"})
_RETRYABLE_AT_COMMIT: Final = frozenset({"XX000"})  # how Citus reports a commit lost on a worker
# asyncpg's own classes for "the link broke"; its two errors of use are sisters of these.
_LINK_BROKEN: Final = (
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    ConnectionError,
    EOFError,
)
_MISUSED: Final = (
    asyncpg.DataError,
    asyncpg.ClientConfigurationError,
    asyncpg.UnsupportedClientFeatureError,
    asyncpg.exceptions.UnsupportedServerFeatureError,
)


def is_retryable(error: BaseException, *, at_commit: bool = False) -> bool:
    """Whether the same batch, with the same keys, should be tried again. A commit that failed
    is unknown, not failed: so every answer waits for the retry."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        if at_commit and state in _RETRYABLE_AT_COMMIT:
            return True
        return state in _RETRYABLE or state.startswith(_RETRYABLE_CLASSES)
    if isinstance(error, _MISUSED):
        return False
    # Ours: what connecting anew was translated to.
    return isinstance(error, (*_LINK_BROKEN, TimeoutError, DatabaseUnreachable, NodeAway))


def is_node_away(error: BaseException) -> bool:
    """Whether a server that is there says that another one, which it needs, is not: so Citus' own
    coordinator reports a node. What the driver finds of its own link has no severity."""
    state = getattr(error, "sqlstate", None)
    return state == "08006" and getattr(error, "severity", None) is not None


def blames_data(error: BaseException) -> bool:
    """Whether some row of the batch is at fault (classes 22 and 23, or a value that the driver
    could not encode), so that splitting the batch finds the culprit."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(("22", "23"))
    return isinstance(error, asyncpg.DataError)


def translate(error: BaseException, where: str) -> TierlineError | None:
    """The Tierline error that says what an operator can do; None where nothing better than the
    driver's own is known. `where` names the server without its password. An error of ours, as
    `Database.connect` raises it, stays what it is."""
    if isinstance(error, TierlineError):
        return error
    if isinstance(error, asyncpg.ClientConfigurationError):
        return DatabaseUrlInvalid(reason=str(error))
    if is_node_away(error):
        return NodeAway(shards="a part of it", retry_after=NODE_RETRY_SECONDS)
    if isinstance(error, asyncpg.PostgresError):
        exact = _BY_SQLSTATE.get(error.sqlstate or "")
        if exact is not None:
            return exact(where=where, reason=_first_line(error))
        for prefix, kind in _BY_CLASS.items():
            if (error.sqlstate or "").startswith(prefix):
                return kind(where=where, reason=_first_line(error))
        return None
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        return DiskFull(where=where, reason=str(error))
    if isinstance(error, OSError) and error.filename is not None:  # a file, so no server
        return PathUnusable(where=error.filename, reason=error.strerror)
    if isinstance(error, (OSError, EOFError, asyncpg.InterfaceError, asyncpg.InternalClientError)):
        return DatabaseUnreachable(where=where, reason=_first_line(error) or type(error).__name__)
    return None


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0]
