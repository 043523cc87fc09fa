"""`import` and `export`: members and histories as files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Self

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tierline.bootstrap import Installation
from tierline.commands.installation_options import location_options, project_of, with_installation
from tierline.errors import TierlineError
from tierline.ledger.files import export as ledger
from tierline.ledger.files.importer import BATCH, Imported, Importer
from tierline.ledger.files.records import count_lines
from tierline.ledger.writer import Writer
from tierline.model.tenant import CARD
from tierline.vendors.registry import NAME_KINDS


class RecordsRefused(TierlineError):
    """{count} records were refused, the others are in; correct those and import again: what was
    counted before counts once."""

    code = "records_refused"


@click.command("import")
@location_options
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--project", "owner", required=True, help="The project's id or name.")
@click.option("--program", "program_id", required=True, help="The program's id.")
@click.option("--quiet/--announce", default=True, help="Tell no webhook (default), or all of it.")
@click.option("--resume/--restart", default=True, help="Go on where a stopped import was.")
def import_(
    file: Path, owner: str, program_id: str, *, quiet: bool, resume: bool, **location: Any
) -> None:
    """Import customers, balances, tiers or a history from FILE (.csv, else JSON lines)."""

    async def work(installation: Installation) -> None:
        project = project_of(installation, owner)
        program, _ = await installation.catalog.need_program(project.number, program_id)
        writer = Writer(
            installation.database, installation.catalog, lambda _: None, batch_max=BATCH
        )
        await writer.start()
        try:
            importer = Importer(
                installation.database, installation.catalog, writer, project, program,
                quiet=quiet, name_kinds=(CARD, *NAME_KINDS),
            )  # fmt: skip
            with ImportBar(file) as bar:
                done = await importer.run(file, bar.show, resume=resume)
        finally:
            await writer.stop()
        _report(done)

    with_installation(location, work)


@click.command()
@location_options
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--project", "owner", required=True, help="The project's id or name.")
@click.option("--program", "program_id", required=True, help="The program's id.")
@click.option("--history", is_flag=True, help="Every ledger entry instead of every member.")
def export(file: Path, owner: str, program_id: str, *, history: bool, **location: Any) -> None:
    """Export a program's members (or its ledger) to FILE as JSON lines; `-` is standard output."""

    async def work(installation: Installation) -> None:
        project = project_of(installation, owner)
        program, _ = await installation.catalog.need_program(project.number, program_id)
        if history:
            lines = ledger.history(installation.database, program)
        else:
            lines = ledger.members(installation.database, program, NAME_KINDS)
        with click.open_file(str(file), "wb") as out:
            async for line in lines:
                out.write(line)

    with_installation(location, work)


def _report(done: Imported) -> None:
    for problem in done.problems:
        click.echo(f"line {problem.line}: {problem.reason}", err=True)
    click.echo(
        f"{done.records} records: {done.customers} customers, {done.commands} entries"
        f" ({done.repeated} of them counted before), {done.refused} refused."
    )
    if done.refused:
        raise RecordsRefused(count=done.refused)


class ImportBar:
    """How far an import has come, where somebody is looking."""

    def __init__(self, file: Path) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,}/{task.total:,} {task.fields[rate]:,.0f}/s"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task(file.name, total=count_lines(file), rate=0.0)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def show(self, done: Imported) -> None:
        speed = self._bar.tasks[self._task].speed or 0.0
        self._bar.update(self._task, completed=done.records, rate=speed)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
