"""A change of a program that somebody proposed: what it says, who would move, and what becomes of
it."""

from __future__ import annotations

from typing import Any, Final

from tierline.console.differences import differences
from tierline.console.pages.program_editor import chart_of, document_of
from tierline.console.pages.programs import PROGRAM, plain
from tierline.console.policy_text import sentences_of
from tierline.console.site import ConsolePage, Content, Go, PageView
from tierline.errors import Invalid, NotFound
from tierline.rules.program import Program

CHANGE: Final = "/api/change-requests/{change}"
WRITE: Final = "write_programs"


async def show(view: PageView) -> Content:
    change = await _change(view)
    program = await _program(view, change.program)
    newest = None if program is None else program.versions[-1].rules
    people = {user.id: user.name or user.email for user in await view.call.parts.directory.users()}
    return {
        "change": change,
        "program": program,
        "title": change.rules.name,
        "differences": () if newest is None else differences(plain(newest), plain(change.rules)),
        "sentences": sentences_of(change.rules),
        "people": people,
        "own": change.proposer == view.visit.user_id,
        "preview": None,
    }


async def act(view: PageView) -> Content | Go:
    path = {"change": view.param("change")}
    change = await _change(view)
    if "try" in view.form:
        body = document_of(change.rules) | {"on_change": change.on_change}
        if change.effective_at is not None:
            body["effective_at"] = change.effective_at
        program = {"program": change.program}
        report = await view.api(f"POST {PROGRAM}/preview", program, body=body)
        return {"preview": report, "chart": chart_of(report)}
    command = view.form.text("do")
    if command == "approve":
        await view.api(f"POST {CHANGE}/approve", path)
        return Go(view.url("programs", change.program), "approved")
    if command == "turn_down":
        await view.api(f"POST {CHANGE}/turn-down", path)
        return Go(view.url("changes", path["change"]), "turned_down")
    raise Invalid(path="do", reason="do: there is no such button.")


async def _change(view: PageView) -> Any:
    return await view.api(f"GET {CHANGE}", {"change": view.param("change")})


async def _program(view: PageView, name: str) -> Program | None:
    """The program that is to change; None where it is yet to be made."""
    try:
        return (await view.call.parts.catalog.need_program(view.project.number, name))[1]
    except NotFound:
        return None


PAGES: Final = (
    ConsolePage(
        "/changes/{change}", "change_request.html", "Proposed change", show, act,
        section="program", scopes=("read_programs",),
    ),
)  # fmt: skip
