"""`preview`: what other rules would do to every member of a program, before they are put."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import click
import msgspec
from msgspec.structs import replace
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tierline.analysis.preview import Proposal
from tierline.bootstrap import Installation
from tierline.clock import wall
from tierline.commands.installation_options import (
    TableConsole,
    counted,
    location_options,
    project_of,
    with_installation,
)
from tierline.ledger.previews import preview as ledger
from tierline.ledger.previews.preview import Count, Report, Sample
from tierline.model.validation import configuration
from tierline.proposals import PreviewBody, proposal_of, rules_from
from tierline.vendors.vendor import ProgramFacts

NOBODY = "–"


@click.command("preview")
@location_options
@click.argument("program")
@click.option("--project", "owner", required=True, help="The project's id or name.")
@click.option(
    "--rules",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="JSON as a PUT of the program takes it.",
)
@click.option("--until", metavar="ISO", help="Look at what follows up to then.")
@click.option("--processes", type=click.IntRange(0, 256), help="As many as there are cores.")
@click.option("--json", "as_json", is_flag=True, help="The whole report, samples explained.")
def preview(
    program: str,
    owner: str,
    rules: Path,
    until: str | None,
    processes: int | None,
    as_json: bool,
    **location: Any,
) -> None:
    """Tell who would move under other rules; nothing is changed."""
    raw = rules.read_bytes()

    async def work(installation: Installation) -> None:
        body = configuration(raw, PreviewBody)
        if until is not None:
            body = replace(body, until=until)
        number, proposal = await _proposal(installation, owner, program, body)
        with PreviewBar(hidden=as_json) as bar:
            report = await ledger.preview(
                installation.database,
                number,
                proposal,
                samples=body.samples,
                processes=processes,
                on_progress=bar.show,
            )
        click.echo(msgspec.json.encode(report)) if as_json else show(report, TableConsole())

    with_installation(location, work)


async def _proposal(
    installation: Installation, owner: str, program_id: str, body: PreviewBody
) -> tuple[int, Proposal]:
    project = project_of(installation, owner)
    number, program = await installation.catalog.need_program(project.number, program_id)
    now = installation.catalog.now(project.number, wall())
    previous = program.versions[-1].rules
    facts = ProgramFacts(program_id, project.id, now, project.currency, body.name, previous)
    return number, proposal_of(program, rules_from(body, facts), body, now)


class PreviewBar:
    """A progress bar on stderr, where somebody looks."""

    def __init__(self, *, hidden: bool) -> None:
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=hidden or not sys.stderr.isatty(),
        )

    def __enter__(self) -> Self:
        self.progress.start()
        self.task = self.progress.add_task("members")
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def show(self, now: ledger.PreviewProgress) -> None:
        description = f"members ({now.reread:,} from the ledger)" if now.reread else "members"
        self.progress.update(
            self.task, description=description, completed=now.done, total=now.total
        )


def show(report: Report, console: Console) -> None:
    """The report for people: the matrix, what would be announced, and one sample a move."""
    say: Callable[..., None] = console.print
    members = counted(report.members, "member")
    say(f"{members} of {report.program}; {report.moved:,} would move", end=" ")
    say(f"at {report.until} ({report.on_change}).")
    tiers = [tier.id for tier in report.tiers]
    # As lines of their own: a table breaks its title where its columns end.
    say("under today's rules → under these")
    say(_matrix(report.matrix, tiers))
    if report.matrix != report.earned:
        say("under today's rules → earned under these")
        say(_matrix(report.earned, tiers))
    for name, events in (
        ("announced under these rules", report.events),
        ("announced under today's", report.otherwise),
    ):
        counts = ", ".join(f"{count:,} {kind}" for kind, count in events.items())
        say(f"{name}: {counts or 'nothing'}")
    moves: set[tuple[str | None, str | None]] = set()
    for sample in report.samples:
        if sample.from_ != sample.to and (sample.from_, sample.to) not in moves:
            moves.add((sample.from_, sample.to))
            say(_sample(sample))
    reread = counted(report.reread_entries, "entry", "entries")
    for count, what in (
        (report.changed_meanwhile, "changed meanwhile; they were judged as they were found"),
        (report.reread, f"judged from the ledger ({reread})"),
        (report.failed, "could not be judged"),
    ):
        if count:
            say(f"{counted(count, 'member')} {what}.")
    for warning in report.warnings:
        say(f"warning: {warning.path} {warning.reason}", style="yellow")


def _matrix(counts: tuple[Count, ...], tiers: list[str]) -> Table:
    table = Table(box=None, header_style="bold")
    targets = {count.to for count in counts}
    columns = [_name(tier) for tier in (None, *tiers) if tier in targets]
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    rows: dict[str, dict[str, str]] = {}
    for count in counts:
        number = f"[bold]{count.members:,}[/]" if count.moves else f"{count.members:,}"
        rows.setdefault(_name(count.from_), {})[_name(count.to)] = number
    for row, cells in rows.items():
        table.add_row(row, *(cells.get(column, "") for column in columns))
    return table


def _name(tier: str | None) -> str:
    return NOBODY if tier is None else tier


def _sample(sample: Sample) -> str:
    totals = sample.explanation.totals["metric"]
    since = "" if totals.start is None else f" since {totals.start}"
    entries = counted(len(totals.counted), "entry", "entries")
    return (
        f"  {sample.customer}: {_name(sample.from_)} → {_name(sample.to)}, "
        f"{totals.metric['source']} {totals.total:,}{since} from {entries}; "
        f"{sample.explanation.because}"
    )
