"""`audit`: who changed what."""

from __future__ import annotations

import json
from typing import Any

import click
import msgspec
from msgspec.structs import replace

from tierline.bootstrap import Installation
from tierline.commands.installation_options import (
    location_options,
    print_rows,
    project_of,
    with_installation,
)
from tierline.model import validation
from tierline.store import audit as store
from tierline.store.audit import AuditFilter, AuditLine
from tierline.web.routes.audit import audit_entry

PAGE = 1_000


@click.command()
@location_options
@click.option("--project", "owner", help="The project's id or name; all if not given.")
@click.option("--actor", help="A key's or a user's id, or a user of the operating system.")
@click.option("--kind", help="Like endpoint.paused; endpoint alone means all of them.")
@click.option("--object", "object_id", help="The id of what was changed.")
@click.option("--since", metavar="ISO", help="Not before this instant.")
@click.option("--until", metavar="ISO", help="Before this instant.")
@click.option("--limit", type=click.IntRange(1), help="So many lines at most; all if not given.")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON each, for export.")
def audit(owner: str | None, limit: int | None, as_json: bool, **options: Any) -> None:
    """Print who changed what, newest first."""

    async def work(installation: Installation) -> None:
        only = AuditFilter(
            project=None if owner is None else project_of(installation, owner).number,
            actor=options["actor"],
            kind=options["kind"],
            object=options["object_id"],
            since=validation.optional_instant(options["since"], "--since"),
            until=validation.optional_instant(options["until"], "--until"),
        )
        projects = {each.number: each.id for each in installation.catalog.projects()}
        rows: list[dict[str, Any]] = []
        left = limit
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            lines = await store.page(installation.database, only, size)
            page = [_row(line, projects) for line in lines]
            if as_json:
                print_rows(page, as_json=True)
            else:
                rows += page
            if len(lines) < size:
                break
            only = replace(only, below=lines[-1].id)
            left = None if left is None else left - size
        if not as_json:
            print_rows([_short(row) for row in rows], as_json=False)

    with_installation(options, work)


def _row(line: AuditLine, projects: dict[int, str]) -> dict[str, Any]:
    project = None if line.project is None else projects.get(line.project)
    facts: dict[str, Any] = msgspec.to_builtins(audit_entry(line))
    return {"project": project, **facts}


def _short(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the table for people."""
    sides = {side: json.dumps(row[side]) if row[side] else None for side in ("before", "after")}
    fields = ("at", "project", "actor_kind", "actor", "kind", "object")
    return {**{field: row[field] for field in fields}, **sides}
