"""`mcp`: what a server knows, for assistants, over the Model Context Protocol.

It only reads: each tool is one request to the API of a running server. The key says what may be
seen, so give it one with the scopes `read_customers` and `read_programs` alone.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import wraps
from importlib import import_module
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import click

from tierline import __version__
from tierline.commands.apply import SECONDS_MAX, URL_DEFAULT, ServerApi
from tierline.errors import TierlineError

INSTRUCTIONS: Final = (
    "Tierline keeps customers' points and decides their loyalty tiers. To say why a member has a "
    "tier, call `explain`. Amounts of money are in minor units, instants in UTC. Nothing here "
    "changes anything."
)
MEMBERS_MAX: Final = 50  # of one answer: an assistant reads all of it
DOCUMENTED_MAX: Final = 20

Tool = Callable[..., Awaitable[str]]


class McpMissing(TierlineError):
    """`tierline mcp` needs the package mcp; install tierline[mcp]."""

    code = "mcp_missing"


class NothingThere(TierlineError):
    """There is nothing at {path}."""

    code = "nothing_there"
    status = 404


class AssistantTools:
    """What an assistant may ask. The docstrings are what it reads, and so are the names."""

    def __init__(self, url: str, key: str) -> None:
        self._url, self._key = url, key

    @property
    def all(self) -> tuple[Tool, ...]:
        return (
            self.programs, self.program, self.members, self.member, self.explain, self.history,
            self.preview, self.endpoints, self.deliveries, self.docs,
        )  # fmt: skip

    async def programs(self) -> str:
        """The project's programs, with their ids."""
        return await self._ask("GET", "/api/programs")

    async def program(self, program: str) -> str:
        """A program's rules: tiers, thresholds, windows, terms, points."""
        return await self._ask("GET", f"/api/programs/{_part(program)}")

    async def members(self, program: str, search: str = "", tier: str = "") -> str:
        """Members of a program, at most 50: all of them, those whose id, name or email begins with
        a text, or those in one tier."""
        given = {"limit": str(MEMBERS_MAX), "search": search, "tier": tier}
        query = {name: value for name, value in given.items() if value}
        return await self._ask("GET", f"/api/programs/{_part(program)}/members", **query)

    async def member(self, program: str, customer: str) -> str:
        """Where a member stands: tier and its last day, points, what is needed, what is at risk."""
        return await self._ask("GET", _member(program, customer))

    async def explain(self, program: str, customer: str, at: str = "", language: str = "en") -> str:
        """Why a member has their tier: sentences, thresholds, the entries that count. `at`: an
        instant like 2026-03-01T00:00:00Z; without it, now."""
        query = {"language": language} | ({"at": at} if at else {})
        return await self._ask("GET", f"{_member(program, customer)}/explain", **query)

    async def history(self, program: str, customer: str) -> str:
        """The tiers that a member held, each with its start, its cause and its events."""
        return await self._ask("GET", f"{_member(program, customer)}/history")

    async def preview(self, program: str, rules: str) -> str:
        """Who would move under other rules, which change nothing yet. `rules`: the JSON of a
        program, as `program` shows it in name, policy and points."""
        path = f"/api/programs/{_part(program)}/preview"
        return await self._ask("POST", path, json.loads(rules))

    async def endpoints(self) -> str:
        """Where webhooks go, with the health of each endpoint."""
        return await self._ask("GET", "/api/endpoints")

    async def deliveries(self, endpoint: str) -> str:
        """The newest attempts to deliver webhooks to an endpoint, with what it answered."""
        return await self._ask("GET", f"/api/endpoints/{_part(endpoint)}/attempts", limit="50")

    async def docs(self, word: str) -> str:
        """What the API's own description says about a word: operations and fields, at most 20."""
        document = json.loads(await self._ask("GET", "/openapi.json"))
        return "\n".join(documented(document, word)[:DOCUMENTED_MAX]) or f"Nothing says {word!r}."

    async def _ask(self, method: str, path: str, body: Any = None, **query: str) -> str:
        timeout = aiohttp.ClientTimeout(SECONDS_MAX)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            answer = await ServerApi(session, self._url, self._key).call(
                method, path, body, **query
            )
        if answer is None:
            raise NothingThere(path=path)
        return json.dumps(answer, ensure_ascii=False, indent=1)


def documented(document: dict[str, Any], word: str) -> list[str]:
    """Lines of an OpenAPI document that speak of a word: its operations, then its fields."""
    lines = [
        f"{method.upper()} {path}: {operation.get('summary') or operation.get('description', '')}"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if isinstance(operation, dict)
    ]
    lines += [
        f"{schema}.{field}: {facts['description']}"
        for schema, facts_of in document["components"]["schemas"].items()
        for field, facts in facts_of.get("properties", {}).items()
        if "description" in facts
    ]
    return [line for line in lines if word.lower() in line.lower()]


def assistant_server(url: str, key: str) -> Any:
    """Returns an MCP server whose tools ask the Tierline at `url`. Raises McpMissing."""
    try:
        library, types = import_module("mcp.server.mcpserver"), import_module("mcp_types")
        failure = import_module("mcp.server.mcpserver.exceptions").ToolError
    except ImportError:
        raise McpMissing from None
    server = library.MCPServer("tierline", instructions=INSTRUCTIONS, version=__version__)
    reads = types.ToolAnnotations(read_only_hint=True, open_world_hint=False)
    for tool in AssistantTools(url, key).all:
        server.add_tool(_in_words(tool, failure), annotations=reads, structured_output=False)
    return server


def _in_words(tool: Tool, failure: type[Exception]) -> Tool:
    """The same tool, whose refusals an assistant can read."""

    @wraps(tool)
    async def answer(**arguments: str) -> str:
        try:
            return await tool(**arguments)
        except TierlineError as error:
            raise failure(error.sentence) from error
        except json.JSONDecodeError as error:
            raise failure(f"That is not JSON: {error}.") from error

    return answer


def _part(name: str) -> str:
    return quote(name, safe="")


def _member(program: str, customer: str) -> str:
    return f"/api/programs/{_part(program)}/members/{_part(customer)}"


@click.command()
@click.option(
    "--url", default=URL_DEFAULT, envvar="TIERLINE_URL", show_default=True, show_envvar=True,
    help="Where the server is.",
)  # fmt: skip
@click.option(
    "--key", envvar="TIERLINE_KEY", show_envvar=True, required=True,
    help="A key of the project, best with the scopes read_customers and read_programs alone.",
)  # fmt: skip
def mcp(url: str, key: str) -> None:
    """Answer an assistant's questions about members, over MCP on stdin and stdout.

    It only reads. It needs the package mcp: install tierline[mcp].
    """
    assistant_server(url, key).run("stdio")
