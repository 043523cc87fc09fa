"""The console as a map: its pages by pattern, the links between them, and the forms on them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html.parser import HTMLParser
from urllib.parse import urlsplit

from tierline.console.routes import PAGES

DOORS = ("/console/sign-out",)
_PATTERNS = [
    (re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(page.path))), page.path) for page in PAGES
]


def pattern_of(url: str, root: str) -> str | None:
    """The path of the page that answers at a URL of the project; None for what is no page."""
    path = urlsplit(url).path
    if path in DOORS:
        return path
    if not path.startswith(root):
        return None
    rest = path.removeprefix(root)
    return next((name for pattern, name in _PATTERNS if pattern.fullmatch(rest)), None)


class Links(HTMLParser):
    """Where a page leads, and what its forms send: `GET /path` and `POST /path`, by URL."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Iterable[tuple[str, str | None]]) -> None:
        facts = dict(attrs)
        if tag == "a" and facts.get("href"):
            self.links.append(str(facts["href"]))
        if tag == "form":
            self.forms.append((str(facts["method"]).upper(), str(facts["action"])))
