"""Imports: a file is sent, tried, looked at, and run; what was refused comes back as a file."""

from __future__ import annotations

from typing import Final
from weakref import WeakKeyDictionary

from starlette.responses import FileResponse, Response

from tierline.console.imports import ImportFile, ImportOrder, Imports
from tierline.console.site import HEADERS, ConsolePage, Content, Go, PageView
from tierline.errors import Invalid, NoSuchRecord
from tierline.store.database import Database
from tierline.web.dependencies import Dependencies
from tierline.web.file_retention import IMPORTS_DIRECTORY

NAME_CHARACTERS_MAX: Final = 200
_imports: WeakKeyDictionary[Database, Imports] = WeakKeyDictionary()


def imports_of(parts: Dependencies) -> Imports:
    """Those of this machine."""
    imports = _imports.get(parts.database)
    if imports is None:

        def order(project: str, file: ImportFile) -> ImportOrder:
            return ImportOrder(
                url=parts.database.url, data_dir=str(parts.files), project=project,
                program=file.program, file=str(here.data(project, file)),
                rejects=str(here.rejects(project, file)), user=file.user, quiet=file.quiet,
                dry_run=True,
            )  # fmt: skip

        here = imports = Imports(parts.files / IMPORTS_DIRECTORY, order)
        _imports[parts.database] = imports
        parts.commit_signal.on_close(imports.close)
    return imports


async def show_all(view: PageView) -> Content:
    return {
        "imports": imports_of(view.call.parts).all(view.project.id),
        "programs": (await view.api("GET /api/programs")).programs,
    }


async def take(view: PageView) -> Go:
    """Takes the file that was sent, and tries it at once."""
    imports, sent = imports_of(view.call.parts), view.upload
    if sent is None or not sent.name:
        raise Invalid(path="file", reason="file: pick a file of CSV or JSON lines.")
    program = view.form.text("program") or ""
    await view.call.parts.catalog.need_program(view.project.number, program)
    assert view.upload_place is not None
    made = imports.add(view.project.id, view.upload_place, ImportFile(
        id="", created_at=view.call.wall, name=sent.name[-NAME_CHARACTERS_MAX:], suffix="",
        program=program, size=sent.size, quiet=view.form.text("announce") is None,
        user=view.visit.user_id,
    ))  # fmt: skip
    imports.start(view.project.id, made, user=view.visit.user_id, dry_run=True)
    return Go(view.url("imports", made.id))


def _file(view: PageView) -> ImportFile:
    return imports_of(view.call.parts).find(view.project.id, view.param("import"))


async def show(view: PageView) -> Content:
    file = _file(view)
    rejects = imports_of(view.call.parts).rejects(view.project.id, file)
    return {"file": file, "title": file.name, "rejects": rejects.exists()}


async def act(view: PageView) -> Go:
    imports, file, project = imports_of(view.call.parts), _file(view), view.project.id
    command = view.form.text("command")
    if command in ("try", "run"):
        imports.start(project, file, user=view.visit.user_id, dry_run=command == "try")
    elif command == "stop":
        await imports.stop(project, file)
    elif command == "remove":
        imports.remove(project, file)
        return Go(view.url("imports"), "import_removed")
    else:
        raise Invalid(path="command", reason="command: there is no such button.")
    return Go(view.url("imports", file.id))


async def rejects(view: PageView) -> Response:
    file = _file(view)
    path = imports_of(view.call.parts).rejects(view.project.id, file)
    if not path.exists():
        raise NoSuchRecord(what="rejects file", name=file.name, path="import")
    name = f"rejects{file.suffix}"
    return FileResponse(path, headers=HEADERS, media_type="text/plain", filename=name)


_SCOPES: Final = ("read_customers", "write_customers", "read_programs")
PAGES: Final = (
    ConsolePage(
        "/imports",
        "imports.html",
        "Imports",
        show_all,
        take,
        section="imports",
        scopes=_SCOPES,
        uploads=True, here=True,
    ),
    ConsolePage(
        "/imports/{import}", "import.html", "Import", show, act, section="imports", scopes=_SCOPES,
        here=True,
    ),
    ConsolePage(
        "/imports/{import}/rejects",
        "import.html",
        "Rejects",
        rejects,
        section="imports",
        scopes=_SCOPES, here=True,
    ),
)  # fmt: skip
