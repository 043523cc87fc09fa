"""The command line: `tierline COMMAND`. What goes wrong is one sentence on stderr; the exit code is
1 for a refusal and 2 for a wrong command."""

from __future__ import annotations

import click

from tierline import __version__
from tierline.commands import projects, serving, upkeep


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="tierline")
def main() -> None:
    """Keeps a loyalty program's points, decides its tiers, announces every change by webhook."""


for command in (
    serving.serve,
    serving.demo,
    projects.project,
    projects.key,
    upkeep.sweep,
    upkeep.replay,
    upkeep.rebuild,
    upkeep.doctor,
    upkeep.migrate,
):
    main.add_command(command)
