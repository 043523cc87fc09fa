"""`import` and `export`: members and histories as files."""

from __future__ import annotations

import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tierline.bootstrap import Installation
from tierline.commands.installation_options import (
    STDOUT,
    counted,
    location_options,
    project_of,
    with_installation,
)
from tierline.errors import TierlineError
from tierline.ledger.files import export as ledger
from tierline.ledger.files.file_kind import FileUnreadable
from tierline.ledger.files.importer import BATCH, Importer
from tierline.ledger.files.progress import Imported
from tierline.ledger.files.records import count_lines
from tierline.ledger.writer import Writer
from tierline.model.tenant import CARD
from tierline.vendors.registry import NAME_KINDS

STDOUT_FILE = Path("-")


class RecordsRefused(TierlineError):
    """Refused: {records}. The others are in; correct these in {rejects} and import that file, or
    correct them where they stand and import all again: what was counted counts once."""

    code = "records_refused"


class RecordsWouldBeRefused(TierlineError):
    """To be refused: {records}; nothing was written."""

    code = "records_would_be_refused"


@click.command("import")
@location_options
@click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
)
@click.option("--project", "owner", required=True, help="The project's id or name.")
@click.option("--program", "program_id", required=True, help="The program's id.")
@click.option(
    "--quiet/--announce", default=True,
    help="Tell no webhook of what is brought along (default), or of all that is decided.",
)  # fmt: skip
@click.option("--resume/--restart", default=True, help="Go on where a stopped import was.")
@click.option("--dry-run", is_flag=True, help="Say what would be made, changed and refused.")
@click.option("--allow-erased", is_flag=True, help="Also customers who were erased here.")
@click.option(
    "--rejects", type=click.Path(dir_okay=False, path_type=Path),
    help="Where refused records go, with their reasons; FILE.rejects and FILE's suffix if not given"
    " (in a dry run: nowhere). `-` is standard output, and what was done goes to stderr.",
)  # fmt: skip
def import_(
    file: Path,
    owner: str,
    program_id: str,
    *,
    quiet: bool,
    resume: bool,
    dry_run: bool,
    allow_erased: bool,
    rejects: Path | None,
    **location: Any,
) -> None:
    """Import customers, balances, tiers or a history from FILE (CSV or JSON lines)."""
    if not file.is_file():
        raise click.UsageError(
            f"{file} is no file but a pipe or a device. An import reads what it imports more than"
            " once: write it to a file first."
        )
    if rejects is not None and rejects.exists() and rejects.samefile(file):
        raise click.UsageError(
            "--rejects names FILE itself; the refused records need another file."
        )
    if rejects is None and not dry_run:
        rejects = file.with_name(f"{file.stem}.rejects{file.suffix}")

    on_stdout = rejects == STDOUT_FILE

    async def work(installation: Installation) -> None:
        database, catalog = installation.database, installation.catalog
        project = project_of(installation, owner)
        program, _ = await catalog.need_program(project.number, program_id)
        async with AsyncExitStack() as stack:
            writer = None
            if not dry_run:
                writer = Writer(database, catalog, lambda _: None, batch_max=BATCH)
                await writer.start()
                stack.push_async_callback(writer.stop)
            importer = Importer(
                database, catalog, writer, project, program,
                quiet=quiet, name_kinds=(CARD, *NAME_KINDS),
            )  # fmt: skip
            importer.allow_erased = allow_erased
            with ImportBar(file) as bar:
                place = RejectsOutput() if on_stdout else rejects
                done = await importer.run(file, bar.show, resume=resume, rejects=place)
        _report(done, file, rejects, dry_run=dry_run, to_stderr=on_stdout)

    with_installation(location, work)


@click.command()
@location_options
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--project", "owner", required=True, help="The project's id or name.")
@click.option("--program", "program_id", required=True, help="The program's id.")
@click.option("--history", is_flag=True, help="With every ledger entry, so that ledgers move too.")
def export(file: Path, owner: str, program_id: str, *, history: bool, **location: Any) -> None:
    """Export a program's members (and ledgers) to FILE as JSON lines; `-` is standard output."""

    async def work(installation: Installation) -> None:
        project = project_of(installation, owner)
        program, _ = await installation.catalog.need_program(project.number, program_id)
        export_of = ledger.whole if history else ledger.members
        lines = export_of(installation.database, program, NAME_KINDS)
        with click.open_file(str(file), "wb") as out:
            async for line in lines:
                out.write(line)
            out.flush()

    with_installation(location, work)


class RejectsOutput:
    """Standard output, for refused records. An import goes on when nobody reads them any more."""

    def __init__(self) -> None:
        self._is_read = True

    def write(self, data: bytes) -> None:
        if not self._is_read:
            return
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.flush()
        except BrokenPipeError:
            self._is_read = False
            os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)


def _report(
    done: Imported, file: Path, rejects: Path | None, *, dry_run: bool, to_stderr: bool
) -> None:
    for problem in done.problems:
        click.echo(problem.sentence, err=True)
    if done.refused > len(done.problems):
        click.echo(f"… and {done.refused - len(done.problems):,} more.", err=True)
    would = "would be " if dry_run else ""
    click.echo(
        f"{counted(done.records, 'record')}: {counted(done.customers, 'customer')} ({done.made}"
        f" {would}made, {done.changed} {would}changed),"
        f" {counted(done.commands, 'entry', 'entries')} ({done.repeated} of them counted"
        f" before, {done.corrected} corrected), {done.refused} {would}refused.",
        err=to_stderr,
    )
    for what, counts in (("entries", done.kinds), (f"{would}refused", done.columns)):
        if counts:
            each = ", ".join(f"{count} {name or 'whole rows'}" for name, count in counts.items())
            click.echo(f"{what}: {each}", err=to_stderr)
    if done.ageless:
        click.echo(
            f"The points of {counted(done.ageless, 'person', 'people')} came without `lots`:"
            " they live by the program's rules, counted from today.",
            err=to_stderr,
        )
    if done.uncounted:
        click.echo(
            f"{done.uncounted} of the entries count for no metric: they happened before the"
            " membership, or in a former one.",
            err=to_stderr,
        )
    if not done.records:
        reason = f"There is no record in {file}, only a heading; is it the right file?"
        raise FileUnreadable(reason=reason)
    if done.refused:
        refused = counted(done.refused, "record")
        if dry_run:
            raise RecordsWouldBeRefused(records=refused)
        raise RecordsRefused(records=refused, rejects="the list above" if to_stderr else rejects)


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
