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
from tierline.errors import NotFound
from tierline.ledger.erasure.erasures import Erasures
from tierline.ledger.erasure.holdings import Holdings
from tierline.ledger.writer import Writer
from tierline.model import ids
from tierline.model.calendar import format_instant
from tierline.store import customers


@click.group()
def customer() -> None:
    """Erase a customer, or hand over what is held of one."""


@customer.command("data")
@location_options
@click.argument("name")
@click.option("--project", "owner", required=True, help="The project's id or name.")
def customer_data(name: str, owner: str, **location: Any) -> None:
    """Print all that is held of the customer NAME, as JSON."""

    async def work(installation: Installation) -> None:
        database, catalog = installation.database, installation.catalog
        project = project_of(installation, owner)
        async with database.pool.acquire() as connection:
            number = await customers.find_by_name(connection, database.shards, project, name)
            row = None
            if number is not None:
                row = await customers.read(connection, database.shards, number)
        if row is None or row.project != project.number or row.erased_at is not None:
            raise NotFound(what="customer", name=name)
        async for piece in Holdings(database, catalog, project, row).pieces():
            click.echo(piece, nl=False)

    with_installation(location, work)


@customer.command("erase")
@location_options
@click.argument("name")
@click.option("--project", "owner", required=True, help="The project's id or name.")
@click.option("--yes", is_flag=True, help="Do not ask: there is no way back.")
def customer_erase(name: str, owner: str, yes: bool, **location: Any) -> None:
    """Erase the customer NAME (any name of theirs, or our id): text goes for good, numbers stay."""

    async def work(installation: Installation) -> None:
        if not yes:
            click.confirm(f"Erase {name}? There is no way back.", abort=True)
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
