"""`tierline mcp`, spoken to by the protocol's own client."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mcp.client.client import Client

from tests.web.conftest import Api
from tierline.commands.mcp import AssistantTools, assistant_server, documented


def text_of(result: Any) -> str:
    return str(result.content[0].text)


async def call(client: Client, tool: str, **arguments: str) -> str:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return text_of(result)


async def test_an_assistant_asks_why(club: Api) -> None:
    """From the list of tools to the sentence, and nothing but reading is offered."""
    await club.earn("ann", 120)
    async with Client(assistant_server(club.process.url, club.key)) as client:
        tools = (await client.list_tools()).tools
        members = json.loads(await call(client, "members", program="club"))
        explanation = json.loads(await call(client, "explain", program="club", customer="ann"))
        field = await call(client, "docs", word="carry_over")

    assert {tool.name for tool in tools} == {t.__name__ for t in AssistantTools("", "").all}
    assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
    assert [each["customer"] for each in members["members"]] == ["ann"]
    assert explanation["sentences"][0]["text"].startswith("You reached")
    assert "Calendar.carry_over: " in field


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("member", {"program": "club", "customer": "nobody/../x"}, "There is nothing at"),
        ("preview", {"program": "club", "rules": "{}"}, "it is needed"),
        ("explain", {"program": "club", "customer": "ann", "at": "soon"}, "at"),
    ],
)
async def test_what_is_wrong_is_said(
    club: Api, tool: str, arguments: dict[str, Any], words: str
) -> None:
    """In the sentence of the API, and the server goes on."""
    async with Client(assistant_server(club.process.url, club.key)) as client:
        result = await client.call_tool(tool, arguments)
        again = await client.call_tool("programs", {})

    assert result.is_error
    assert words in text_of(result)
    assert not again.is_error


def test_docs_are_lines_of_the_description() -> None:
    """Operations first, then fields."""
    document = {
        "paths": {"/api/x": {"get": {"summary": "Shows a tier."}}},
        "components": {"schemas": {"X": {"properties": {"tier": {"description": "A tier."}}}}},
    }

    assert documented(document, "TIER") == ["GET /api/x: Shows a tier.", "X.tier: A tier."]
