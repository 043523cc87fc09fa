"""A PostgreSQL server that makes databases for tests, and drops them."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

import asyncpg

from tierline.store.database import Database


class Server:
    """The session's PostgreSQL: makes databases and drops them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.template = ""

    def url_of(self, database: str) -> str:
        parts = urlsplit(self.url)
        # No mark that nothing follows: whoever adds a setting would add it to an empty one.
        query = parts.query and f"?{parts.query}"
        return f"{parts.scheme}://{parts.netloc}/{database}{query}"

    async def execute(self, *statements: str) -> None:
        """Run statements outside a transaction, in the administrative database."""
        connection = await asyncpg.connect(self.url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def create(self, template: str = "template0") -> str:
        """A new database; its URL. Files are copied: that takes half of what a log would."""
        url = self.url_of(new_name())
        made = f"CREATE DATABASE {name_of(url)} TEMPLATE {template} STRATEGY FILE_COPY"
        await self.execute(made)
        return url

    async def drop(self, url: str) -> None:
        await self.execute(f"DROP DATABASE IF EXISTS {name_of(url)} WITH (FORCE)")

    async def make_template(self) -> None:
        """The migrated database that tests get copies of."""
        url = await self.create()
        await self.prepare_template(url)
        self.template = name_of(url)

    async def prepare_template(self, url: str) -> None:
        await (await Database.open(url)).close()


def new_name() -> str:
    return f"tierline_test_{secrets.token_hex(6)}"


def name_of(url: str) -> str:
    """The database that a URL names."""
    return urlsplit(url).path.removeprefix("/")
