"""A tab of Chromium, in which a page may load nothing from elsewhere and break no rule."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Browser, Page

from tests.console.visitor import Visitor

CHROMIUM = "chromium"


class Tab:
    """A tab in which a visitor is signed in."""

    def __init__(self, page: Page, visitor: Visitor, scheme: str) -> None:
        self.page = page
        self.visitor = visitor
        self.scheme = scheme
        self.faults: list[str] = []
        self.foreign: list[str] = []
        page.on("console", self._hears)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("dialog", lambda dialog: self.faults.append(f"dialog: {dialog.message}"))
        page.on("request", self._sees_request)

    @classmethod
    async def open(
        cls, browser: Browser, visitor: Visitor, scheme: Any = "light", width: int = 1280
    ) -> Tab:
        context = await browser.new_context(
            color_scheme=scheme,
            viewport={"width": width, "height": 860},
            locale="en-GB",
            reduced_motion="reduce",
        )
        url = visitor.api.process.url
        await context.add_cookies(
            [{"name": name, "value": text, "url": url} for name, text in visitor.cookies.items()]
        )
        return cls(await context.new_page(), visitor, scheme)

    async def go(self, path: str) -> None:
        """To a page of the project."""
        url = f"{self.visitor.api.process.url}{self.visitor.root}{path}"
        answer = await self.page.goto(url)
        assert answer is not None
        assert answer.status == 200, url

    def check(self) -> None:
        """Nothing was asked of another server, no rule was broken, and no script failed."""
        assert self.foreign == []
        assert self.faults == []

    def _hears(self, message: Any) -> None:
        if message.type == "error" and "status of 4" not in message.text:
            self.faults.append(message.text)

    def _sees_request(self, request: Any) -> None:
        if not request.url.startswith((self.visitor.api.process.url, "data:")):
            self.foreign.append(request.url)
