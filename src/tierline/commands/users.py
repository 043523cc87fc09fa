"""`user`: who may sign in."""

from __future__ import annotations

import json
from typing import Any

import click

from tierline.bootstrap import Installation
from tierline.clock import wall
from tierline.commands.installation_options import (
    location_options,
    print_rows,
    project_of,
    with_installation,
)
from tierline.model.calendar import format_instant
from tierline.people.directory import Directory
from tierline.people.passwords import Passwords
from tierline.people.roles import EVERYWHERE, ROLES
from tierline.store.people import User

URL_DEFAULT = "http://127.0.0.1:8080"
_url = click.option(
    "--url", default=URL_DEFAULT, show_default=True, help="Of the server, for the link."
)
_json = click.option("--json", "as_json", is_flag=True)


@click.group()
def user() -> None:
    """Invite, list, disable and reset the people who sign in."""


@user.command("invite")
@location_options
@click.argument("email")
@click.option("--project", "owner", help="The project's id or name; all projects if not given.")
@click.option("--role", type=click.Choice(list(ROLES)), default="viewer", show_default=True)
@click.option("--name", default="", help="What they are called.")
@_url
@_json
def user_invite(
    email: str, owner: str | None, role: str, url: str, as_json: bool, **options: Any
) -> None:
    """Give somebody a role; prints their one-time link, unless they sign in already."""

    async def work(installation: Installation) -> None:
        place = EVERYWHERE if owner is None else project_of(installation, owner).id
        directory = _directory(installation)
        invited, token = await directory.invite(email, options["name"], {place: role}, wall())
        _print_link(invited, token, url, as_json=as_json)

    with_installation(options, work)


@user.command("list")
@location_options
@_json
def user_list(as_json: bool, **location: Any) -> None:
    """List all users with their roles."""

    async def work(installation: Installation) -> None:
        users = await _directory(installation).users()
        print_rows([_facts(each, as_json=as_json) for each in users], as_json=as_json)

    with_installation(location, work)


@user.command("disable")
@location_options
@click.argument("name", metavar="USER")
def user_disable(name: str, **location: Any) -> None:
    """Let USER (an id or an address) in no more, and end their sessions."""

    async def work(installation: Installation) -> None:
        directory = _directory(installation)
        await directory.disable((await directory.find(name)).id, wall())

    with_installation(location, work)


@user.command("reset")
@location_options
@click.argument("name", metavar="USER")
@_url
@_json
def user_reset(name: str, url: str, as_json: bool, **location: Any) -> None:
    """End USER's sessions and password; prints a one-time link to set another."""

    async def work(installation: Installation) -> None:
        directory = _directory(installation)
        user_id = (await directory.find(name)).id
        _print_link(*await directory.reset(user_id, wall()), url, as_json=as_json)

    with_installation(location, work)


def _directory(installation: Installation) -> Directory:
    return Directory(installation.database, Passwords())


def _print_link(invited: User, token: str | None, url: str, *, as_json: bool) -> None:
    link = None if token is None else f"{url.rstrip('/')}/join?token={token}"
    if as_json:
        click.echo(json.dumps({"id": invited.id, "email": invited.email, "link": link}))
    else:
        click.echo(link or f"{invited.email} signs in already, and has the role from now on.")


def _facts(each: User, *, as_json: bool) -> dict[str, Any]:
    roles = ", ".join(f"{project}: {role}" for project, role in sorted(each.grants.items()))
    return {
        "id": each.id,
        "email": each.email,
        "name": each.name,
        "state": each.state,
        "roles": each.grants if as_json else roles,
        "created_at": format_instant(each.created_at),
    }
