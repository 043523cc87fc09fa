"""A folder of files that says how a project should be: programs and endpoints, for review in git.

    programs/club.toml     as `PUT /api/programs/club` takes it
    endpoints/crm.json     as `POST /api/endpoints` takes it

TOML or JSON. A program's file is named by the program's id, an endpoint's by a name that finds the
endpoint again: it stands in the endpoint's metadata. A text like `${CRM_TOKEN}` in an endpoint's
file is read from the environment, so that no secret need stand in the folder.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from tierline.errors import TierlineError
from tierline.model import json_text, validation

NAME_FIELD: Final = "definition"  # of an endpoint's metadata
FILE_BYTES_MAX: Final = 1_048_576
KINDS: Final = ("programs", "endpoints")
# What an answer never shows again, so that it cannot be compared.
SECRETS: Final = frozenset(
    {"secret", "vendor_secret", "headers", "ca", "client_certificate", "client_key", "proxy"}
)
_ENVIRONMENT = re.compile(r"\$\{(\w+)\}", re.ASCII)


class DefinitionInvalid(TierlineError):
    """{where}: {reason}"""

    code = "definition_invalid"


class Definition(Struct, frozen=True):
    """One file: what a program or an endpoint should be."""

    kind: str  # `programs` or `endpoints`
    name: str
    body: dict[str, Any]


def read_folder(folder: Path, environment: Mapping[str, str] = os.environ) -> list[Definition]:
    """Returns what the folder says, programs first. Raises DefinitionInvalid, naming the file."""
    if not any((folder / kind).is_dir() for kind in KINDS):
        raise DefinitionInvalid(
            where=folder, reason="expected a folder `programs` or `endpoints` in it."
        )
    definitions = [
        _read(kind, path, environment) for kind in KINDS for path in _files(folder, kind)
    ]
    names: set[tuple[str, str]] = set()
    for each in definitions:
        if (each.kind, each.name) in names:
            raise DefinitionInvalid(
                where=folder / each.kind / each.name, reason="two files have this name; keep one."
            )
        names.add((each.kind, each.name))
    return definitions


def _files(folder: Path, kind: str) -> Iterator[Path]:
    directory = folder / kind
    if directory.is_dir():
        for path in sorted(directory.iterdir()):
            if path.suffix in (".toml", ".json"):
                yield path
            elif not path.name.startswith("."):
                raise DefinitionInvalid(where=path, reason="expected a file .toml or .json.")


def _read(kind: str, path: Path, environment: Mapping[str, str]) -> Definition:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DefinitionInvalid(where=path, reason=f"{error.strerror}.") from error
    if len(raw) > FILE_BYTES_MAX:
        raise DefinitionInvalid(where=path, reason=f"more than {FILE_BYTES_MAX:,} bytes.")
    try:
        if path.suffix == ".toml":
            value: Any = tomllib.loads(raw.decode())
        else:
            value = json_text.parse(raw, duplicates="refuse")
        name = validation.identifier(path.stem, "the file's name")
    except (tomllib.TOMLDecodeError, UnicodeError) as error:
        raise DefinitionInvalid(where=path, reason=f"not TOML: {error}.") from error
    except TierlineError as error:
        raise DefinitionInvalid(where=path, reason=error.sentence) from error
    if not isinstance(value, dict):
        raise DefinitionInvalid(where=path, reason="expected an object.")
    if kind == "endpoints":
        value = _filled(value, path, environment)
    return Definition(kind, name, value)


def _filled(value: Any, path: Path, environment: Mapping[str, str]) -> Any:
    """With `${NAME}` from the environment."""

    def of(match: re.Match[str]) -> str:
        try:
            return environment[match[1]]
        except KeyError:
            reason = f"{match[0]}: set this environment variable."
            raise DefinitionInvalid(where=path, reason=reason) from None

    if isinstance(value, str):
        return _ENVIRONMENT.sub(of, value)
    if isinstance(value, dict):
        return {key: _filled(item, path, environment) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, path, environment) for item in value]
    return value


def write_folder(folder: Path, definitions: list[Definition]) -> list[Path]:
    """Writes one JSON file for each definition; returns them. Other files stay as they are."""
    paths = []
    for each in definitions:
        (folder / each.kind).mkdir(parents=True, exist_ok=True)
        path = folder / each.kind / f"{each.name}.json"
        text = msgspec.json.format(msgspec.json.encode(each.body), indent=2)
        path.write_bytes(text + b"\n")
        paths.append(path)
    return paths


class FieldDifference(Struct, frozen=True):
    """One place where a definition and what is there differ; None: nothing stands there."""

    path: str
    before: Any
    after: Any

    def __str__(self) -> str:
        before, after = (
            "nothing" if value is None else msgspec.json.encode(value).decode()
            for value in (self.before, self.after)
        )
        return f"{self.path}: {before} → {after}"


def differences(before: Any, after: Any, path: str = "") -> Iterator[FieldDifference]:
    """Yields what differs, as deep down as it can be said."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            where = f"{path}.{key}" if path else key
            yield from differences(before.get(key), after.get(key), where)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for i, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from differences(old, new, f"{path}[{i}]")
    elif before != after:
        yield FieldDifference(path, before, after)
