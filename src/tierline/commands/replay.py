"""`replay`: deliveries from the command line."""

from __future__ import annotations

from typing import Any, Final, get_args

import click

from tierline.bootstrap import Installation
from tierline.commands.installation_options import (
    counted,
    location_options,
    project_of,
    with_installation,
)
from tierline.endpoints.endpoint import OpsKind
from tierline.endpoints.endpoint_body import OPS_KINDS, ReplayBody
from tierline.endpoints.lifecycle import EndpointLifecycle
from tierline.endpoints.operations import find_endpoint
from tierline.model.events import EventKind
from tierline.model.points_event import PointsKind
from tierline.model.reminder import ReminderKind
from tierline.store.event_log import EventLog
from tierline.vendors.registry import FORMATS

_KINDS: Final = (
    *get_args(EventKind),
    *get_args(PointsKind),
    *get_args(ReminderKind),
    *sorted(OPS_KINDS),
)


class Positive(click.FloatRange):
    """A number above 0, under the name that people give it."""

    name = "number"


@click.command()
@location_options
@click.option("--project", "owner", required=True, help="The project's id or name.")
@click.option("--endpoint", required=True, help="The endpoint's id.")
@click.option(
    "--since",
    metavar="ISO",
    help="From then on (a sandbox: by its own clock); else from the log's start.",
)
@click.option(
    "--until", metavar="ISO", help="Before then (a sandbox: by its own clock); else until now."
)
@click.option("--event", "events", multiple=True, help="Only this event (repeatable).")
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice(_KINDS),
    help="Only this kind (repeatable).",
)  # fmt: skip
@click.option("--everything", is_flag=True, help="All that the log has.")
@click.option("--dry-run", is_flag=True, help="Count the events; send nothing.")
@click.option("--rate", type=Positive(0, min_open=True), help="At most so many events per second.")
def replay(
    *,
    owner: str,
    endpoint: str,
    events: tuple[str, ...],
    kinds: tuple[EventKind | PointsKind | ReminderKind | OpsKind, ...],
    rate: float | None,
    everything: bool,
    dry_run: bool,
    **options: Any,
) -> None:
    """Send events to an endpoint again, with their first ids; a running server does the sending.

    Instants are of recording; in a sandbox, of its own time.
    """
    since, until = options.pop("since"), options.pop("until")

    async def work(installation: Installation) -> None:
        log = EventLog(installation.database)
        try:
            body = ReplayBody(events, since, until, kinds, rate, everything)
            request = body.replay()
            row = find_endpoint(installation.catalog, project_of(installation, owner), endpoint)
            lifecycle = EndpointLifecycle(log, installation.catalog, FORMATS)
            if dry_run:
                count = await lifecycle.count_replay(row, request)
                least = "" if count.complete else "at least "
                click.echo(least + counted(count.events, "event"))
            else:
                click.echo(f"Replay {await lifecycle.replays.start(row, request)} began.")
        finally:
            await log.close()

    with_installation(options, work)
