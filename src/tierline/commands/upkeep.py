"""`sweep`, `replay`, `rebuild`, `doctor`, `migrate`: looking after an installation."""

from __future__ import annotations

from typing import Any

import click

from tierline.assembly import Installation, installation
from tierline.clock import wall
from tierline.commands.place import at_place, inside, place_of, project_of, run
from tierline.engine import typed
from tierline.errors import TierlineError
from tierline.ledger import rebuild as ledger
from tierline.ledger.sweeper import Sweeper
from tierline.sender.control import Control
from tierline.sender.desk import Desk
from tierline.sender.guard import Guard
from tierline.sender.replays import Replay
from tierline.store import checkup
from tierline.store.log import Log
from tierline.vendors import FORMATS


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
@click.option("--project", "owner", required=True, help="The project's id or name.")
@click.option("--endpoint", required=True, help="The endpoint's id.")
@click.option("--since", metavar="ISO", help="Recorded from then on; else from the log's start.")
@click.option("--until", metavar="ISO", help="Recorded before then; else until now.")
@click.option("--event", "events", multiple=True, help="Only this event (repeatable).")
@click.option("--kind", "kinds", multiple=True, help="Only this kind (repeatable).")
@click.option("--rate", type=float, help="At most so many events per second.")
def replay(
    *,
    owner: str,
    endpoint: str,
    since: str | None,
    until: str | None,
    events: tuple[str, ...],
    kinds: tuple[str, ...],
    rate: float | None,
    **place: Any,
) -> None:
    """Send events to an endpoint again, with their first ids; a running server does the sending."""

    async def work(here: Installation) -> None:
        log = Log(here.database)
        try:
            control = Control(log, here.catalog, FORMATS)
            desk = Desk(log, here.catalog, FORMATS, Guard(()), control, wall)
            wanted = Replay(
                ids=events,
                since=typed.optional_instant(since, "--since"),
                until=typed.optional_instant(until, "--until"),
                kinds=kinds,
                rate_per_s=rate,
            )
            row = desk.find(project_of(here, owner), endpoint)
            click.echo(f"Replay {await control.replays.start(row, wanted)} began.")
        finally:
            await log.close()

    inside(place, work)


@click.command()
@at_place
@click.option("--verify", is_flag=True, help="Only compare; change nothing.")
def rebuild(*, verify: bool, **place: Any) -> None:
    """Fold every member's ledger anew, and compare it with what is stored, byte for byte.

    Without --verify what differs is stored as the ledger has it; events stay as they were told.
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
        findings = await checkup.findings(here.database, here.catalog, wall())
        for finding in findings:
            click.echo(f"{'ok ' if finding.well else '!! '} {finding.about}: {finding.told}")
        count = sum(not finding.well for finding in findings)
        if count:
            raise Unsound(count=count)

    inside(place, work)


@click.command()
@at_place
@click.option("--check", is_flag=True, help="Only say whether there is anything to do.")
def migrate(*, check: bool, **place: Any) -> None:
    """Bring the database's schema up to this program's; serving does it by itself."""

    async def work() -> None:
        async with installation(place_of(place), migrate=not check) as here:
            schema = await checkup.schema(here.database)
            click.echo(f"The schema is {schema}, with {here.database.shards} shards.")

    if check and place["database_url"] is None and not place["data_dir"].exists():
        raise click.UsageError("There is no installation yet.")
    run(work())
