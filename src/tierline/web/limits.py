"""Every bound on what a request may be, with its unit last. `docs/http.md` lists them."""

from __future__ import annotations

from typing import Final

from tierline.ledger import customer_parsing, member_limits
from tierline.model import validation

BODY_BYTES_MAX: Final = 1_048_576  # a JSON body that is one thing
ARRAY_BYTES_MAX: Final = 8_388_608  # a JSON array of activities
ACTIVITIES_MAX: Final = 10_000  # in one JSON array
LINE_BYTES_MAX: Final = 262_144  # one line of NDJSON; lines are not counted
RESPONSE_BUFFER_BYTES_MAX: Final = 268_435_456  # answers to NDJSON that the client has not read yet
HEAD_BYTES_MAX: Final = 65_536  # request line and header fields together
HEAD_SECONDS_MAX: Final = 30  # from the first byte of a head to its last
UNREAD_BYTES_MAX: Final = 4_194_304  # of a body that is still sent after its answer
UNREAD_SECONDS_MAX: Final = 5  # … and for so long, where the connection ends
HEADERS_MAX: Final = 100  # header fields of a request
PAGE_DEFAULT: Final = 100
PAGE_MAX: Final = 1_000  # items of one page
STATEMENT_PAGE_MAX: Final = 100  # lines of one page of a program's statement
ATTEMPTS_MAX: Final = 500  # attempts of one page
WAIT_SECONDS_MAX: Final = 60  # a long poll
METADATA_BYTES_MAX: Final = validation.METADATA_BYTES_MAX
METADATA_DEPTH_MAX: Final = validation.METADATA_DEPTH_MAX
NAME_CHARACTERS_MAX: Final = validation.NAME_CHARACTERS_MAX
NAMES_MAX: Final = customer_parsing.NAMES_MAX
EMAIL_CHARACTERS_MAX: Final = customer_parsing.EMAIL_CHARACTERS_MAX
PHONE_CHARACTERS_MAX: Final = customer_parsing.PHONE_CHARACTERS_MAX

# What one member may hold.
ATTRIBUTES_MAX: Final = member_limits.ATTRIBUTES_MAX
OVERRIDES_MAX: Final = member_limits.OVERRIDES_MAX
LOTS_MAX: Final = member_limits.LOTS_MAX
PENDING_MAX: Final = member_limits.PENDING_MAX
PENDING_BYTES_MAX: Final = member_limits.PENDING_BYTES_MAX
