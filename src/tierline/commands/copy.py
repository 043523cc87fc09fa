"""`copy`: a whole installation into another database."""

from __future__ import annotations

from typing import Any, Self

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn

from tierline.commands.installation_options import counted, location_of, location_options, run
from tierline.reshard import Copying, copy_installation
from tierline.store.database import where
from tierline.store.installation import opened


@click.command("copy")
@location_options
@click.option("--to", required=True, metavar="URL", help="The database to fill.")
@click.option("--end-replays", is_flag=True, help="Leave replays that are under way behind.")
def copy(to: str, shards: int | None, *, end_replays: bool, **location: Any) -> None:
    """Copy everything into another database, with another number of shards if asked (--shards).

    No server may be at work on either. What is copied is compared row by row before the copy can be
    opened; an interrupted copy goes on when the same command is given again.
    """

    async def work() -> None:
        async with opened(
            location_of({**location, "shards": None}), migrate=False, create=False
        ) as source:
            with CopyBars() as bars:
                copied = await copy_installation(
                    source, to, shards=shards, end_replays=end_replays, on_progress=bars
                )
        events, members = copied.rows["event"], copied.rows["member"]
        click.echo(
            f"{counted(members, 'member')} and {counted(events, 'event')} are in {where(to)},"
            f" in {counted(copied.shards, 'shard')}, counted and compared."
            " Serve it with --database-url and the same secret key."
        )

    run(work())


class CopyBars:
    """A bar per table and step."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<16}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rows]:>12,} rows"),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, now: Copying) -> None:
        name = f"{now.step} {now.table}"
        task = self._tasks.get(name)
        if task is None:
            task = self._tasks[name] = self._progress.add_task(name, total=1.0, rows=0)
        self._progress.update(task, completed=now.share, rows=now.rows)
