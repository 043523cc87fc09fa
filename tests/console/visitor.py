"""Somebody who visits pages without a browser: sees their HTML, and sends their forms."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

from tests.web.browser import Browser
from tests.web.conftest import Answered, Api

FORM = "application/x-www-form-urlencoded"


class Visitor(Browser):
    """A browser that sends forms as pages do."""

    @property
    def root(self) -> str:
        """Of the project's pages."""
        return f"/console/{self.api.installation.catalog.projects()[0].id}"

    async def page(self, path: str, status: int = 200) -> str:
        answer = await self.get(f"{self.root}{path}")
        assert answer.status == status, answer.body.decode()
        return answer.body.decode()

    async def send(
        self, path: str, fields: dict[str, Any], headers: dict[str, str] | None = None
    ) -> Answered:
        """A form, with the token that its page would hold."""
        body = urlencode({"csrf": self.csrf or "", **fields}, doseq=True).encode()
        whole = {"content-type": FORM, "x-csrf-token": "", **(headers or {})}
        return await self.call("POST", f"{self.root}{path}", body, whole)


async def signed_in(
    api: Api, email: str = "maya@example.com", role: str = "admin", name: str = "Maya Lindqvist"
) -> Visitor:
    answer = await api.post("/api/users", {"email": email, "role": role, "name": name})
    assert answer.status == 201, answer.body
    visitor = Visitor(api)
    assert (await visitor.join(answer.json["token"])).status == 200
    return visitor


def text_of(page: str) -> str:
    """What people read of a page, in one line."""
    plain = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", plain).split())
