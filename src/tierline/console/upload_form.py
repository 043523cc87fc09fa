"""A form with a file (`multipart/form-data`): its fields, and the file, which goes to the disk as
it comes. Fields stand before the file, so that what is not meant is refused before stored."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from msgspec import Struct
from starlette.requests import Request

from tierline.console.form import SentForm
from tierline.errors import Invalid, TooLarge
from tierline.model import validation
from tierline.web.problem import UnsupportedMediaType

CONTENT_TYPE: Final = "multipart/form-data"
UPLOAD_BYTES_MAX: Final = 2 << 30
HEAD_BYTES_MAX: Final = 4_096  # of one part
FIELD_BYTES_MAX: Final = 16_384
PARTS_MAX: Final = 50
_BOUNDARY: Final = re.compile(r'boundary="?([A-Za-z0-9\'()+_,./:=? -]{1,70})"?')
_NAME: Final = re.compile(r'; name="([^"]*)"')
_FILE_NAME: Final = re.compile(r'; filename="([^"]*)"')


class SentFile(Struct, frozen=True):
    """A form with a file: `name` is what its sender calls it, empty where none was picked."""

    form: SentForm
    name: str
    size: int


class _Stream:
    """A body, read up to one mark after the other."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._buffer = bytearray(b"\r\n")  # the first boundary has no line before it

    async def until(self, mark: bytes, take: Callable[[bytes], object]) -> None:
        """Hands on what stands before the mark, which is read, too. Raises Invalid at the end."""
        while (place := self._buffer.find(mark)) < 0:
            spare = len(self._buffer) - len(mark) + 1  # the rest may be a mark's beginning
            if spare > 0:
                take(bytes(self._buffer[:spare]))
                del self._buffer[:spare]
            await self._more()
        take(bytes(self._buffer[:place]))
        del self._buffer[: place + len(mark)]

    async def exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            await self._more()
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    async def _more(self) -> None:
        chunk = await anext(self._chunks, b"")
        if not chunk:
            raise Invalid(reason="The form ends in the middle; send it again.")
        self._buffer += chunk


class _Bounded:
    """Takes bytes up to a limit, into memory or a file."""

    def __init__(self, limit: int, write: Callable[[bytes], object]) -> None:
        self.size = 0
        self._limit = limit
        self._write = write

    def __call__(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > self._limit:
            raise TooLarge(what="upload", limit=f"{self._limit:,} bytes")
        self._write(data)


async def read_upload(
    request: Request, place: Path, is_meant: Callable[[SentForm], None]
) -> SentFile:
    """The file is written to `place`. `is_meant` raises where the fields before it do not say that
    this was sent by our own page. Raises UnsupportedMediaType, TooLarge, and Invalid."""
    given = request.headers.get("content-type", "")
    boundary = _BOUNDARY.search(given)
    if not given.lower().startswith(CONTENT_TYPE) or boundary is None:
        raise UnsupportedMediaType(content_type=given.partition(";")[0], expected=CONTENT_TYPE)
    mark = f"\r\n--{boundary[1]}".encode()
    stream = _Stream(aiter(request.stream()))
    await stream.until(mark, _Bounded(2, bytes))
    fields: dict[str, list[str]] = {}
    for _ in range(PARTS_MAX):
        if await stream.exactly(2) == b"--":
            break
        name, file_name = _named(await _collected(stream, b"\r\n\r\n", HEAD_BYTES_MAX))
        if file_name is not None:
            form = SentForm(fields)
            is_meant(form)
            return SentFile(form, file_name, await _stored(stream, mark, place))
        text = (await _collected(stream, mark, FIELD_BYTES_MAX)).decode("utf-8", "replace")
        if "\0" in text:
            raise validation.invalid(name, "a NUL cannot stand in it")
        fields.setdefault(name, []).append(text)
    form = SentForm(fields)
    is_meant(form)
    return SentFile(form, "", 0)


async def _collected(stream: _Stream, mark: bytes, limit: int) -> bytes:
    collected = bytearray()
    await stream.until(mark, _Bounded(limit, collected.extend))
    return bytes(collected)


async def _stored(stream: _Stream, mark: bytes, place: Path) -> int:
    """Returns the size. A file that did not come whole is taken away."""
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with ExitStack() as stack:
        stack.callback(place.unlink)
        file = stack.enter_context(os.fdopen(descriptor, "wb"))
        taken = _Bounded(UPLOAD_BYTES_MAX, file.write)
        await stream.until(mark, taken)
        file.close()
        stack.pop_all()
    return taken.size


def _named(head: bytes) -> tuple[str, str | None]:
    text = head.decode("utf-8", "replace")
    name, file_name = _NAME.search(text), _FILE_NAME.search(text)
    if name is None:
        raise Invalid(reason="A part of the form has no name; send it again.")
    return name[1], None if file_name is None else file_name[1]
