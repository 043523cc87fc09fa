"""The command line. Every command opens the installation that it is told, works, and closes it;
what went wrong is one sentence on stderr: 1 for a refusal, 2 for a wrong command."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click
import uvloop
from rich.console import Console
from rich.table import Table

from tierline import __version__, logs
from tierline.assembly import Installation, installation, serving
from tierline.clock import wall
from tierline.config import (
    DATA_DIR_DEFAULT,
    HOST_DEFAULT,
    PORT_DEFAULT,
    ROLES,
    Place,
    Serving,
    parse_networks,
    parse_roles,
)
from tierline.engine import typed
from tierline.engine.announcement import Project
from tierline.engine.calendar import format_instant
from tierline.errors import NotFound, TierlineError
from tierline.first import first_start
from tierline.store.errors import translate
from tierline.store.keys import KINDS, SCOPES
from tierline.store.projects import NewProject

Command = TypeVar("Command", bound=Callable[..., Any])
DEBUG_VARIABLE = "TIERLINE_DEBUG"


class Failed(click.ClickException):
    """A refusal: one sentence, exit code 1."""

    def show(self, file: Any = None) -> None:
        click.echo(f"tierline: {self.message}", err=True)


def at_place(command: Command) -> Command:
    """The options that name an installation; the command gets them as `place`."""
    options = (
        click.option(
            "--data-dir",
            type=click.Path(file_okay=False, path_type=Path),
            default=DATA_DIR_DEFAULT,
            envvar="TIERLINE_DATA_DIR",
            show_default=True,
            show_envvar=True,
            help="Where the embedded database and the secret key live.",
        ),
        click.option(
            "--database-url",
            envvar="TIERLINE_DATABASE_URL",
            show_envvar=True,
            help="A PostgreSQL of your own (15 or newer) instead of the embedded one.",
        ),
        click.option(
            "--shards",
            type=click.IntRange(1, 4096),
            envvar="TIERLINE_SHARDS",
            show_envvar=True,
            help="How many shards a new installation gets.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end; every failure becomes one sentence."""
    try:
        uvloop.run(work)
    except TierlineError as error:
        raise Failed(error.sentence) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        known = translate(error, "the database")
        told = known.sentence if known else f"{type(error).__name__}: {error}".splitlines()[0]
        hint = "" if known else f" ({DEBUG_VARIABLE}=1 shows where)"
        raise Failed(told + hint) from error


def place_of(given: dict[str, Any]) -> Place:
    return Place(given["data_dir"], given["database_url"], given["shards"])


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="tierline")
def main() -> None:
    """Keeps a loyalty program's points, decides its tiers, announces every change by webhook."""


# Serving ------------------------------------------------------------------------------------------


@main.command()
@at_place
@click.option("--host", default=HOST_DEFAULT, envvar="TIERLINE_HOST", show_default=True)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=PORT_DEFAULT, envvar="TIERLINE_PORT",
    show_default=True, help="0 takes a free one.",
)  # fmt: skip
@click.option(
    "--roles", default=",".join(ROLES), envvar="TIERLINE_ROLES", show_default=True,
    help="What this process does.",
)  # fmt: skip
@click.option(
    "--allow-address", "allow", multiple=True, metavar="CIDR", envvar="TIERLINE_ALLOW_ADDRESS",
    help="Let endpoints live at special addresses (private, loopback), plain http included.",
)  # fmt: skip
def serve(host: str, port: int, roles: str, allow: tuple[str, ...], **place: Any) -> None:
    """Serve the API, send webhooks and sweep, until SIGTERM.

    Prints one JSON line with `url` when it is ready; at the first start also `keys`, the path of
    the default project's keys.
    """
    logs.configure()
    run(_serve(lambda: Serving(
        place=place_of(place), host=host, port=port, roles=parse_roles(roles),
        allow=parse_networks(allow),
    )))  # fmt: skip


async def _serve(told: Callable[[], Serving]) -> None:
    how = told()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with installation(how.place, serve=how.whole) as here:
        keys = await first_start(here, how.place.data_dir, wall)
        async with serving(here, how) as process:
            line: dict[str, Any] = {"url": process.url, "roles": sorted(how.roles)}
            if keys is not None:
                line["keys"] = str(keys)
            click.echo(json.dumps(line))
            await stop.wait()


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON line per webhook received.")
@click.option(
    "--data-dir", type=click.Path(file_okay=False, path_type=Path),
    help="Keep the demo's data there; a fresh temporary directory otherwise.",
)  # fmt: skip
def demo(as_json: bool, data_dir: Path | None) -> None:
    """Walk published sample customers through the tiers, and receive their webhooks."""
    logs.configure(level=40)
    directory = data_dir or Path(tempfile.mkdtemp(prefix="tierline-demo-"))
    run(_demo(directory, as_json))


async def _demo(directory: Path, as_json: bool) -> None:
    from tierline.demo.run import DemoFailed, tell
    from tierline.demo.show import print_table

    allow = parse_networks(["127.0.0.0/8", "::1/128"])
    how = Serving(place=Place(directory), port=0, allow=allow)
    told = []
    async with installation(how.place, serve=True) as here:
        await first_start(here, directory, wall)
        async with serving(here, how) as process:
            assert process.url is not None  # it has the role `api`
            async for webhook in tell(process.url, here.catalog):
                told.append(webhook)
                if as_json:
                    click.echo(webhook.line())
    if not as_json:
        print_table(told, Console())
        click.echo(f"\nThe same data, served:\n  tierline serve --data-dir {directory}")
    if not all(webhook.genuine for webhook in told):
        raise DemoFailed(reason="a signature did not verify")


# Projects and keys --------------------------------------------------------------------------------


@main.group()
def project() -> None:
    """Make and list projects."""


@project.command("create")
@at_place
@click.argument("name")
@click.option("--time-zone", default="UTC", show_default=True, help="Like Europe/Berlin.")
@click.option("--currency", default="USD", show_default=True, help="ISO 4217.")
@click.option("--clock", metavar="ISO", help="Makes a sandbox whose time only moves when told.")
@click.option("--json", "as_json", is_flag=True)
def project_create(
    name: str, time_zone: str, currency: str, clock: str | None, as_json: bool, **place: Any
) -> None:
    """Make a project; prints its id."""

    async def work(here: Installation) -> None:
        at = typed.optional_instant(clock, "--clock")
        new = NewProject(name, time_zone, currency, at)
        made = await here.catalog.add_project(new, wall())
        click.echo(json.dumps(_project_facts(made)) if as_json else made.id)

    run(_inside(place, work))


@project.command("list")
@at_place
@click.option("--json", "as_json", is_flag=True)
def project_list(as_json: bool, **place: Any) -> None:
    """List all projects."""

    async def work(here: Installation) -> None:
        _print_rows([_project_facts(each) for each in here.catalog.projects()], as_json)

    run(_inside(place, work))


@main.group()
def key() -> None:
    """Make, list and disable API keys."""


@key.command("create")
@at_place
@click.option("--project", "owner", required=True, help="The project's id or name.")
@click.option("--kind", type=click.Choice(KINDS), default="native", show_default=True)
@click.option("--scopes", default="", help=f"Some of {','.join(SCOPES)}; all if not given.")
@click.option("--label", default="", help="For your own orientation.")
@click.option("--json", "as_json", is_flag=True)
def key_create(owner: str, kind: str, scopes: str, label: str, as_json: bool, **place: Any) -> None:
    """Make a key; its secrets are printed for the only time."""

    async def work(here: Installation) -> None:
        asked = [scope.strip() for scope in scopes.split(",") if scope.strip()]
        number = _project(here, owner).number
        made = await here.catalog.add_key(number, kind, asked, label, wall())
        if as_json:
            click.echo(json.dumps(made))
            return
        for name, value in made.items():
            click.echo(f"{name}: {','.join(value) if isinstance(value, list) else value}")

    run(_inside(place, work))


@key.command("list")
@at_place
@click.option("--project", "owner", required=True, help="The project's id or name.")
@click.option("--json", "as_json", is_flag=True)
def key_list(owner: str, as_json: bool, **place: Any) -> None:
    """List a project's keys, without their secrets."""

    async def work(here: Installation) -> None:
        rows = [
            {
                "id": each.id,
                "kind": each.kind,
                "scopes": ",".join(scope for scope in SCOPES if scope in each.scopes),
                "label": each.label,
                "created_at": format_instant(each.created_at),
                "disabled_at": each.disabled_at and format_instant(each.disabled_at),
            }
            for each in here.catalog.keys(_project(here, owner).number)
        ]
        _print_rows(rows, as_json)

    run(_inside(place, work))


@key.command("disable")
@at_place
@click.argument("key_id")
def key_disable(key_id: str, **place: Any) -> None:
    """Disable a key for good; running servers follow within a second."""

    async def work(here: Installation) -> None:
        await here.catalog.disable_key(key_id, wall())

    run(_inside(place, work))


# What they share ----------------------------------------------------------------------------------


async def _inside(
    place: dict[str, Any], work: Callable[[Installation], Coroutine[Any, Any, None]]
) -> None:
    """Work on the installation, beside a running server if there is one."""
    async with installation(place_of(place)) as here:
        await work(here)


def _project(here: Installation, name: str) -> Project:
    found = here.catalog.find_project(name)
    if found is None:
        raise NotFound(what="project", name=name)
    return found


def _project_facts(project: Project) -> dict[str, Any]:
    return {
        "id": project.id,
        "name": project.name,
        "time_zone": project.time_zone,
        "currency": project.currency,
        "clock": project.clock and format_instant(project.clock),
    }


def _print_rows(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in rows[0] if rows else ():
        table.add_column(name, no_wrap=True)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    Console().print(table)
