"""Every option and argument of every command with wrong values; prints a JSON line for each run.

A process of its own (`tests/test_every_door.py`): commands set up logging, and run loops of their
own. `python -m tests.every_option DIRECTORY`, with TIERLINE_DATABASE_URL naming an installation
that has a project `shop`, a program `club` and an endpoint `end_0001`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from click.testing import CliRunner

from tierline.cli import main

WRONG = ("1.5x",)
NOWHERE = "/dev/null/none"  # no server starts there
# What a command needs to get as far as the value that is wrong.
RIGHT = {
    "project": "shop", "program": "club", "endpoint": "end_0001", "file": "people.csv",
    "rules": "rules.json", "to": "postgresql://127.0.0.1:1/x", "name": "Other", "email": "a@b.c",
    "key": "none", "user": "a@b.c",
}  # fmt: skip


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


def command_of(path: tuple[str, ...]) -> click.Command:
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        inner = command.get_command(click.Context(command), name)
        assert inner is not None
        command = inner
    return command


def arguments(parameter: click.Parameter, value: str) -> list[str]:
    if isinstance(parameter, click.Argument):
        return [value]
    return [max(parameter.opts, key=len), value]


def runs(path: tuple[str, ...]) -> Iterator[list[str]]:
    command = command_of(path)
    params = [
        each for each in command.params if not (isinstance(each, click.Option) and each.is_flag)
    ]
    needed = [each for each in params if each.required]
    for parameter in params:
        others = [each for each in needed if each is not parameter]
        right = [
            part for each in others for part in arguments(each, RIGHT.get(_word(each), "shop"))
        ]
        for value in WRONG:
            yield [*path, *right, *arguments(parameter, value)]


def _word(parameter: click.Parameter) -> str:
    return max(parameter.opts, key=len).lstrip("-").replace("-", "_")


def walk() -> None:
    runner = CliRunner()
    for path in commands(main):
        for line in runs(path):
            starts = path[0] in ("serve", "demo")
            variables = {"TIERLINE_DATABASE_URL": None} if starts else {}
            place = [] if "--data-dir" in line else ["--data-dir", NOWHERE if starts else "."]
            if starts and ("--data-dir" in line or "--database-url" in line):
                continue  # it would be one that starts
            done = runner.invoke(main, [*line, *place], env=variables)
            print(json.dumps([line, done.exit_code, done.output, repr(done.exception)]))  # noqa: T201


if __name__ == "__main__":
    directory = Path(sys.argv[1])
    (directory / "people.csv").write_text("customer,points\nada,1\n")
    (directory / "rules.json").write_text("{}")
    walk()
