"""Somebody at a browser: no key, but the cookies that the server sets, and an origin."""

from __future__ import annotations

import json
from http.cookies import SimpleCookie
from typing import Any

from yarl import URL

from tests.web.conftest import Answered, Api

PASSWORD = "correct horse battery"


class Browser:
    """A browser that has the server's page open."""

    def __init__(self, api: Api, *, agent: str = "Browser 1.0") -> None:
        self.api = api
        self.cookies: dict[str, str] = {}
        self.csrf: str | None = None
        self.project: str | None = None
        self.agent = agent

    async def call(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answered:
        """`headers` replace those that a browser would send; an empty one takes one away."""
        url = URL(f"{self.api.process.url}{path}", encoded=True)
        whole = {
            "user-agent": self.agent,
            "cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            "origin": f"http://{url.host}:{url.port}" if method != "GET" else "",
            "x-csrf-token": self.csrf or "",
            "tierline-project": self.project or "",
            **({} if body is None else {"content-type": "application/json"}),
            **(headers or {}),
        }
        whole = {name: value for name, value in whole.items() if value}
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        async with self.api.session.request(
            method, url, data=data, headers=whole, allow_redirects=False
        ) as response:
            for line in response.headers.getall("set-cookie", []):
                for name, morsel in SimpleCookie(line).items():
                    self.cookies[name] = morsel.value
            return Answered(response.status, response.headers.copy(), await response.read())

    async def get(self, path: str) -> Answered:
        return await self.call("GET", path)

    async def post(self, path: str, body: Any = None, **more: Any) -> Answered:
        return await self.call("POST", path, body, **more)

    def remember(self, answer: Answered) -> Answered:
        """What a page keeps of whom it is for."""
        if answer.status == 200:
            self.csrf = answer.json["csrf_token"]
        return answer

    async def sign_in(self, email: str, password: str = PASSWORD) -> Answered:
        return self.remember(
            await self.post("/api/sign-in", {"email": email, "password": password})
        )

    async def join(self, token: str, password: str = PASSWORD, **more: Any) -> Answered:
        body = {"token": token, "password": password, **more}
        return self.remember(await self.post("/api/join", body))


async def joined(api: Api, email: str, role: str = "admin") -> Browser:
    """Somebody who was invited into the project of the key, and has used their link."""
    answer = await api.post("/api/users", {"email": email, "role": role})
    assert answer.status == 201, answer.body
    browser = Browser(api)
    assert (await browser.join(answer.json["token"])).status == 200
    return browser
