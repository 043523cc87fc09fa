"""What every command shares: where the installation lies, and how failures are told."""

from __future__ import annotations

import asyncio
import gc
import getpass
import json
import os
import select
import signal
import threading
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click
import uvloop
from rich.console import Console
from rich.table import Table

from tierline.bootstrap import Installation, open_installation
from tierline.config import DATA_DIR_DEFAULT, Location
from tierline.errors import NotFound, TierlineError
from tierline.model.actor import Actor
from tierline.model.tenant import Project
from tierline.store.catalog.audit import acting
from tierline.store.errors import translate
from tierline.store.migrate import SHARDS_MAX

Command = TypeVar("Command", bound=Callable[..., Any])
Work = Callable[[Installation], Awaitable[None]]
WIDTH_MAX = 1000  # columns of a table; it takes no more than it needs
STDOUT = 1
DEBUG_VARIABLE = "TIERLINE_DEBUG"


class Failed(click.ClickException):
    """A refusal: one sentence, exit code 1."""

    def show(self, file: Any = None) -> None:
        click.echo(f"tierline: {self.message}", err=True)


class TableConsole(Console):
    """Standard output for tables, which breaks as any other output does."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def location_options(command: Command) -> Command:
    """The options that name an installation; the command gets them as `place`."""
    options = (
        click.option(
            "--data-dir",
            # Whether it may be used is found out by using it: that error says what to do.
            type=click.Path(readable=False, path_type=Path),
            default=DATA_DIR_DEFAULT,
            envvar="TIERLINE_DATA_DIR",
            show_default=True,
            show_envvar=True,
            help="Where the embedded database and the secret key live.",
        ),
        click.option(
            "--database-url",
            envvar="TIERLINE_DATABASE_URL",
            show_envvar=True,
            help="A PostgreSQL of your own (15 or newer) instead of the embedded one.",
        ),
        click.option(
            "--shards",
            type=click.IntRange(1, SHARDS_MAX),
            envvar="TIERLINE_SHARDS",
            show_envvar=True,
            help="How many shards a new installation gets.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def settle_memory() -> None:
    """What is loaded by now stays: the collector need not look at it again, and looks rarely. It
    took 5 % of a busy sender's time (docs/performance.md)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end; every failure becomes one sentence. It ends in silence, with success, where
    whoever read the output had enough (`| head`)."""
    settle_memory()
    try:
        if number := uvloop.run(_until_signal(work)):
            raise SystemExit(128 + number)
    except TierlineError as error:
        if _is_unread(error):
            return
        raise Failed(error.sentence) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as error:
        if _is_unread(error):
            return
        if os.environ.get(DEBUG_VARIABLE):
            raise
        failure = translate(error, "the database")
        sentence = (
            failure.sentence if failure else f"{type(error).__name__}: {error}".splitlines()[0]
        )
        hint = "" if failure else f" ({DEBUG_VARIABLE}=1 shows where)"
        raise Failed(sentence + hint) from error


async def _until_signal(work: Coroutine[Any, Any, None]) -> int:
    """Lets SIGTERM and SIGHUP (a terminal that closes) end a command as Ctrl-C does: what it opened
    is closed, an embedded database too. Returns the signal that ended it, or 0."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    came: list[int] = []

    def end(number: int) -> None:
        came.append(number)
        task.cancel()

    in_main = threading.current_thread() is threading.main_thread()  # where alone signals arrive
    for number in (signal.SIGTERM, signal.SIGHUP) if in_main else ():
        if signal.getsignal(number) is not signal.SIG_IGN:  # under nohup it goes on
            loop.add_signal_handler(number, end, number)
    try:
        await work
    except asyncio.CancelledError:
        if not came:
            raise
    return came[0] if came else 0


def _is_unread(error: BaseException) -> bool:
    """Whether it happened because nobody reads standard output any more. A database that is gone
    breaks a pipe too, so the output itself is looked at."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, BrokenPipeError):
        cause = cause.__cause__ or cause.__context__
    if cause is None or not reader_left():
        return False
    # What is still to be flushed at the end goes nowhere.
    os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)
    return True


def reader_left() -> bool:
    """Whether standard output is a pipe, or a socket, whose other end is closed."""
    poll = select.poll()
    poll.register(STDOUT, 0)  # errors are told without being asked for
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))


def location_of(options: dict[str, Any]) -> Location:
    return Location(options["data_dir"], options["database_url"], options["shards"])


def with_installation(options: dict[str, Any], work: Work) -> None:
    """Work on the installation, beside a running server if there is one."""

    async def whole() -> None:
        async with open_installation(location_of(options), create=False) as installation:
            with acting(Actor("cli", _user())):
                await work(installation)

    run(whole())


def _user() -> str:
    """The operating system's user; in a container they may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def project_of(installation: Installation, name: str) -> Project:
    """By id or name. Raises NotFound, and Conflict where several have that name."""
    project = installation.catalog.find_project(name)
    if project is None:
        raise NotFound(what="project", name=name)
    return project


def counted(count: int, one: str, many: str | None = None) -> str:
    """`1 member`, `2,000 members`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def print_rows(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    """A line of JSON each, or a table for people."""
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in rows[0] if rows else ():
        table.add_column(name, no_wrap=True)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    # A terminal may wrap a long line; an id that is cut could not be copied.
    TableConsole(width=WIDTH_MAX).print(table)
