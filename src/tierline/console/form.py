"""What a page's form sends: texts by name, within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from tierline.errors import Invalid
from tierline.model import validation
from tierline.web import limits, request_body
from tierline.web.problem import UnsupportedMediaType

CONTENT_TYPE: Final = "application/x-www-form-urlencoded"
FIELDS_MAX: Final = 500


class SentForm:
    """The fields of a form. A field that was not filled in is as good as none."""

    def __init__(self, pairs: Mapping[str, list[str]] | None = None) -> None:
        self._pairs = pairs or {}

    def text(self, name: str) -> str | None:
        """The last value, without blanks around it; None where there is nothing in it."""
        texts = self._pairs.get(name)
        return (texts[-1].strip() or None) if texts else None

    def raw(self, name: str) -> str:
        """The last value as it was typed; empty where there is none."""
        texts = self._pairs.get(name)
        return texts[-1] if texts else ""

    def texts(self, name: str) -> list[str]:
        """Every value of a field that may come several times, as boxes that are ticked do."""
        return [text.strip() for text in self._pairs.get(name, ()) if text.strip()]

    def number(self, name: str) -> int | None:
        """Raises Invalid for what is no integer."""
        text = self.text(name)
        if text is None:
            return None
        try:
            return int(text.replace(",", "").replace("\u2009", "").replace(" ", ""))
        except ValueError:
            raise Invalid(path=name, reason=f"{name}: expected a whole number.") from None

    def __contains__(self, name: str) -> bool:
        return name in self._pairs


async def read(request: Request) -> SentForm:
    """Raises UnsupportedMediaType, TooLarge, and Invalid."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != CONTENT_TYPE:
        raise UnsupportedMediaType(content_type=given, expected=CONTENT_TYPE)
    raw = await request_body.body_of(request, limits.BODY_BYTES_MAX)
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict"
        )
    except (UnicodeDecodeError, ValueError):
        reason = f"The form could not be read; send at most {FIELDS_MAX} fields in UTF-8."
        raise Invalid(reason=reason) from None
    fields: dict[str, list[str]] = {}
    for name, text in pairs:
        if "\0" in text or "\0" in name:
            raise validation.invalid(name.replace("\0", ""), "a NUL cannot stand in it")
        fields.setdefault(name, []).append(text)
    return SentForm(fields)
