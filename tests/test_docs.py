"""What there is, is documented: every route, limit, command, option, variable and error code."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import click
import pytest

import tierline
from tierline.cli import main
from tierline.errors import TierlineError
from tierline.ledger.commands import ActivityKind
from tierline.store.catalog.keys import SCOPES
from tierline.web import limits
from tierline.web.asgi import OPERATIONS

DOCS = Path(__file__).parent.parent / "docs"
HTTP, CLI, ERRORS, PEOPLE = (
    (DOCS / f"{name}.md").read_text() for name in ("http", "cli", "errors", "people")
)
ROUTES = HTTP + PEOPLE


def errors(of: type[TierlineError] = TierlineError) -> Iterator[type[TierlineError]]:
    yield of
    for kind in of.__subclasses__():
        yield from errors(kind)


def all_errors() -> set[type[TierlineError]]:
    for module in pkgutil.walk_packages(tierline.__path__, "tierline."):
        if not module.name.endswith("__main__") and ".migrations" not in module.name:
            importlib.import_module(module.name)
    return {error for error in errors() if error.__module__.startswith("tierline.")}


def commands(
    group: click.Group = main, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: f"{o.method} {o.path}")
def test_every_operation_is_documented(operation: object) -> None:
    """With its method, as the table has it."""
    method, path = operation.method, operation.path  # type: ignore[attr-defined]

    assert f"`{method} {path}" in ROUTES


def test_no_other_operation_is_documented() -> None:
    """What was taken away is taken out."""
    documented = set(re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`?\s]*)[`?]", ROUTES))

    assert documented == {(operation.method, operation.path) for operation in OPERATIONS}


def test_every_limit_is_documented_with_its_value() -> None:
    """By its name in the code."""
    for name, value in vars(limits).items():
        if name.endswith("_MAX"):
            assert f"| `{name.lower()}` | {value:,} " in HTTP, name


def test_every_scope_is_documented() -> None:
    """With what it is for."""
    for scope in SCOPES:
        assert f"| `{scope}` |" in HTTP


def test_every_kind_of_activity_is_documented() -> None:
    """With what it needs."""
    for kind in get_args(ActivityKind):
        assert re.search(rf"^\| .*`{kind}`.* \|", HTTP, re.MULTILINE), kind


def test_every_error_code_is_documented() -> None:
    """And no other; each class has a sentence, and a code of its own or of the error that it is a
    case of."""
    classes = all_errors()
    codes = {error.code for error in classes}
    documented = set(re.findall(r"^\| `([a-z_]+)` \|", ERRORS, re.MULTILINE))

    assert documented == codes
    assert len(codes) == len([error for error in classes if "code" in vars(error)])
    assert all(error.__doc__ for error in classes)


def test_status_hints_are_the_documented_ones() -> None:
    """Of what a request may meet."""
    documented = dict(re.findall(r"^\| `([a-z_]+)` \| (\d{3}) \|", ERRORS, re.MULTILINE))

    for error in all_errors():
        if error.code in documented:
            assert documented[error.code] == str(error.status), error.code


@pytest.mark.parametrize(("path", "command"), list(commands()), ids=str)
def test_every_command_and_option_is_documented(
    path: tuple[str, ...], command: click.Command
) -> None:
    """With its environment variable, where it has one."""
    assert f"tierline {' '.join(path)}" in CLI
    for param in command.params:
        if isinstance(param, click.Option):
            assert param.opts[0] in CLI, param.opts
            if isinstance(param.envvar, str):
                assert f"`{param.envvar}`" in CLI, param.envvar
