"""`/v2/customers/exports`: all customers, or those of a filter, as a file of JSON lines.

A task of this process writes the file, in the order of ids; the file's link needs no key, for it is
signed and ends after six hours. Pages: customers/exports/overview and the three beside it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import asdict
from starlette.responses import FileResponse

from tierline.errors import NotFound
from tierline.model import validation
from tierline.model.calendar import format_instant
from tierline.store import listing
from tierline.store.listing import ListPlace, Search
from tierline.vendors.loyaltylion.api import lists, site
from tierline.vendors.loyaltylion.api.customers import CUSTOMERS, READ
from tierline.vendors.loyaltylion.api.errors import ExportRunning
from tierline.web import limits
from tierline.web.export_files import ExportFile
from tierline.web.routing import Call, Operation, Reply

EXPORTS: Final = f"{CUSTOMERS}/exports"
EXPORT: Final = f"{EXPORTS}/{{export}}"
FILE: Final = f"{EXPORT}/file"
WHAT: Final = "loyaltylion.customers"  # among a project's exports
PAGE_ROWS: Final = 500
LINK_MS: Final = 6 * 3_600_000
NDJSON: Final = "application/x-ndjson"
_NUMBER_DIGITS: Final = 13  # hexadecimal, of an export's id: below 2^52
_encode = msgspec.json.Encoder().encode
Json = dict[str, Any]


class CustomerExportRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Which customers, as their list takes it; nothing: all of them."""

    email: str | None = None
    created_at_min: str | None = None
    created_at_max: str | None = None
    updated_at_min: str | None = None
    updated_at_max: str | None = None


class LionExportsQuery(lists.LionPageQuery, frozen=True, forbid_unknown_fields=True):
    """Which page of exports, those made last first."""


class ExportLink(Struct, frozen=True, forbid_unknown_fields=True):
    """What a link to a file holds."""

    site: str
    expires: Annotated[int, Meta(ge=0)]
    signature: str


# Making -------------------------------------------------------------------------------------------


async def post_export(call: Call, body: CustomerExportRequest) -> Reply:
    """Begins an export. One at a time: a second one is refused with the id of the first."""
    chosen = _search(body), lists.window(body.updated_at_min, body.updated_at_max, "updated_at")
    for made in await _all(call):
        if made.grows:
            raise ExportRunning(id=_number(made))
    call.parts.database.disk.require_room()
    filters = {name: value for name, value in asdict(body).items() if value is not None}
    pages = _pages(call, *chosen)
    made = await call.parts.exports.start(call.project.id, WHAT, filters, pages, call.parts.clock)
    return Reply(202, {"export": _export(call, made)})


def _search(body: CustomerExportRequest) -> Search:
    """Raises Invalid, naming the field."""
    created = lists.window(body.created_at_min, body.created_at_max, "created_at")
    if body.email is not None:
        validation.name(body.email, "email", limits.EMAIL_CHARACTERS_MAX)
    return Search(
        order="number",
        email_part=body.email,
        downwards=False,
        created_from=created[0],
        created_before=created[1],
    )


async def _pages(
    call: Call, search: Search, updated: tuple[int | None, int | None]
) -> AsyncIterator[Sequence[bytes]]:
    """The lines of the file, by ids upwards. By last changes there is no order of ids, so those of
    a window are picked out of all."""
    database, here = call.parts.database, await site.site_or_none(call)
    first, before = (None if at is None else format_instant(at) for at in updated)
    last: ListPlace | None = None
    while True:
        async with database.pool.acquire() as connection:
            place = (connection, database.shards, call.project.number)
            page = await listing.page(*place, search, last, PAGE_ROWS)
        customers = await site.lion_customers(call, here, [row.customer for row in page.rows])
        yield [
            _encode(each) + b"\n"
            for each in customers
            if (first is None or each.updated_at >= first)
            and (before is None or each.updated_at < before)
        ]
        last = page.last
        if last is None:
            return


# Reading ------------------------------------------------------------------------------------------


async def list_exports(call: Call) -> Reply:
    _, paging = lists.paging(call, LionExportsQuery)
    exports = await _all(call)
    if paging.backwards:
        exports.reverse()
    if paging.place is not None:
        at = lists.number(paging.place)
        numbers = [_number(made) for made in exports]
        exports = exports[numbers.index(at) + 1 :] if at in numbers else []
    more, page = len(exports) > paging.limit, exports[: paging.limit]
    cursors = lists.numbered_cursors(paging, [_number(made) for made in page], more=more)
    if paging.backwards:
        page.reverse()
    return lists.answer(call, "exports", [_export(call, made) for made in page], paging, cursors)


async def get_export(call: Call) -> Json:
    name = call.param("export")
    for made in await _all(call):
        if str(_number(made)) == name:
            return {"export": _export(call, made)}
    raise NotFound(what="export", name=name, path="id")


async def get_file(call: Call) -> FileResponse:
    """Needs no key: whoever has the link may read."""
    link, name = call.query(ExportLink), call.param("export")
    files = call.parts.exports
    project = call.parts.catalog.find_project(link.site)
    if project is None:
        raise NotFound(what="export", name=name, path="id")
    for made in await files.all(project.id, call.wall):
        signature = _signature(made, link.expires)
        genuine = hmac.compare_digest(signature.encode(), link.signature.encode())
        if str(_number(made)) == name and made.what == WHAT and genuine:
            content = files.content(project.id, made)
            if call.wall < link.expires and made.state == "completed" and content.exists():
                return FileResponse(content, media_type=NDJSON)
            break
    raise NotFound(what="export", name=name, path="id")


async def _all(call: Call) -> list[ExportFile]:
    """The exports of customers, those made last first."""
    every = await call.parts.exports.all(call.project.id, call.wall)
    return [made for made in reversed(every) if made.what == WHAT]


def _number(made: ExportFile) -> int:
    """The vendor's ids are numbers."""
    return int(made.id.partition("_")[2][:_NUMBER_DIGITS], 16)


def _signature(made: ExportFile, expires: int) -> str:
    return hmac.new(
        made.token.encode(), f"{made.id}.{expires}".encode(), hashlib.sha256
    ).hexdigest()


def _export(call: Call, made: ExportFile) -> Json:
    url, finished = None, made.finished_at
    if made.state == "completed":
        expires = call.wall + LINK_MS
        link = ExportLink(call.project.id, expires, _signature(made, expires))
        here = call.request.url
        path = EXPORT.replace("{export}", str(_number(made)))
        url = f"{here.scheme}://{here.netloc}{path}/file?{urlencode(asdict(link))}"
    return {
        "id": _number(made),
        "status": made.state,
        "rows_total": None,
        "rows_processed": made.rows,
        "download_url": url,
        "created_at": format_instant(made.created_at),
        "completed_at": None if finished is None else format_instant(finished),
    }


OPERATIONS = (
    Operation("POST", EXPORTS, post_export, "Begins an export of customers.", scopes=READ,
              body=CustomerExportRequest, optional=True, status=202),
    Operation("GET", EXPORTS, list_exports, "The exports of customers, those made last first.",
              scopes=READ, query=LionExportsQuery),
    Operation("GET", EXPORT, get_export, "How far an export is, and where its file is.",
              scopes=READ),
)  # fmt: skip
# Of a link that needs no key, so it stands outside the vendor's door.
FILES = (
    Operation("GET", FILE, get_file, "The file of an export.", open=True, query=ExportLink),
)  # fmt: skip
