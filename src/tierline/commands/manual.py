"""`manual`: the manual page of the command line, made from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator

import click

from tierline import __version__


def manual_page(main: click.Group) -> str:
    """Returns the page tierline(1), as `man` reads it."""
    lines = [
        f'.TH TIERLINE 1 "" "tierline {__version__}" "User commands"',
        ".SH NAME",
        r"tierline \- a loyalty tier engine",
        ".SH SYNOPSIS",
        r".B tierline",
        r".I command",
        "[options]",
        ".SH DESCRIPTION",
        _escaped(main.help or ""),
        ".SH COMMANDS",
        *_commands(main, ("tierline",)),
        ".SH EXIT STATUS",
        "1 for a refusal, which is one sentence on stderr, and 2 for a wrong command.",
    ]
    return "\n".join(line for line in lines if line) + "\n"


def _commands(group: click.Group, path: tuple[str, ...]) -> Iterator[str]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))
        elif command is not None:
            yield from _command(command, (*path, name))


def _command(command: click.Command, path: tuple[str, ...]) -> Iterator[str]:
    arguments = [p.human_readable_name for p in command.params if isinstance(p, click.Argument)]
    yield f".SS {_escaped(' '.join((*path, *arguments)))}"
    yield from (_escaped(line.strip()) for line in (command.help or "").splitlines())
    for option in command.params:
        if isinstance(option, click.Option):
            yield ".TP"
            value = "" if option.is_flag else f" {option.metavar or option.type.name.upper()}"
            yield f".B {_escaped(', '.join(option.opts) + value)}"
            variable = f" [{option.envvar}]" if isinstance(option.envvar, str) else ""
            yield _escaped((option.help or option.name or "") + variable)


def _escaped(text: str) -> str:
    """Text in which nothing is a request to the formatter."""
    safe = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{safe}" if safe.startswith((".", "'")) else safe


@click.command()
@click.pass_context
def manual(context: click.Context) -> None:
    """Print the manual page: `tierline manual | man -l -`."""
    main = context.find_root().command
    assert isinstance(main, click.Group)
    click.echo(manual_page(main), nl=False)
