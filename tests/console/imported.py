"""Imports as a visitor sends them."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from msgspec.structs import replace

from tests.console.forms import PEOPLE
from tests.console.visitor import Visitor
from tests.web.conftest import Answered, Api
from tierline.console.imports import ImportFile
from tierline.console.pages.imports import imports_of

BOUNDARY = "----tierline"


def multipart(fields: dict[str, str], file: tuple[str, bytes] | None) -> bytes:
    """As browsers send it."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
        for name, text in fields.items()
    ]
    if file is not None:
        head = f'Content-Disposition: form-data; name="file"; filename="{file[0]}"'
        head += "\r\nContent-Type: text/csv"
        parts.append(f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + file[1] + b"\r\n")
    return b"".join([*parts, f"--{BOUNDARY}--\r\n".encode()])


async def upload(visitor: Visitor, file: tuple[str, bytes] | None, **fields: str) -> Answered:
    """The form of the imports' page."""
    body = multipart({"csrf": visitor.csrf or "", "program": "club", **fields}, file)
    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}", "x-csrf-token": ""}
    return await visitor.call("POST", f"{visitor.root}/imports", body, headers)


async def imported(visitor: Visitor) -> str:
    """The id of an import that was tried; its second record is refused."""
    answer = await upload(visitor, ("people.csv", PEOPLE.encode()))
    assert answer.status == 303, answer.body
    id_: str = answer.headers["location"].rpartition("/")[2]
    await page_with(visitor, id_, "tried")
    return id_


async def page_with(visitor: Visitor, id_: str, stage: str) -> str:
    """The import's page, once it is so far."""
    async with asyncio.timeout(60):
        while True:
            page = await visitor.page(f"/imports/{id_}")
            now = re.search(r'class="tag [a-z]+">(\w+)<', page)
            assert now is not None
            assert now[1] in (stage, "trying", "running"), page
            if now[1] == stage:
                return page
            await asyncio.sleep(0.05)


def moving(api: Api) -> str:
    """The id of an import that is under way for ever."""
    assert api.process.dependencies is not None
    imports = imports_of(api.process.dependencies)
    project = api.installation.catalog.projects()[0].id
    (tried, *_) = imports.all(project)
    begun: Any = replace(tried, id=f"imp_{'0' * 24}", stage="running", total=10)
    assert isinstance(begun, ImportFile)
    imports._write(project, begun)
    task = asyncio.create_task(asyncio.Event().wait())
    imports._at_work[begun.id] = task  # type: ignore[assignment]
    task.add_done_callback(lambda _: imports._at_work.pop(begun.id, None))
    return begun.id
