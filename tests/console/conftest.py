"""A shop whose console somebody has open: over plain HTTP, and in Chromium.

The shop's two years are lived once; each test gets a copy of the database.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from msgspec import Struct
from playwright.async_api import async_playwright

from tests.conftest import absent
from tests.console import shop as shops
from tests.console.tab import CHROMIUM, Tab
from tests.console.visitor import Visitor, signed_in
from tests.servers import Server, name_of
from tests.web.conftest import SERVING, Api, api, club, running
from tierline.app import serving
from tierline.bootstrap import catalogued
from tierline.config import ServeOptions
from tierline.store.database import Database

__all__ = ["api", "club"]  # its fixtures serve here, too


class LivedShop(Struct, frozen=True):
    """A database that is copied, the directory of its secret key, an API key, and Maya's cookie."""

    database: str
    directory: Path
    key: str
    cookies: dict[str, str]
    csrf: str


@pytest.fixture(scope="session")
def lived_shop(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LivedShop]:
    directory = tmp_path_factory.mktemp("shop")

    async def live() -> LivedShop:
        url = await server.create(server.template)
        async with (
            await Database.open(url) as database,
            running(database, directory, clock=shops.START) as running_api,
        ):
            await shops.fill(running_api)
            maya = await signed_in(running_api)
        assert maya.csrf is not None
        return LivedShop(name_of(url), directory, running_api.key, maya.cookies, maya.csrf)

    lived = asyncio.run(live())
    yield lived
    asyncio.run(server.drop(server.url_of(lived.database)))


@asynccontextmanager
async def opened_shop(
    server: Server, lived: LivedShop, options: ServeOptions = SERVING
) -> AsyncIterator[Api]:
    url = await server.create(lived.database)
    try:
        async with await Database.open(url) as database:
            installation = await catalogued(database, lived.directory)
            async with (
                serving(installation, options) as process,
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(90)) as session,
            ):
                yield Api(session, process, lived.key)
    finally:
        await server.drop(url)


@pytest.fixture
async def shop(server: Server, lived_shop: LivedShop) -> AsyncIterator[Api]:
    """A sandbox with two years of a club's life."""
    async with opened_shop(server, lived_shop) as api_:
        yield api_


@pytest.fixture
def maya(shop: Api, lived_shop: LivedShop) -> Visitor:
    """Who may do everything there."""
    visitor = Visitor(shop)
    visitor.cookies, visitor.csrf = dict(lived_shop.cookies), lived_shop.csrf
    return visitor


@pytest.fixture
async def tab(maya: Visitor) -> AsyncIterator[Tab]:
    """A tab of Chromium in which Maya is signed in; it refuses what a page must not do."""
    if shutil.which(CHROMIUM) is None:
        absent("Chromium, for the console's tests; Debian has it as `chromium`")
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(
            executable_path=shutil.which(CHROMIUM), args=["--no-sandbox"]
        )
        try:
            opened = await Tab.open(browser, maya)
            yield opened
            opened.check()
        finally:
            await browser.close()
