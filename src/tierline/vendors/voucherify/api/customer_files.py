"""`/v1/customers/importCSV`: customers from a file, as forms of browsers and SDKs send it."""

from __future__ import annotations

import csv
import io
from email import policy
from email.parser import BytesParser
from typing import Any, Final

from msgspec import Struct

from tierline.errors import Invalid
from tierline.model import validation
from tierline.model.tenant import Address
from tierline.vendors.voucherify.api import customer_lists
from tierline.vendors.voucherify.api.answers import AsyncActionName
from tierline.vendors.voucherify.api.customers import CUSTOMERS, CustomerRequest
from tierline.web import limits, request_body
from tierline.web.problem import UnsupportedMediaType
from tierline.web.routing import Call, Operation, Reply

IMPORT: Final = f"{CUSTOMERS}/importCSV"
FORM: Final = "multipart/form-data"
COLUMNS_MAX: Final = 100
# The vendor's columns, in small letters; whatever else there is goes into the metadata.
_FIELDS: Final = frozenset(
    ("id", "source_id", "name", "email", "phone", "birthdate", "birthday", "description")
)
_ADDRESS: Final = {
    f"address_{field}": field
    for field in ("line_1", "line_2", "postal_code", "city", "state", "country")
}


class CustomerFile(Struct, frozen=True):
    """A file of customers: its first line names the columns."""

    file: str


async def post_import(call: Call) -> Reply:
    """Makes or changes the customers of a file; all are checked before the first is written. An
    empty cell says nothing."""
    text = await _file(call)
    return await customer_lists.post_bulk(call, requests_of(text))


async def _file(call: Call) -> str:
    content_type = call.request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != FORM:
        raise UnsupportedMediaType(content_type=content_type or "none", expected=FORM)
    raw = await request_body.body_of(call.request, limits.BODY_BYTES_MAX)
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1")
    form = BytesParser(policy=policy.HTTP).parsebytes(head + raw)
    parts = form.iter_parts() if form.is_multipart() else ()
    for part in parts:
        if part.get_param("name", header="content-disposition") == "file":
            content = part.get_payload(decode=True)
            try:
                return (content if isinstance(content, bytes) else b"").decode("utf-8-sig")
            except UnicodeDecodeError:
                raise validation.invalid("file", "it is no text in UTF-8") from None
    raise validation.invalid("file", "the form has no field of that name with the file")


def requests_of(text: str) -> list[CustomerRequest]:
    """Returns the customers of a file. Raises Invalid, naming the line and the column."""
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = [name.strip() for name in next(lines, [])]
        _check_columns(columns)
        rows = [(lines.line_num, row) for row in lines if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise validation.invalid("file", f"line {lines.line_num}: {error}") from None
    if not 0 < len(rows) <= customer_lists.BULK_MAX:
        what = f"expected 1 to {customer_lists.BULK_MAX:,} customers; import more by the command"
        raise validation.invalid("file", what)
    return [_request(columns, row, line) for line, row in rows]


def _check_columns(columns: list[str]) -> None:
    names = [name.lower() for name in columns]
    if len(columns) > COLUMNS_MAX or not all(columns) or len(set(names)) < len(names):
        what = f"the first line names up to {COLUMNS_MAX} columns, each once"
        raise validation.invalid("file", what)
    if "source_id" not in names and "id" not in names:
        raise validation.invalid("file", "the first line lacks the column source_id")


def _request(columns: list[str], row: list[str], line: int) -> CustomerRequest:
    if len(row) > len(columns):
        raise validation.invalid("file", f"line {line} has more cells than there are columns")
    fields: dict[str, Any] = {}
    address: dict[str, str] = {}
    metadata: dict[str, str] = {}
    for column, cell in zip(columns, row, strict=False):
        key, value = column.lower(), cell.strip()
        if not value:
            continue
        if key in _FIELDS:
            fields[key] = value
        elif key in _ADDRESS:
            address[_ADDRESS[key]] = value
        else:
            metadata[column] = value
    if not fields.keys() & {"id", "source_id"}:
        raise Invalid(path="file", reason=f"file: line {line} has no source_id.")
    whose = validation.convert(address, Address, f"line {line}") if address else None
    return CustomerRequest(**fields, address=whose, metadata=metadata or None)


OPERATIONS = (
    Operation(
        "POST", IMPORT, post_import, "Makes or changes the customers of a CSV file.",
        scopes=("read_customers", "write_customers"), answer=AsyncActionName, status=202,
        reads_body=True, other_bodies=((FORM, CustomerFile),),
    ),
)  # fmt: skip
