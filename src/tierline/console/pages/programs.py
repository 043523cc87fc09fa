"""Programs: the ladder to scale, the rules in sentences, and what each version changed."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tierline.console.charts.ladder import ladder_chart
from tierline.console.differences import differences
from tierline.console.ladder_view import LadderView
from tierline.console.policy_text import sentences_of
from tierline.console.site import ConsolePage, Content, Go, PageView
from tierline.rules.program import Program, Rules

PROGRAM: Final = "/api/programs/{program}"
VERSIONS_MAX: Final = 30


async def show_first(view: PageView) -> Content | Go:
    programs = (await view.api("GET /api/programs")).programs
    if programs:
        return Go(view.url("programs", programs[0].id))
    return {}


async def frame(view: PageView) -> dict[str, Any]:
    """What every page of a program has."""
    name = view.param("program")
    _, program = await view.call.parts.catalog.need_program(view.project.number, name)
    now = program.version(view.now)
    return {
        "program": program,
        "programs": (await view.api("GET /api/programs")).programs,
        "ladder": LadderView(program, view.now),
        "version": now,
        "title": now.rules.name,
    }


async def show(view: PageView) -> Content:
    content = await frame(view)
    program: Program = content["program"]
    answer = await view.api(f"GET {PROGRAM}", {"program": program.id})
    return {
        **content,
        "answer": answer,
        "chart": ladder_chart(content["ladder"].tiers),
        "sentences": sentences_of(content["version"].rules),
        "changes": _changes(program),
        "proposed": (await view.api("GET /api/change-requests", query={"state": "open"})).changes,
    }


def _changes(program: Program) -> list[dict[str, Any]]:
    """The newest versions first, each with what it says differently from the one before."""
    lines = []
    versions = program.versions[-VERSIONS_MAX:]
    for place, version in reversed(list(enumerate(versions))):
        former = versions[place - 1] if place else None
        changed = () if former is None else differences(plain(former.rules), plain(version.rules))
        lines.append({
            "version": version,
            "first": former is None and version.number == 1,
            "superseded": program.supersedes(version),
            "differences": changed,
        })  # fmt: skip
    return lines


def plain(rules: Rules) -> Any:
    """Rules as `differences` compares them."""
    return msgspec.to_builtins(rules)


_SCOPES: Final = ("read_programs",)
PAGES: Final = (
    ConsolePage(
        "/programs", "programs.html", "Program", show_first, section="program", scopes=_SCOPES
    ),
    ConsolePage(
        "/programs/{program}", "program.html", "Program", show, section="program", scopes=_SCOPES
    ),
)
