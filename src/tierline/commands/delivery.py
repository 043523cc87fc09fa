"""`replay`: deliveries from the command line."""

from __future__ import annotations

from typing import Any

import click

from tierline.clock import wall
from tierline.commands.place import at_place, inside, project_of
from tierline.engine import typed
from tierline.installed import Installation
from tierline.sender.control import Control
from tierline.sender.desk import Desk
from tierline.sender.guard import Guard
from tierline.sender.replays import Replay
from tierline.store.log import Log
from tierline.vendors import FORMATS


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
