"""Who may come in: a program API token as `Bearer`, or the site's token and secret as `Basic`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec.structs import replace
from starlette.responses import Response

from tierline.clock import Clock
from tierline.errors import TierlineError, Unauthorized
from tierline.store.catalog.catalog import Catalog
from tierline.vendors.loyaltylion.api import errors
from tierline.vendors.loyaltylion.credentials import SITE, TOKEN
from tierline.vendors.loyaltylion.ladder import NAME
from tierline.web import auth
from tierline.web.auth import Caller
from tierline.web.call_rate import CallRate, limit_of
from tierline.web.vendor_path import VendorDoor

_BASIC: Final = "basic "
_SITE_KIND: Final = f"{NAME}.{SITE.name}"
_WRITE: Final = "write_"
_LIMIT: Final = "requests_per_second"  # of the project's presentations


class LionDoor(VendorDoor):
    """Tokens and secrets are compared as everywhere; whoever may write may read."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.rate = CallRate("second", 1_000)

    async def caller(self, catalog: Catalog, path: str, headers: Mapping[str, str]) -> Caller:
        """Returns whom the header proves. The headless API and exports take no `Basic`. Raises
        Unauthorized."""
        authorization = headers.get("authorization", "")
        if authorization[: len(_BASIC)].lower() == _BASIC and not path.startswith(
            errors.KEYS_ALONE
        ):
            token, secret = _pair(authorization[len(_BASIC) :])
            caller = await Caller.of(catalog, (_SITE_KIND,), secret, token)
        else:
            caller = await Caller.of(catalog, (NAME, TOKEN), auth.bearer(authorization))
        return replace(caller, scopes=with_reading(caller.scopes))

    def admit(self, caller: Caller, path: str, headers: Mapping[str, str]) -> None:
        """Raises TooManyCalls where the project has a limit."""
        limit = limit_of(caller.project, NAME, _LIMIT)
        if limit is not None:
            self.rate.count(caller.project, limit, self.clock())

    def refusal(self, error: TierlineError, path: str) -> Response:
        body = msgspec.json.encode(errors.body_of(error, path))
        return Response(body, errors.status_of(error), errors.headers(error))


def with_reading(scopes: frozenset[str]) -> frozenset[str]:
    """Returns the scopes with what they imply: who may write something may read it."""
    implied = {f"read_{scope[len(_WRITE) :]}" for scope in scopes if scope.startswith(_WRITE)}
    return scopes | implied


def client_of(caller: Caller) -> str | None:
    """Returns the id of the key of the OAuth client whose token it is; None of any other key."""
    key, _, door = caller.id.partition(".")
    return key if door and door != SITE.name else None


def _pair(text: str) -> tuple[str, str]:
    try:
        pair = base64.b64decode(text.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise Unauthorized from None
    token, colon, secret = pair.partition(":")
    if not colon:
        raise Unauthorized
    return token, secret
