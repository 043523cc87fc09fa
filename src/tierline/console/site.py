"""A page, and the one way in which every page is run.

A `ConsolePage` shows something (`show`), and may do something (`act`), for a user who is signed in
and has a role in the project that its path names. Everything that it shows and does it asks of the
API's operations (`PageView.api`), so that scopes, checks, errors and the audit log are theirs. What
was not possible is said on the page itself.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Final
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tierline.console import assets, inner_call, page_process, words
from tierline.console.form import SentForm, read
from tierline.console.messages import DONE
from tierline.console.upload_form import SentFile, read_upload
from tierline.errors import NotFound, TierlineError, Unauthorized
from tierline.model.calendar import format_instant
from tierline.model.tenant import Project
from tierline.people.errors import ForgeryRefused
from tierline.people.roles import EVERYWHERE, role_in, scopes_in
from tierline.people.sessions import Visit
from tierline.store.absent_shards import shards_text
from tierline.store.catalog.audit import acting
from tierline.web import auth, problem
from tierline.web.auth import Caller
from tierline.web.dependencies import Dependencies
from tierline.web.file_retention import IMPORTS_DIRECTORY
from tierline.web.routing import Call

ROOT: Final = "/console"
HTML: Final = "text/html; charset=utf-8"
# Nothing but our own files is loaded, no script or style stands in a page, and nobody frames it.
HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
}
Content = Mapping[str, Any]


class Go(Struct, frozen=True):
    """Leads the browser on to another page; `done` is said there."""

    path: str
    done: str = ""


Show = Callable[["PageView"], Awaitable[Content | Go | Response]]
Act = Callable[["PageView"], Awaitable[Content | Go | Response]]


class ConsolePage(Struct, frozen=True):
    """A page of the console, at a path below the project's. `section` is the entry of the
    navigation that it belongs to; `act` answers its forms. `scopes`: who lacks one of them is not
    led here."""

    path: str
    template: str
    title: str
    show: Show
    act: Act | None = None
    section: str = ""
    scopes: tuple[str, ...] = ()
    uploads: bool = False  # its form may bring a file
    here: bool = False  # it is made in the server itself: it streams, or shows what happens there


class Section(Struct, frozen=True):
    """An entry of the navigation."""

    name: str
    title: str
    path: str
    scopes: tuple[str, ...] = ()
    sandbox: bool = False  # only a sandbox has it


class PageView:
    """One visit of a page: who looks, at which project, and what they sent."""

    def __init__(self, call: Call, page: ConsolePage) -> None:
        self.call = call
        self.page = page
        self.form = SentForm()
        self.upload: SentFile | None = None
        self.upload_place: Path | None = None  # where the file lies until it is taken
        self.problem: TierlineError | None = None
        self.headers: dict[str, str] = {}  # that go with the page

    @property
    def project(self) -> Project:
        return self.call.project

    @property
    def visit(self) -> Visit:
        visit = self.call.caller.visit
        assert visit is not None  # pages are for sessions
        return visit

    @property
    def zone(self) -> str:
        return self.project.time_zone

    @property
    def now(self) -> int:
        return self.call.now

    @property
    def query(self) -> Mapping[str, str]:
        return self.call.request.query_params

    @property
    def role(self) -> str:
        return role_in(self.visit.grants, self.project.id) or ""

    @property
    def projects(self) -> list[Project]:
        """Those that the user has a role in."""
        return projects_of(self.call.parts, self.visit.grants)

    @property
    def away(self) -> str:
        """The shards whose node is away, in words; empty where there are none."""
        numbers = self.call.parts.database.absent.numbers
        return shards_text(numbers) if numbers else ""

    def acting(self) -> AbstractContextManager[None]:
        """Inside, the audit log notes the user's name."""
        return acting(self.call.caller.actor)

    def may(self, *scopes: str) -> bool:
        return set(scopes) <= self.call.caller.scopes

    def param(self, name: str) -> str:
        return self.call.param(name)

    def asks(self, name: str) -> str | None:
        """A text of the query; None where there is nothing in it."""
        return self.query.get(name, "").strip() or None

    async def api(
        self,
        name: str,
        path: Mapping[str, str] | None = None,
        *,
        query: Any = None,
        body: Any = None,
    ) -> Any:
        """Answers as the operation `METHOD /path` does; see `inner_call.run`."""
        return await inner_call.run(self.call, name, path, query=query, body=body)

    def url(self, *parts: str, **query: Any) -> str:
        """A path below the project's, its parts encoded."""
        names = (quote(part, safe="") for part in (self.project.id, *parts) if part)
        path = "/".join((ROOT, *names))
        given = {name: text for name, text in query.items() if text not in (None, "")}
        return f"{path}?{urlencode(given)}" if given else path

    def here(self, **query: Any) -> str:
        """The page itself, with its query as it is but for these."""
        whole = {**self.query, **query}
        given = {name: text for name, text in whole.items() if text not in (None, "")}
        path: str = self.call.request.scope["path"]
        return f"{path}?{urlencode(given)}" if given else path


def projects_of(parts: Dependencies, grants: Mapping[str, str]) -> list[Project]:
    everywhere = EVERYWHERE in grants
    return [p for p in parts.catalog.projects() if everywhere or p.id in grants]


def is_meant(form: SentForm, visit: Visit) -> bool:
    """Whether a form came from a page that this session was shown."""
    return hmac.compare_digest(form.raw("csrf").encode(), visit.csrf_token.encode())


def environment() -> Environment:
    made = Environment(
        loader=PackageLoader("tierline.console"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(words.FILTERS)
    made.globals["asset"] = assets.url
    made.globals["messages"] = DONE
    made.globals["format_instant"] = format_instant
    return made


_templates: Final = environment()


def html(template: str, status: int, headers: Mapping[str, str], **content: Any) -> Response:
    text = _templates.get_template(template).render(**content)
    whole = {"content-type": HTML, **HEADERS, **headers}
    return Response(text.encode(), status, whole)


def fragment(template: str, **content: Any) -> str:
    """A part of a page."""
    return _templates.get_template(template).render(**content)


class PageApp:
    """One page as an ASGI application that never raises."""

    def __init__(self, parts: Dependencies, page: ConsolePage, sections: Sequence[Section]) -> None:
        self.parts = parts
        self.page = page
        self.sections = sections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request, began = Request(scope, receive), perf_counter()
        try:
            response = await self._apart(request) or await self._run(request)
        except Exception as fault:  # noqa: BLE001 - the last line: everything becomes a page
            self.parts.database.disk.saw(fault)
            error = problem.as_error(fault, path=self.page.path, method=request.method)
            response = self._away(request, error)
        await response(scope, receive, send)
        path = f"{ROOT}/{{project}}{self.page.path}"
        self.parts.metrics.observe(path, response.status_code, perf_counter() - began)

    async def _apart(self, request: Request) -> Response | None:
        """A page that was made in another process."""
        if request.method not in ("GET", "HEAD") or self.page.here:
            return None
        process = page_process.process_of(self.parts)
        if process is None:
            return None
        return await process.page(self.page.path, request, self.parts.database.absent.nodes)

    async def _run(self, request: Request) -> Response:
        visit = await auth.visit_of(self.parts.sessions, request.headers, "GET", self.parts.clock())
        if request.method == "POST" and self.page.act is not None:
            auth.check_origin(request.headers)
            return await self._posted(request, visit)
        if request.method not in ("GET", "HEAD"):
            allowed = "GET" if self.page.act is None else "GET, POST"
            raise problem.MethodNotAllowed(method=request.method, allowed=allowed)
        view = self._view(request, visit)
        try:
            view.call.caller.require(*self.page.scopes)
            return await self._show(view)
        except TierlineError as error:
            return await self._problem(view, error)

    async def _posted(self, request: Request, visit: Visit) -> Response:
        def check(form: SentForm) -> None:
            if not is_meant(form, visit):
                raise ForgeryRefused

        view = self._view(request, visit)
        if not self.page.uploads:
            view.form = await read(request)
            check(view.form)
        try:
            view.call.caller.require(*self.page.scopes)
            if self.page.uploads:
                await self._upload(view, check)
            return await self._act(view)
        except ForgeryRefused:
            raise
        except TierlineError as error:
            return await self._problem(view, error)
        finally:
            if view.upload_place is not None:
                view.upload_place.unlink(missing_ok=True)

    async def _upload(self, view: PageView, check: Callable[[SentForm], None]) -> None:
        place = self.parts.files / IMPORTS_DIRECTORY / view.project.id
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        view.upload_place = place / f"{secrets.token_hex(12)}.part"
        view.upload = await read_upload(view.call.request, view.upload_place, check)
        view.form = view.upload.form

    def _view(self, request: Request, visit: Visit) -> PageView:
        return PageView(Call(self.parts, request, self._caller(request, visit)), self.page)

    def _caller(self, request: Request, visit: Visit) -> Caller:
        """Raises NotFound for a project that is none of the user's."""
        name = request.path_params["project"]
        for project in projects_of(self.parts, visit.grants):
            if project.id == name:
                scopes = scopes_in(visit.grants, project.id)
                return Caller(scopes, project, "user", visit.user_id, visit)
        raise NotFound(what="project", name=name, path="project")

    async def _show(self, view: PageView, status: int = 200, **more: Any) -> Response:
        content = await self.page.show(view)
        if isinstance(content, Response):
            return content
        if isinstance(content, Go):
            return _redirect(view.call.request, content.path)
        return await self._html(view, self.page.template, status, {**content, **more})

    async def _act(self, view: PageView) -> Response:
        assert self.page.act is not None
        try:
            content = await self.page.act(view)
        except TierlineError as error:
            if error.status >= 500:
                raise
            view.problem = error
            return await self._show(view, error.status)
        if isinstance(content, Response):
            return content
        if isinstance(content, Go):
            glue = "&" if "?" in content.path else "?"
            done = f"{glue}{urlencode({'done': content.done})}" if content.done else ""
            return _redirect(view.call.request, content.path + done)
        return await self._show(view, **content)

    async def _problem(self, view: PageView, error: TierlineError) -> Response:
        content = {"error": error}
        return await self._html(view, "problem.html", error.status, content)

    async def _html(self, view: PageView, template: str, status: int, content: Content) -> Response:
        """In a thread: however long a page is, others are served meanwhile."""
        sections = [
            section
            for section in self.sections
            if view.may(*section.scopes) and (not section.sandbox or view.project.clock is not None)
        ]
        title = content.get("title", view.page.title)
        facts = {"view": view, "sections": sections, **content, "title": title}
        return await asyncio.to_thread(partial(html, template, status, view.headers, **facts))

    def _away(self, request: Request, error: TierlineError) -> Response:
        """For whoever is not let in: to the sign-in; else what is wrong, and nothing more."""
        if isinstance(error, Unauthorized):
            target = f"{ROOT}/sign-in"
            if request.method == "GET":
                path: str = request.scope["path"]
                query = request.url.query
                target += "?" + urlencode({"next": f"{path}?{query}" if query else path})
            return _redirect(request, target)
        headers = {
            name: text for name, text in problem.headers(error).items() if name != "content-type"
        }
        return html("away.html", error.status, headers, error=error, title="Not possible")


def _redirect(request: Request, target: str) -> Response:
    """Where htmx asked, it is told to load the whole page."""
    if "hx-request" in request.headers:
        return Response(b"", 200, {"hx-redirect": target, "cache-control": "no-store"})
    return Response(b"", 303, {"location": target, "cache-control": "no-store"})
