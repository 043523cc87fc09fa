"""`apply`, `diff` and `save`: a project as a folder of files, over the API of a running server.

They use the API as anybody does: a key's scopes hold, and the audit log notes who changed what.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

import aiohttp
import click
import msgspec
from msgspec import Struct

from tierline.commands.definition_files import (
    NAME_FIELD,
    SECRETS,
    Definition,
    FieldDifference,
    differences,
    read_folder,
    write_folder,
)
from tierline.commands.installation_options import counted, run
from tierline.endpoints.endpoint_body import EndpointBody
from tierline.errors import TierlineError
from tierline.model import validation
from tierline.proposals import ProgramBody, rules_from
from tierline.rules.points import Points
from tierline.rules.policy import Policy
from tierline.rules.program import Rules
from tierline.rules.reminders import Reminders
from tierline.vendors.vendor import ProgramFacts

URL_DEFAULT: Final = "http://127.0.0.1:8080"
SECONDS_MAX: Final = 600  # of one answer: a preview of millions takes minutes
PARTS: tuple[str, ...] = (
    "name",
    "policy",
    "points",
    "auto_join",
    "presentations",
    "sentences",
    "reminders",
)
# Of an endpoint what is no setting of its owner's.
FACTS: Final = frozenset(
    {
        *("id", "number", "project", "created_at", "updated_at", "revision", "state", "reason"),
        *("signatures", "since", "vendor_id", "format_version", "points", "sandbox_since"),
    }
)
Command = TypeVar("Command", bound=Callable[..., Any])


class ServerRefuses(TierlineError):
    """{where}: {reason}"""

    code = "server_refuses"


class ServerAway(TierlineError):
    """No Tierline answers at {url} ({reason}); correct --url, or start the server."""

    code = "server_away"
    status = 503


class DefinitionChange(Struct, frozen=True):
    """What one file would change: something new (`id` None), or these differences."""

    definition: Definition
    id: str | None
    differences: tuple[FieldDifference, ...]

    @property
    def needed(self) -> bool:
        return self.id is None or bool(self.differences)


class ServerApi:
    """A running server's API, by a key."""

    def __init__(self, session: aiohttp.ClientSession, url: str, key: str) -> None:
        self.session = session
        self.url = url.rstrip("/")
        self.headers = {"authorization": f"Bearer {key}"}

    async def call(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """Returns the answer; None for 404. Raises ServerRefuses, ServerAway."""
        try:
            async with self.session.request(
                method, f"{self.url}{path}", json=body, params=query, headers=self.headers
            ) as answer:
                raw = await answer.read()
                if answer.status == 404:
                    return None
                if answer.status >= 400:
                    raise ServerRefuses(where=f"{method} {path}", reason=_sentence(raw))
                return msgspec.json.decode(raw) if raw else {}
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise ServerAway(url=self.url, reason=reason) from error

    # -- what is there --------------------------------------------------------------------------

    async def program(self, name: str) -> dict[str, Any] | None:
        """The newest version of a program, also one that is scheduled."""
        path = f"/api/programs/{quote(name, safe='')}"
        answer = await self.call("GET", path)
        if answer is None or answer["versions"][0]["number"] == answer["version"]:
            return answer  # type: ignore[no-any-return]
        newest = str(answer["versions"][0]["number"])
        return await self.call("GET", path, version=newest)  # type: ignore[no-any-return]

    async def endpoints(self) -> dict[str, dict[str, Any]]:
        """The endpoints by the name that a folder gave them; those that none made, by their id."""
        answer = await self.call("GET", "/api/endpoints")
        return {each["metadata"].get(NAME_FIELD, each["id"]): each for each in answer["endpoints"]}

    # -- what would change ----------------------------------------------------------------------

    async def changes(self, definitions: list[Definition]) -> list[DefinitionChange]:
        project = await self.call("GET", "/api/project")
        endpoints = await self.endpoints()
        return [
            await self._program_change(each, project)
            if each.kind == "programs"
            else _endpoint_change(each, endpoints.get(each.name))
            for each in definitions
        ]

    async def _program_change(self, definition: Definition, project: Any) -> DefinitionChange:
        here = await self.program(definition.name)
        where = f"programs/{definition.name}"
        try:
            body = validation.convert(definition.body, ProgramBody, "")
            previous = None if here is None else _rules(here)
            facts = ProgramFacts(
                definition.name, project["id"], 0, project["currency"], body.name, previous
            )
            rules = rules_from(body, facts)
        except TierlineError as error:
            raise ServerRefuses(where=where, reason=error.sentence) from error
        if here is None:
            return DefinitionChange(definition, None, ())
        after = {part: value for part, value in _parts(rules).items() if part in here}
        before = {part: here[part] for part in after}
        return DefinitionChange(definition, definition.name, tuple(differences(before, after)))

    async def movers(self, definition: Definition) -> str:
        """How many members would move, and where to."""
        path = f"/api/programs/{quote(definition.name, safe='')}/preview"
        fields = {k: v for k, v in definition.body.items() if k not in ("supersede", "based_on")}
        report = await self.call("POST", path, {**fields, "samples": 0})
        moved, members = report["moved"], counted(report["members"], "member")
        return (
            f"{moved:,} of {members} would move at once{_flows(report['matrix']) if moved else ''};"
            f" at their next assessment, by what counts today{_flows(report['earned'])}"
        )

    # -- changing -------------------------------------------------------------------------------

    async def apply(self, change: DefinitionChange) -> str:
        """Makes it so. Returns what is to be told: a new endpoint's secret, for the only time."""
        definition, body = change.definition, change.definition.body
        if definition.kind == "programs":
            await self.call("PUT", f"/api/programs/{quote(definition.name, safe='')}", body)
            return ""
        body = {**body, "metadata": _metadata(definition, change.id)}
        if change.id is None:
            made = await self.call("POST", "/api/endpoints", body)
            return f"{made['id']}, secret {made['secret']}"
        fields = {name: value for name, value in body.items() if name not in ("since", "secret")}
        await self.call("PATCH", f"/api/endpoints/{change.id}", fields)
        return ""


def _flows(matrix: list[dict[str, Any]]) -> str:
    moves = [
        f"{each['members']:,} {each['from'] or 'no tier'} → {each['to'] or 'no tier'}"
        for each in matrix
        if each["moves"]
    ]
    return f": {', '.join(moves) or 'nobody'}"


def _sentence(raw: bytes) -> str:
    try:
        problem = msgspec.json.decode(raw)
        return str(problem.get("detail") or problem.get("title"))
    except (msgspec.MsgspecError, AttributeError):
        return "the answer is not Tierline's; correct --url."


def _rules(answer: dict[str, Any]) -> Rules:
    return Rules(
        answer["name"],
        msgspec.convert(answer["policy"], Policy),
        msgspec.convert(answer["points"], Points),
        answer["auto_join"],
        answer["presentations"],
        answer["sentences"],
        msgspec.convert(answer.get("reminders", {}), Reminders),  # an older server shows none
    )


def _parts(rules: Rules) -> dict[str, Any]:
    """A program's rules, as an answer shows them."""
    parts = {part: getattr(rules, part) for part in PARTS}
    return msgspec.json.decode(msgspec.json.encode(parts))  # type: ignore[no-any-return]


def _endpoint_change(definition: Definition, here: dict[str, Any] | None) -> DefinitionChange:
    if here is None:
        return DefinitionChange(definition, None, ())
    after = {k: v for k, v in definition.body.items() if k not in SECRETS | {"since"}}
    if "program" in after:
        after["programs"] = [after.pop("program")]
    after["metadata"] = _metadata(definition, here["id"])
    before = {name: here.get(name) for name in after}
    return DefinitionChange(definition, here["id"], tuple(differences(before, after)))


def _metadata(definition: Definition, id_: str | None) -> dict[str, Any]:
    """An endpoint's metadata, with the name that finds it again; its id needs no other name."""
    name = {} if definition.name == id_ else {NAME_FIELD: definition.name}
    return {**definition.body.get("metadata", {}), **name}


def _server_options(command: Command) -> Command:
    options = (
        click.option(
            "--url", default=URL_DEFAULT, envvar="TIERLINE_URL", show_default=True,
            show_envvar=True, help="Where the server is.",
        ),
        click.option(
            "--key", envvar="TIERLINE_KEY", show_envvar=True, required=True,
            help="A key of the project; with it the folder is compared and applied.",
        ),
        click.option(
            "-f", "--folder", required=True, type=click.Path(file_okay=False, path_type=Path),
            help="The folder with `programs` and `endpoints` in it.",
        ),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def _with_server(url: str, key: str, work: Callable[[ServerApi], Awaitable[None]]) -> None:
    async def session() -> None:
        timeout = aiohttp.ClientTimeout(SECONDS_MAX)
        async with aiohttp.ClientSession(timeout=timeout) as opened:
            await work(ServerApi(opened, url, key))

    run(session())


@click.command("apply")
@_server_options
@click.option("--dry-run", is_flag=True, help="Only tell what differs, and who would move.")
def apply(url: str, key: str, folder: Path, *, dry_run: bool) -> None:
    """Make a project's programs and endpoints what the files of a folder say.

    What the folder does not speak of stays. Repeat it as often as you like.
    """

    async def work(server: ServerApi) -> None:
        changes = await server.changes(read_folder(folder))
        for change in changes:
            _tell(change)
            if not change.needed:
                continue
            if not dry_run:
                answer = await server.apply(change)
                click.echo(f"  done{': ' if answer else ''}{answer}")
            elif change.definition.kind == "programs" and change.id is not None:
                click.echo(f"  {await server.movers(change.definition)}")

    _with_server(url, key, work)


@click.command("diff")
@_server_options
@click.option("--exit-code", is_flag=True, help="End with 1 where something differs.")
def diff(url: str, key: str, folder: Path, *, exit_code: bool) -> None:
    """Tell where a project and the files of a folder differ."""
    different = False

    async def work(server: ServerApi) -> None:
        nonlocal different
        for change in await server.changes(read_folder(folder)):
            different = different or change.needed
            _tell(change)

    _with_server(url, key, work)
    if different and exit_code:
        raise SystemExit(1)


@click.command("save")
@_server_options
def save(url: str, key: str, folder: Path) -> None:
    """Write a project's programs and endpoints as files of a folder; secrets are left out."""

    async def work(server: ServerApi) -> None:
        definitions = []
        for line in (await server.call("GET", "/api/programs"))["programs"]:
            program = await server.program(line["id"])
            assert program is not None
            body = {part: program[part] for part in PARTS if part in program}
            definitions.append(Definition("programs", line["id"], body))
        for endpoint in (await server.call("GET", "/api/endpoints"))["endpoints"]:
            metadata = dict(endpoint["metadata"])
            name = metadata.pop(NAME_FIELD, endpoint["id"])
            # Only what a POST takes, so that another project can be made of the files.
            fields = set(EndpointBody.__struct_fields__) - FACTS - SECRETS
            body = {k: v for k, v in endpoint.items() if k in fields and v is not None}
            definitions.append(Definition("endpoints", name, {**body, "metadata": metadata}))
        for path in write_folder(folder, definitions):
            click.echo(str(path))

    _with_server(url, key, work)


def _tell(change: DefinitionChange) -> None:
    what = "new" if change.id is None else "differs" if change.differences else "as it is"
    click.echo(f"{change.definition.kind}/{change.definition.name}: {what}")
    for difference in change.differences:
        click.echo(f"  {difference}")
