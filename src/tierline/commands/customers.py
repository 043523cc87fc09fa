"""`customer`: what a person may ask of whoever keeps data about them."""

from __future__ import annotations

from typing import Any

import click

from tierline.bootstrap import Installation
from tierline.commands.installation_options import (
    location_options,
    project_of,
    with_installation,
)
from tierline.ledger.erasure.erasures import Erasures
from tierline.ledger.writer import Writer
from tierline.model import ids
from tierline.model.calendar import format_instant


@click.group()
def customer() -> None:
    """Erase a customer."""


@customer.command("erase")
@location_options
@click.argument("name")
@click.option("--project", "owner", required=True, help="The project's id or name.")
@click.option("--yes", is_flag=True, help="Do not ask: there is no way back.")
def customer_erase(name: str, owner: str, yes: bool, **location: Any) -> None:
    """Erase the customer NAME (any name of theirs, or our id): text goes for good, numbers stay."""
    if not yes:
        click.confirm(f"Erase {name}? There is no way back.", abort=True)

    async def work(installation: Installation) -> None:
        database, catalog = installation.database, installation.catalog
        writer = Writer(database, catalog, lambda _: None)
        await writer.start()
        try:
            project = project_of(installation, owner)
            erased = await Erasures(database, catalog, writer).erase(project, name)
        finally:
            await writer.stop()
        when = format_instant(erased.erased_at)
        click.echo(f"{ids.customer_id(erased.customer)} was erased at {when}.")

    with_installation(location, work)
