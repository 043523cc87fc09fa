"""The console's routes: its pages, in the order of the navigation."""

from __future__ import annotations

from typing import Final

from starlette.routing import BaseRoute, Route

from tierline.console import assets
from tierline.console.pages import (
    attempts,
    change_requests,
    doctor,
    endpoint_form,
    endpoints,
    imports,
    live,
    member,
    member_changes,
    member_ledger,
    members,
    overview,
    program_editor,
    programs,
    reference,
    settings,
    sign_in,
    time,
)
from tierline.console.site import ROOT, ConsolePage, PageApp, Section
from tierline.web.dependencies import Dependencies

SECTIONS: Final = (
    Section("overview", "Overview", "", ("read_customers", "read_programs")),
    Section("members", "Members", "members", ("read_customers", "read_programs")),
    Section("program", "Program", "programs", ("read_programs",)),
    Section("deliveries", "Deliveries", "endpoints", ("manage_endpoints",)),
    Section("time", "Time", "time", ("read_customers", "write_customers"), sandbox=True),
    Section(
        "imports", "Imports", "imports", ("read_customers", "write_customers", "read_programs")
    ),
    Section("settings", "Settings", "settings"),
    Section("reference", "API reference", "reference"),
)
PAGES: Final[tuple[ConsolePage, ...]] = (
    *overview.PAGES,
    *live.PAGES,
    *doctor.PAGES,
    *members.PAGES,
    *member.PAGES,
    *member_changes.PAGES,
    *member_ledger.PAGES,
    *programs.PAGES,
    *program_editor.PAGES,
    *change_requests.PAGES,
    *endpoints.PAGES,
    *attempts.PAGES,
    *endpoint_form.PAGES,
    *time.PAGES,
    *imports.PAGES,
    *reference.PAGES,
    *settings.PAGES,
)


def routes(parts: Dependencies) -> list[BaseRoute]:
    """What a server with a console serves besides."""
    doors = [Route(path, door) for path, door in sign_in.doors(parts).items()]
    pages = [
        Route(f"{ROOT}/{{project}}{page.path}", PageApp(parts, page, SECTIONS)) for page in PAGES
    ]
    rest = Route(f"{ROOT}/{{rest:path}}", sign_in.Door(parts, "nowhere"))
    return [*doors, Route(f"{ROOT}/static/{{address}}", assets.serve), *pages, rest]
