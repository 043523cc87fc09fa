"""`program`: pause, resume, end and delete."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from tierline.bootstrap import Installation
from tierline.clock import wall
from tierline.commands.installation_options import (
    counted,
    location_options,
    project_of,
    with_installation,
)
from tierline.errors import Refused
from tierline.ledger.commands import ProgramRef
from tierline.ledger.program_end import end_memberships
from tierline.ledger.removals import Removals
from tierline.ledger.writer import Writer
from tierline.model import validation
from tierline.store import removals
from tierline.store.catalog.closures import StateChange

_project = click.option("--project", "owner", required=True, help="The project's id or name.")


@click.group()
def program() -> None:
    """Pause, resume, end and delete programs."""


@program.command("pause")
@location_options
@click.argument("name", metavar="PROGRAM")
@_project
def program_pause(name: str, owner: str, **location: Any) -> None:
    """Let PROGRAM take nothing new; time passes, and the past can be settled."""
    with_installation(location, _changing(owner, lambda p: StateChange(p, "paused", name)))


@program.command("resume")
@location_options
@click.argument("name", metavar="PROGRAM")
@_project
def program_resume(name: str, owner: str, **location: Any) -> None:
    """Let PROGRAM go on, whether it was paused or ended."""
    with_installation(location, _changing(owner, lambda p: StateChange(p, "resumed", name)))


@program.command("end")
@location_options
@click.argument("name", metavar="PROGRAM")
@_project
@click.option("--at", metavar="ISO", help="From this instant on; now if not given.")
@click.option(
    "--tiers", type=click.Choice(["stay", "end"]), default="stay", show_default=True,
    help="Whether members keep their tiers, or leave now.",
)  # fmt: skip
def program_end(name: str, owner: str, at: str | None, tiers: str, **location: Any) -> None:
    """End PROGRAM. With `--tiers end` every member leaves, which is announced; repeat it to go on
    after an interruption."""

    async def work(installation: Installation) -> None:
        catalog, database = installation.catalog, installation.database
        project = project_of(installation, owner)
        number, _ = await catalog.need_program(project.number, name)
        now = catalog.now(project.number, wall())
        closure = catalog.closures.get(number)
        ended_at = closure.ended_at if closure is not None and at is None else None
        if ended_at is None:
            ended_at = now if at is None else validation.instant(at, "--at")
            change = StateChange(project.number, "ended", name, ended_at)
            await catalog.change_state(change)
        if tiers == "end":
            if ended_at > now:
                reason = "Members leave when the program has ended; repeat this command then."
                raise Refused(reason=reason)
            writer = Writer(database, catalog, lambda _: None)
            await writer.start()
            try:
                left = await end_memberships(
                    database, writer, ProgramRef(project, number), ended_at
                )
            finally:
                await writer.stop()
            click.echo(f"{counted(left, 'member')} left.")

    with_installation(location, work)


@program.command("delete")
@location_options
@click.argument("name", metavar="PROGRAM")
@_project
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--yes", is_flag=True, help="Do not ask: there is no way back.")
def program_delete(name: str, owner: str, dry_run: bool, yes: bool, **location: Any) -> None:
    """Delete PROGRAM with its memberships for good; what was told of them stays in the log."""

    async def work(installation: Installation) -> None:
        catalog, database = installation.catalog, installation.database
        project = project_of(installation, owner)
        number, _ = await catalog.need_program(project.number, name)
        async with database.pool.acquire() as connection:
            held = await removals.holdings(connection, database.shards, number)
        entries = counted(held.entries, "entry", "entries")
        click.echo(
            f"{counted(held.members, 'member')} with {entries} go, and"
            f" {counted(held.transfers, 'transfer')} under way;"
            f" {counted(held.events, 'event')} in the log will stay."
        )
        if dry_run:
            return
        if not yes:
            click.confirm(f"Delete {name}? There is no way back.", abort=True)
        await catalog.change_state(StateChange(project.number, "deleted", name))
        for shard in range(database.shards):
            await Removals(database, catalog, shard).go_on()
        click.echo(f"{name} is deleted.")

    with_installation(location, work)


def _changing(owner: str, change: Callable[[int], StateChange]) -> Any:
    async def work(installation: Installation) -> None:
        project = project_of(installation, owner)
        await installation.catalog.change_state(change(project.number))

    return work
