"""`sweep`, `rebuild`, `doctor`, `reseal`, `compact`, `migrate`: looking after an installation."""

from __future__ import annotations

from typing import Any

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
from tierline.errors import TierlineError
from tierline.ledger import rebuild as ledger
from tierline.ledger.sweep.sweeper import Sweeper
from tierline.store import diagnostics
from tierline.store.catalog import resealing
from tierline.store.citus import distribute as spread
from tierline.store.compaction import compact as rewritten
from tierline.store.installation import opened


class Unsound(TierlineError):
    """Not as it should be: {things}, listed above."""

    code = "unsound"


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
