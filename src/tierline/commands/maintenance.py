"""`sweep`, `rebuild`, `doctor`, `migrate`: looking after an installation."""

from __future__ import annotations

from typing import Any

import click

from tierline.bootstrap import Installation
from tierline.clock import wall
from tierline.commands.installation_options import at_place, inside, place_of, run
from tierline.errors import TierlineError
from tierline.ledger import rebuild as ledger
from tierline.ledger.sweep.sweeper import Sweeper
from tierline.store import diagnostics
from tierline.store.citus import distribute as spread
from tierline.store.installation import opened


class Unsound(TierlineError):
    """{count} things are not as they should be; they are listed above."""

    code = "unsound"


@click.command()
@at_place
def sweep(**place: Any) -> None:
    """Do now what time has made due; a running server does it by itself."""

    async def work(here: Installation) -> None:
        moved = await Sweeper(here.database, here.catalog, lambda _: None).run_due()
        click.echo(f"{moved} members had something due.")

    inside(place, work)


@click.command()
@at_place
@click.option("--verify", is_flag=True, help="Only compare; change nothing.")
def rebuild(*, verify: bool, **place: Any) -> None:
    """Fold every member's ledger anew, and compare standings and log with it, byte for byte.

    Without --verify standings that differ are stored as the ledger has them; events stay as told.
    """

    async def work(here: Installation) -> None:
        wrong = repaired = 0
        async for difference in ledger.verify(here.database, here.catalog):
            wrong += 1
            click.echo(str(difference))
            if not verify and await ledger.repair(here.database, here.catalog, difference):
                repaired += 1
        if wrong and verify:
            raise Unsound(count=wrong)
        click.echo(f"{wrong} differences, {repaired} members rebuilt." if wrong else "All equal.")

    inside(place, work)


@click.command()
@at_place
def doctor(**place: Any) -> None:
    """Look over an installation: database, keys, log, due members, endpoints."""

    async def work(here: Installation) -> None:
        findings = await diagnostics.findings(here.database, here.catalog, wall())
        for finding in findings:
            click.echo(f"{'ok ' if finding.well else '!! '} {finding.about}: {finding.told}")
        count = sum(not finding.well for finding in findings)
        if count:
            raise Unsound(count=count)

    inside(place, work)


@click.command()
@at_place
@click.option("--check", is_flag=True, help="Only say whether there is anything to do.")
@click.option("--distribute", is_flag=True, help="Spread the tables over a Citus cluster.")
def migrate(*, check: bool, distribute: bool, **place: Any) -> None:
    """Bring the database's schema up to this program's; serving does it by itself."""

    async def work() -> None:
        async with opened(place_of(place), migrate=not check) as database:
            schema = await diagnostics.schema(database)
            click.echo(f"The schema is {schema}, with {database.shards} shards.")
            if distribute:
                done = await spread(database, lambda table: click.echo(f"Distributing {table} …"))
                tables = len(done.large) + len(done.small)
                click.echo(f"{tables} tables lie on {done.nodes} nodes, {done.changed} newly.")

    run(work())
