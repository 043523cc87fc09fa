"""The command line: `tierline COMMAND`. What goes wrong is one sentence on stderr; the exit code is
1 for a refusal and 2 for a wrong command."""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from typing import Any, Final

import click

from tierline import __version__
from tierline.logging import configure

# Name -> where it is; read only when it is called, for a server's parts take a second to load.
COMMANDS: Final = {
    "serve": "serve:serve",
    "demo": "serve:demo",
    "project": "projects:project",
    "program": "programs:program",
    "key": "projects:key",
    "import": "import_export:import_",
    "export": "import_export:export",
    "copy": "copy:copy",
    "user": "users:user",
    "customer": "customers:customer",
    "member": "members:member",
    "apply": "apply:apply",
    "diff": "apply:diff",
    "save": "apply:save",
    "mcp": "mcp:mcp",
    "audit": "audit:audit",
    "sweep": "maintenance:sweep",
    "preview": "preview:preview",
    "replay": "replay:replay",
    "rebuild": "maintenance:rebuild",
    "doctor": "maintenance:doctor",
    "drain": "maintenance:drain",
    "reseal": "maintenance:reseal",
    "compact": "maintenance:compact",
    "migrate": "maintenance:migrate",
    "manual": "manual:manual",
}


class Commands(click.Group):
    """The commands of the table above."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        command: click.Command = getattr(import_module(f"tierline.commands.{module}"), name)
        return command

    def main(self, *args: Any, **options: Any) -> Any:
        """As any group's, but for pages that nobody reads to their end: that is no failure."""
        output = sys.stdout
        try:
            return super().main(*args, **options)
        except SystemExit:
            if sys.stdout is not output:  # click takes one away that nobody reads
                raise SystemExit(0) from None
            raise


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="tierline")
def main() -> None:
    """Keeps a loyalty program's points, decides its tiers, announces every change by webhook."""
    configure(level=logging.WARNING)  # on stderr; `serve` says more
