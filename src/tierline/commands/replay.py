"""`replay`: deliveries from the command line."""

from __future__ import annotations

from typing import Any, get_args

import click

from tierline.bootstrap import Installation
from tierline.clock import wall
from tierline.commands.installation_options import location_options, project_of, with_installation
from tierline.endpoints.operations import find_endpoint
from tierline.endpoints.replays import ReplayRequest, Replays
from tierline.model import validation
from tierline.model.events import EventKind
from tierline.store.event_log import EventLog


@click.command()
@location_options
@click.option("--project", "owner", required=True, help="The project's id or name.")
@click.option("--endpoint", required=True, help="The endpoint's id.")
@click.option("--since", metavar="ISO", help="Recorded from then on; else from the log's start.")
@click.option("--until", metavar="ISO", help="Recorded before then; else until now.")
@click.option("--event", "events", multiple=True, help="Only this event (repeatable).")
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice(get_args(EventKind)),
    help="Only this kind (repeatable).",
)  # fmt: skip
@click.option(
    "--rate", type=click.FloatRange(0, min_open=True), help="At most so many events per second."
)
def replay(
    *,
    owner: str,
    endpoint: str,
    since: str | None,
    until: str | None,
    events: tuple[str, ...],
    kinds: tuple[str, ...],
    rate: float | None,
    **location: Any,
) -> None:
    """Send events to an endpoint again, with their first ids; a running server does the sending."""

    async def work(installation: Installation) -> None:
        log = EventLog(installation.database)
        try:
            selection = ReplayRequest(
                ids=events,
                since=validation.optional_instant(since, "--since"),
                until=validation.optional_instant(until, "--until"),
                kinds=kinds,
                rate_per_s=rate,
            )
            row = find_endpoint(installation.catalog, project_of(installation, owner), endpoint)
            run = await Replays(log, installation.catalog, wall, lambda: None).start(row, selection)
            click.echo(f"Replay {run} began.")
        finally:
            await log.close()

    with_installation(location, work)
