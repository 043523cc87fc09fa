"""The console as a map: its pages by pattern, the links between them, the forms on them, and the
buttons that their templates have."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from importlib.resources import files
from urllib.parse import urlsplit

from tierline.console.routes import PAGES

DOORS = {"/console/sign-in": "sign_in.html", "/console/sign-out": "layout.html"}
TEMPLATES = {**DOORS, **{page.path: page.template for page in PAGES}}
_PATTERNS = [
    (re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(page.path))), page.path) for page in PAGES
]
_EXTENDS = re.compile(r'\{% extends "([^"]+)" %\}')
_BUTTON = re.compile(r'<button[^>]*? name="(\w+)" value="([^"]+)"')
_SENT_ALIKE = re.compile(r"[a-z]+(_[a-z]+)*")


def pattern_of(url: str, root: str) -> str | None:
    """The path of the page that answers at a URL of the project; None for what is no page."""
    path = urlsplit(url).path
    if path in DOORS:
        return path
    if not path.startswith(root):
        return None
    rest = path.removeprefix(root)
    return next((name for pattern, name in _PATTERNS if pattern.fullmatch(rest)), None)


def lineage(template: str) -> Iterator[str]:
    """A template, and those that it extends."""
    yield template
    parent = _EXTENDS.match(_text(template))
    if parent is not None:
        yield from lineage(parent[1])


def buttons() -> set[tuple[str, str]]:
    """Each button of each template that sends something: `name=value`, and `name` alone where the
    value is an id."""
    return {
        (file.name, f"{name}={value}" if _SENT_ALIKE.fullmatch(value) else name)
        for file in (files("tierline.console") / "templates").iterdir()
        for name, value in _BUTTON.findall(file.read_text())
    }


def _text(template: str) -> str:
    return (files("tierline.console") / "templates" / template).read_text()


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
