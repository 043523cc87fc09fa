"""`project` and `key`."""

from __future__ import annotations

import json
from typing import Any

import click

from tierline.bootstrap import Installation
from tierline.clock import wall
from tierline.commands.installation_options import (
    counted,
    location_options,
    print_rows,
    project_of,
    with_installation,
)
from tierline.ledger.erasure.erasures import Erasures
from tierline.ledger.erasure.project_erasure import erase_project
from tierline.ledger.project_removal import ProjectRemoval
from tierline.ledger.removals import Removals
from tierline.ledger.writer import Writer
from tierline.model import validation
from tierline.model.calendar import format_instant
from tierline.model.tenant import Project
from tierline.store import listing
from tierline.store.catalog.closures import StateChange
from tierline.store.catalog.key_uses import last_uses
from tierline.store.catalog.keys import NATIVE, READ_METRICS, SCOPES
from tierline.store.catalog.projects import NewProject, namesakes
from tierline.vendors.registry import KEY_KINDS

_KINDS = [kind.name for kind in (NATIVE, *KEY_KINDS)]


@click.group()
def project() -> None:
    """Make and list projects."""


@project.command("create")
@location_options
@click.argument("name")
@click.option("--time-zone", default="UTC", show_default=True, help="Like Europe/Berlin.")
@click.option("--currency", default="USD", show_default=True, help="ISO 4217.")
@click.option("--clock", metavar="ISO", help="Makes a sandbox whose time only moves when told.")
@click.option("--json", "as_json", is_flag=True)
def project_create(
    name: str, time_zone: str, currency: str, clock: str | None, as_json: bool, **location: Any
) -> None:
    """Make a project; prints its id."""

    async def work(installation: Installation) -> None:
        at = validation.optional_instant(clock, "--clock")
        new = NewProject(name, time_zone, currency, at)
        made = await installation.catalog.add_project(new, wall())
        for other in namesakes(installation.catalog.projects(), made):
            warning = f"Warning: {other.id} is named {name!r}, too; commands take either by its id."
            click.echo(warning, err=True)
        click.echo(json.dumps(_project_facts(made)) if as_json else made.id)

    with_installation(location, work)


@project.command("list")
@location_options
@click.option("--json", "as_json", is_flag=True)
def project_list(as_json: bool, **location: Any) -> None:
    """List all projects."""

    async def work(installation: Installation) -> None:
        rows = [_project_facts(each) for each in installation.catalog.projects()]
        print_rows(rows, as_json=as_json)

    with_installation(location, work)


@project.command("pause")
@location_options
@click.argument("name", metavar="PROJECT")
def project_pause(name: str, **location: Any) -> None:
    """Let all programs of PROJECT take nothing new."""

    async def work(installation: Installation) -> None:
        number = project_of(installation, name).number
        await installation.catalog.change_state(StateChange(number, "paused"))

    with_installation(location, work)


@project.command("resume")
@location_options
@click.argument("name", metavar="PROJECT")
def project_resume(name: str, **location: Any) -> None:
    """Let the programs of PROJECT go on."""

    async def work(installation: Installation) -> None:
        number = project_of(installation, name).number
        await installation.catalog.change_state(StateChange(number, "resumed"))

    with_installation(location, work)


@project.command("erase")
@location_options
@click.argument("name", metavar="PROJECT")
@click.option("--yes", is_flag=True, help="Do not ask: there is no way back.")
def project_erase(name: str, yes: bool, **location: Any) -> None:
    """Erase PROJECT: its keys and endpoints end, and every customer is erased. Where it is stopped,
    a server does what is left; so does the command, run again."""

    async def work(installation: Installation) -> None:
        database, catalog = installation.database, installation.catalog
        owner = project_of(installation, name)
        if not yes:
            question = f"Erase project {owner.id} ({owner.name}) with all its customers?"
            click.confirm(f"{question} There is no way back.", abort=True)
        writer = Writer(database, catalog, lambda _: None)
        await writer.start()
        try:
            done = await erase_project(catalog, Erasures(database, catalog, writer), owner)
        finally:
            await writer.stop()
        click.echo(
            f"{counted(done.customers, 'customer')} of {owner.id} erased,"
            f" {counted(done.keys, 'key')} disabled,"
            f" {counted(done.endpoints, 'endpoint')} deleted."
        )

    with_installation(location, work)


@project.command("delete")
@location_options
@click.argument("name", metavar="PROJECT")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--yes", is_flag=True, help="Do not ask: there is no way back.")
def project_delete(name: str, dry_run: bool, yes: bool, **location: Any) -> None:
    """Delete PROJECT: programs, keys and endpoints end, and every customer is erased. A server does
    what is left where it was stopped."""

    async def work(installation: Installation) -> None:
        database, catalog = installation.database, installation.catalog
        owner = project_of(installation, name)
        async with database.pool.acquire() as connection:
            people = await listing.count(connection, database.shards, owner.number)
        programs = ", ".join(row.id for row in catalog.programs(owner.number)) or "none"
        click.echo(f"{counted(people, 'customer')} will be erased; these programs go: {programs}.")
        if dry_run:
            return
        if not yes:
            question = f"Delete project {owner.id} ({owner.name})?"
            click.confirm(f"{question} There is no way back.", abort=True)
        await catalog.change_state(StateChange(owner.number, "deleted"))
        writer = Writer(database, catalog, lambda _: None)
        await writer.start()

        async def opened() -> Writer:
            return writer

        try:
            for shard in range(database.shards):
                await Removals(database, catalog, shard).go_on()
            for shard in range(database.shards):
                while await ProjectRemoval(database, catalog, shard, opened).go_on():
                    pass
        finally:
            await writer.stop()
        click.echo(f"{owner.id} is deleted.")

    with_installation(location, work)


_ORDER = {scope: place for place, scope in enumerate((*SCOPES, READ_METRICS))}


@click.group()
def key() -> None:
    """Make, list and disable API keys."""


@key.command("create")
@location_options
@click.option("--project", "owner", required=True, help="The project's id or name.")
@click.option("--kind", type=click.Choice(_KINDS), default="native", show_default=True)
@click.option(
    "--scopes",
    default="",
    help=f"Some of {','.join(SCOPES)} and of the kind's own; all of these if not given. "
    f"{READ_METRICS}: of all projects.",
)
@click.option("--label", default="", help="For your own orientation.")
@click.option("--json", "as_json", is_flag=True)
def key_create(
    owner: str, kind: str, scopes: str, label: str, as_json: bool, **location: Any
) -> None:
    """Make a key; its secrets are printed for the only time."""

    async def work(installation: Installation) -> None:
        names = [scope.strip() for scope in scopes.split(",") if scope.strip()]
        number = project_of(installation, owner).number
        made = await installation.catalog.add_key(number, kind, names, label, wall())
        if as_json:
            click.echo(json.dumps(made))
            return
        for name, value in made.items():
            click.echo(f"{name}: {','.join(value) if isinstance(value, list) else value}")

    with_installation(location, work)


@key.command("list")
@location_options
@click.option("--project", "owner", required=True, help="The project's id or name.")
@click.option("--json", "as_json", is_flag=True)
def key_list(owner: str, as_json: bool, **location: Any) -> None:
    """List a project's keys, without their secrets."""

    async def work(installation: Installation) -> None:
        number = project_of(installation, owner).number
        uses = await last_uses(installation.database, number)
        rows = [
            {
                "id": each.id,
                "kind": each.kind,
                "scopes": ",".join(sorted(each.scopes, key=lambda s: (_ORDER.get(s, 99), s))),
                "label": each.label,
                "beginning": each.beginning,
                "created_at": format_instant(each.created_at),
                "last_used_at": uses.get(each.id) and format_instant(uses[each.id] or 0),
                "disabled_at": each.disabled_at and format_instant(each.disabled_at),
            }
            for each in installation.catalog.keys(number)
        ]
        print_rows(rows, as_json=as_json)

    with_installation(location, work)


@key.command("disable")
@location_options
@click.argument("key_id")
def key_disable(key_id: str, **location: Any) -> None:
    """Disable a key for good; running servers follow within a second."""

    async def work(installation: Installation) -> None:
        await installation.catalog.disable_key(key_id, wall())

    with_installation(location, work)


def _project_facts(project: Project) -> dict[str, Any]:
    return {
        "id": project.id,
        "name": project.name,
        "time_zone": project.time_zone,
        "currency": project.currency,
        "clock": project.clock and format_instant(project.clock),
    }
