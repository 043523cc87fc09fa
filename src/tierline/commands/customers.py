"""`customer`: who is in a project, and what a person may ask of whoever keeps data about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import click

from tierline.bootstrap import Installation
from tierline.commands.installation_options import (
    location_options,
    print_rows,
    project_of,
    with_installation,
)
from tierline.errors import NotFound
from tierline.ledger.erasure.erasures import Erasures
from tierline.ledger.erasure.holdings import Holdings
from tierline.ledger.writer import Writer
from tierline.model import ids
from tierline.model.calendar import format_instant
from tierline.store import customers, listing
from tierline.store.customers import CustomerRow
from tierline.store.listing import Listed, Search

PAGE: Final = 500


@click.group()
def customer() -> None:
    """List customers, erase one, or hand over what is held of one."""


@customer.command("list")
@location_options
@click.option("--project", "owner", required=True, help="The project's id or name.")
@click.option("--id", "name", metavar="NAME", help="Who is called so: any name, id or number.")
@click.option("--name", "name_prefix", metavar="TEXT", help="Whose name begins so.")
@click.option("--email", "email_prefix", metavar="TEXT", help="Whose email begins so.")
@click.option("--email-part", metavar="TEXT", help="Whose email has this somewhere.")
@click.option("--limit", type=click.IntRange(1), help="So many lines at most; all if not given.")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON each.")
def customer_list(owner: str, limit: int | None, as_json: bool, **options: Any) -> None:
    """Print the project's customers, by their numbers; or those whom a search finds."""
    name, name_prefix = options.pop("name"), options.pop("name_prefix")
    email_prefix, email_part = options.pop("email_prefix"), options.pop("email_part")
    searches = (name, name_prefix, email_prefix, email_part)
    if sum(text is not None for text in searches) > 1:
        raise click.UsageError("Search by one at a time.")

    async def work(installation: Installation) -> None:
        if name is not None:
            row = await _customer(installation, owner, name)
            print_rows([_line(row)] if row else [], as_json=as_json)
            return
        search = Search(email_part=email_part)
        if name_prefix is not None:
            search = Search(order="name", prefix=name_prefix)
        elif email_prefix is not None:
            search = Search(order="email", prefix=email_prefix)
        await print_listed(installation, owner, search, _listed_line, limit, as_json=as_json)

    with_installation(options, work)


async def print_listed(
    installation: Installation,
    owner: str,
    search: Search,
    line: Callable[[Listed], dict[str, Any]],
    limit: int | None,
    *,
    as_json: bool,
) -> None:
    """Prints whom a search finds in a project, page by page; as a table when all are there."""
    database, project = installation.database, project_of(installation, owner)
    after, left, lines = None, limit, list[dict[str, Any]]()
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        async with database.pool.acquire() as connection:
            place = (connection, database.shards, project.number)
            page = await listing.page(*place, search, after, size)
        lines += [line(row) for row in page.rows]
        if as_json:
            print_rows(lines, as_json=True)
            lines = []
        after, left = page.last, None if left is None else left - len(page.rows)
        if after is None:
            break
    if not as_json:
        print_rows(lines, as_json=False)


def _listed_line(row: Listed) -> dict[str, Any]:
    return _line(row.customer)


def _line(row: CustomerRow) -> dict[str, Any]:
    person = row.customer
    return {
        "customer": person.source_id or person.id,
        "id": person.id,
        "number": person.number,
        "name": person.name,
        "email": person.email,
        "created_at": format_instant(person.created_at),
    }


async def _customer(installation: Installation, owner: str, name: str) -> CustomerRow | None:
    """Who has this name, of whatever kind, or this number; None: nobody, or they were erased."""
    database, project = installation.database, project_of(installation, owner)
    async with database.pool.acquire() as connection:
        number = await customers.find_by_name(connection, database.shards, project, name)
        if number is None and name.isascii() and name.isdigit() and int(name) <= ids.NUMBER_MAX:
            number = await customers.find_numbered(connection, database.shards, project, int(name))
        row = None
        if number is not None:
            row = await customers.read(connection, database.shards, number)
    gone = row is None or row.project != project.number or row.erased_at is not None
    return None if gone else row


@customer.command("data")
@location_options
@click.argument("name")
@click.option("--project", "owner", required=True, help="The project's id or name.")
def customer_data(name: str, owner: str, **location: Any) -> None:
    """Print all that is held of the customer NAME, as JSON."""

    async def work(installation: Installation) -> None:
        database, catalog = installation.database, installation.catalog
        project = project_of(installation, owner)
        row = await _customer(installation, owner, name)
        if row is None:
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
