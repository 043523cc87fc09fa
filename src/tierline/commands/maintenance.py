"""`sweep`, `rebuild`, `doctor`, `drain`, `reseal`, `compact`, `migrate`: looking after an
installation."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import asyncpg
import click

from tierline.bootstrap import Installation
from tierline.clock import wall
from tierline.commands.installation_options import (
    counted,
    location_of,
    location_options,
    run,
    with_installation,
)
from tierline.delivery.membership import ask_to_drain
from tierline.errors import NotFound, TierlineError
from tierline.ledger import rebuild as ledger
from tierline.ledger.sweep.sweeper import Sweeper
from tierline.store import diagnostics
from tierline.store.catalog import resealing
from tierline.store.citus import distribute as spread
from tierline.store.compaction import compact as rewritten
from tierline.store.heartbeat import ABSENT, living_processes, living_roles, required_roles
from tierline.store.installation import opened

DRAIN_SECONDS_MAX: Final = 30
DRAIN_LOOK_SECONDS: Final = 0.2


class Unsound(TierlineError):
    """Not as it should be: {things}, listed above."""

    code = "unsound"


class DrainUnfinished(TierlineError):
    """{left} not drained after {seconds} seconds: a receiver is slow, or the database; look again
    with `tierline doctor`."""

    code = "drain_unfinished"


@click.command()
@location_options
def sweep(**location: Any) -> None:
    """Do now what time has made due; a running server does it by itself."""

    async def work(installation: Installation) -> None:
        moved = await Sweeper(installation.database, installation.catalog, lambda _: None).run_due()
        click.echo(f"{counted(moved, 'member')} had something due.")

    with_installation(location, work)


@click.command()
@location_options
@click.option("--verify", is_flag=True, help="Only compare; change nothing.")
def rebuild(*, verify: bool, **location: Any) -> None:
    """Fold every member's ledger anew, and compare standings and log with it, byte for byte.

    Without --verify standings that differ are stored as the ledger has them; events stay as told.
    """

    async def work(installation: Installation) -> None:
        wrong = repaired = erased = 0

        def progressed(progress: ledger.VerificationProgress) -> None:
            nonlocal erased
            erased = progress.erased

        differences = ledger.verify(installation.database, installation.catalog, progressed)
        async for difference in differences:
            wrong += 1
            click.echo(str(difference))
            if not verify and await ledger.repair(
                installation.database, installation.catalog, difference
            ):
                repaired += 1
        if erased:
            of_erased = counted(erased, "membership")
            click.echo(f"{of_erased} of erased customers: folded from a checkpoint.")
        if wrong and verify:
            raise Unsound(things=counted(wrong, "thing"))
        done = f"{counted(wrong, 'difference')}, {counted(repaired, 'member')} rebuilt."
        click.echo(done if wrong else "All equal.")

    with_installation(location, work)


@click.command()
@location_options
def doctor(**location: Any) -> None:
    """Look over an installation: database, keys, log, due members, endpoints."""

    async def work(installation: Installation) -> None:
        findings = await diagnostics.findings(installation.database, installation.catalog, wall())
        for check in findings:
            click.echo(f"{'ok ' if check.well else '!! '} {check.about}: {check.text}")
        count = sum(not check.well for check in findings)
        if count:
            raise Unsound(things=counted(count, "thing"))

    with_installation(location, work)


@click.command()
@location_options
@click.argument("process", required=False)
@click.option("--host", help="All processes of this host, as `doctor` names it.")
@click.option("--undo", is_flag=True, help="Let them take up their work again.")
def drain(process: str | None, host: str | None, *, undo: bool, **location: Any) -> None:
    """Have a running server give its sending and sweeping to others, before it is stopped.

    PROCESS is an id that `tierline doctor` lists. It goes on to answer requests, but /readyz says
    no. Returns when all is given up, and fails after 30 seconds.
    """
    if (process is None) == (host is None):
        raise click.UsageError("Name a process or a --host; `tierline doctor` lists them.")

    async def work(installation: Installation) -> None:
        async with installation.database.errand() as connection:
            living = await living_processes(connection)
            chosen = {each.id for each in living if each.id == process or each.host == host}
            if not chosen:
                raise NotFound(what="process", name=process or host or "")
            await ask_to_drain(connection, chosen, drain=not undo)
            count = counted(len(chosen), "process", "processes")
            if undo:
                click.echo(f"{count} asked to take up their work again.")
                return
            left = await _until_drained(connection, chosen)
            if left:
                raise DrainUnfinished(left=f"{left} of {count}", seconds=DRAIN_SECONDS_MAX)
            click.echo(f"{count} drained.")
            alive = await living_roles(connection)
        for role in required_roles(endpoints=bool(installation.catalog.endpoints())):
            if not alive[role]:
                click.echo(f"!! {ABSENT[role]}")

    with_installation(location, work)


async def _until_drained(connection: asyncpg.Connection[asyncpg.Record], chosen: set[str]) -> int:
    """How many of them still work in the end. Who is gone has given up all. Who has nothing to give
    up has heard of it with the next sign of life; before, `/readyz` does not say so."""
    loop = asyncio.get_running_loop()
    until = loop.time() + DRAIN_SECONDS_MAX
    heard = {each.id: each.beat_at for each in await living_processes(connection) if each.drained}
    while True:
        living = await living_processes(connection)
        left = sum(
            each.id in chosen and not (each.drained and each.beat_at > heard.get(each.id, 0))
            for each in living
        )
        if not left or loop.time() > until:
            return left
        await asyncio.sleep(DRAIN_LOOK_SECONDS)


@click.command()
@location_options
def reseal(**location: Any) -> None:
    """Seal all secrets with the first secret key, so that former ones can go."""

    async def work(installation: Installation) -> None:
        async with installation.catalog.changing() as (connection, _):
            count = await resealing.reseal(connection, installation.catalog.box)
        click.echo(f"{counted(count, 'secret')} sealed anew.")

    with_installation(location, work)


@click.command()
@location_options
def compact(**location: Any) -> None:
    """Write all tables anew, so that no file holds what was erased; in a quiet hour, for writers
    wait for the table whose turn it is."""

    async def work(installation: Installation) -> None:
        count = await rewritten(installation.database, lambda table: click.echo(f"{table} …"))
        click.echo(f"{counted(count, 'table')} written anew.")

    with_installation(location, work)


@click.command()
@location_options
@click.option("--check", is_flag=True, help="Only say whether there is anything to do.")
@click.option("--distribute", is_flag=True, help="Spread the tables over a Citus cluster.")
def migrate(*, check: bool, distribute: bool, **location: Any) -> None:
    """Bring the database's schema up to this program's; serving does it by itself."""

    async def work() -> None:
        async with opened(location_of(location), migrate=not check, create=not check) as database:
            schema = await diagnostics.schema(database)
            click.echo(f"The schema is {schema}, with {counted(database.shards, 'shard')}.")
            if distribute:
                done = await spread(database, lambda table: click.echo(f"Distributing {table} …"))
                tables = len(done.large) + len(done.small)
                nodes = counted(done.nodes, "node")
                click.echo(f"{tables} tables lie on {nodes}, {done.changed} newly.")

    run(work())
