"""Signing in and out, and where a browser goes first."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tierline.console import page_process, site
from tierline.console.form import read
from tierline.console.site import ROOT, html, projects_of
from tierline.errors import TierlineError
from tierline.people.errors import ForgeryRefused, SessionEnded, SignInFailed
from tierline.people.sessions import ABSOLUTE_MS
from tierline.store.catalog.audit import acting, user_actor
from tierline.web import auth, problem
from tierline.web.dependencies import Dependencies
from tierline.web.routes.sign_in import address_of, set_cookie

SIGN_IN: Final = f"{ROOT}/sign-in"
SIGN_OUT: Final = f"{ROOT}/sign-out"


def safe_next(text: str) -> str:
    """Where to go after signing in: a page of the console, and nowhere else."""
    plain = text.isascii() and text.isprintable() and "\\" not in text and "//" not in text
    return text if plain and text.startswith((f"{ROOT}/", f"{ROOT}?")) else ROOT


class Door:
    """One of these paths as an ASGI application that never raises."""

    def __init__(self, parts: Dependencies, answer: str) -> None:
        self.parts = parts
        self.answer = getattr(self, answer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self.answer(request)
        except Exception as fault:  # noqa: BLE001 - the last line: everything becomes a page
            error = problem.as_error(fault, path=request.url.path, method=request.method)
            response = html("away.html", error.status, {}, error=error, title="Not possible")
        await response(scope, receive, send)

    async def start(self, request: Request) -> Response:
        """To the first project of whoever is signed in."""
        try:
            visit = await auth.visit_of(
                self.parts.sessions, request.headers, "GET", self.parts.clock()
            )
        except SessionEnded:
            return _go(SIGN_IN)
        projects = projects_of(self.parts, visit.grants)
        if projects:
            return _go(f"{ROOT}/{projects[0].id}")
        return html("no_project.html", 200, {}, visit=visit, title="No project")

    async def sign_in(self, request: Request) -> Response:
        if request.method in ("GET", "HEAD"):
            if (pages := page_process.process_of(self.parts)) is not None:
                pages.begin()  # it is there when it is needed
            return self._form(safe_next(request.query_params.get("next", "")))
        if request.method != "POST":
            raise problem.MethodNotAllowed(method=request.method, allowed="GET, POST")
        auth.check_origin(request.headers)
        form = await read(request)
        target, email = safe_next(form.raw("next")), form.text("email") or ""
        facts = (address_of(request), request.headers.get("user-agent", ""), self.parts.clock())
        try:
            cookie, _ = await self.parts.sessions.sign_in(email, form.raw("password"), *facts)
        except SignInFailed as error:
            return self._form(target, email, error)
        response = _go(target)
        response.headers["set-cookie"] = set_cookie(request, cookie, ABSOLUTE_MS // 1000)
        return response

    async def nowhere(self, request: Request) -> Response:
        """Whatever is no page."""
        raise problem.NoSuchPath(target=request.url.path)

    async def sign_out(self, request: Request) -> Response:
        if request.method != "POST":
            raise problem.MethodNotAllowed(method=request.method, allowed="POST")
        auth.check_origin(request.headers)
        form = await read(request)
        visit = await auth.visit_of(self.parts.sessions, request.headers, "GET", self.parts.clock())
        if not site.is_meant(form, visit):
            raise ForgeryRefused
        with acting(user_actor(visit.user_id)):
            await self.parts.sessions.end(visit.session.id)
        response = _go(SIGN_IN)
        response.headers["set-cookie"] = set_cookie(request, "", 0)
        return response

    def _form(self, target: str, email: str = "", error: TierlineError | None = None) -> Response:
        return html(
            "sign_in.html", 200 if error is None else error.status, {},
            next=target, email=email, error=error, provider=self.parts.provider is not None,
            title="Sign in",
        )  # fmt: skip


def _go(path: str) -> Response:
    return Response(b"", 303, {"location": path, "cache-control": "no-store"})


def doors(parts: Dependencies) -> dict[str, ASGIApp]:
    """The paths that need no project, with what answers there."""
    return {
        ROOT: Door(parts, "start"),
        f"{ROOT}/": Door(parts, "start"),
        SIGN_IN: Door(parts, "sign_in"),
        SIGN_OUT: Door(parts, "sign_out"),
    }
