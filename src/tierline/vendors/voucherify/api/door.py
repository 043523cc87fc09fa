"""Who may come in, by which keys: a pair of headers names the key. `/management` takes that of its
management, `/client` the one that pages in browsers show to everybody, which needs an allowed
origin, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tierline.clock import Clock
from tierline.errors import TierlineError, Unauthorized
from tierline.model.tenant import Project
from tierline.store.catalog.catalog import Catalog
from tierline.vendors.voucherify.api import errors, lists
from tierline.vendors.voucherify.credentials import CLIENT
from tierline.vendors.voucherify.objects import NAME
from tierline.web import auth
from tierline.web.auth import Caller, LastProof
from tierline.web.call_rate import CallRate, limit_of
from tierline.web.routing import JSON, Operation
from tierline.web.vendor_path import VendorDoor

MANAGEMENT: Final = "/management/v1/"
CLIENT_SIDE: Final = "/client/v1/"
ROOTS: Final = ("/v1", MANAGEMENT.rstrip("/"), CLIENT_SIDE.rstrip("/"))
# By the beginning of a path: the kind of the key, and the headers of its pair.
_PAIRS: Final = {
    MANAGEMENT: (f"{NAME}.management", "x-management-id", "x-management-token"),
    CLIENT_SIDE: (f"{NAME}.{CLIENT}", "x-client-application-id", "x-client-token"),
    "/v1/": (NAME, "x-app-id", "x-app-token"),
}
# Settings of a project's `presentations.voucherify`.
_LIMIT: Final = "requests_per_minute"
_ORIGINS: Final = "client_origins"
_PREFLIGHT_SECONDS: Final = 600
_ASKED_HEADERS: Final = (
    *("content-type", "idempotency-key", "x-client-application-id", "x-client-token"),
    *("x-voucherify-api-version", "x-voucherify-channel"),
)
_encode = msgspec.json.Encoder().encode


class OriginRefused(TierlineError):
    """The project lets no page of the origin {origin!r} call; list it in `client_origins`."""

    code = "origin_refused"
    status = 403


class VoucherifyDoor(VendorDoor):
    """One for all routes of a process. Bodies that nothing reads are passed over, for SDKs send
    `{}` wherever they POST."""

    passes_bodies = True

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.rate = CallRate("minute", 60_000)
        self._last = LastProof()

    async def caller(self, catalog: Catalog, path: str, headers: Mapping[str, str]) -> Caller:
        """Returns the caller that a pair of headers proves, or an access token of an application's
        key. Raises Unauthorized."""
        kind, id_name, token_name = _pair_of(path)
        id_, token = headers.get(id_name), headers.get(token_name)
        if id_ is None and token is None and kind == NAME and "authorization" in headers:
            text, now = auth.bearer(headers["authorization"]), self.clock()
            caller = auth.of_token(catalog, (NAME,), text, now)
            if caller is None:
                raise Unauthorized
            return caller
        if id_ is None or token is None:
            raise Unauthorized
        proof = f"{kind}\0{id_}\0{token}".encode()
        caller = self._last.again(catalog, proof)
        if caller is None:
            caller = await Caller.of(catalog, (kind,), token, id_)
            self._last.keep(catalog, proof, id_, caller)
        return caller

    def admit(self, caller: Caller, path: str, headers: Mapping[str, str]) -> None:
        """Raises TooManyCalls where the project has a limit, and OriginRefused."""
        limit = limit_of(caller.project, NAME, _LIMIT)
        if limit is not None:
            self.rate.count(caller.project, limit, self.clock())
        if path.startswith(CLIENT_SIDE):
            origin = headers.get("origin", "")
            if not allows(caller.project, origin):
                raise OriginRefused(origin=origin)

    def require_known(self, request: Request, operation: Operation) -> None:
        """Raises InvalidQuery for a parameter that there is not."""
        lists.require_known(request, operation.query)

    def refusal(self, error: TierlineError, path: str) -> Response:
        request_id = errors.new_request_id()
        body = errors.error_body(error, request_id)
        headers = {"content-type": JSON, "x-request-id": request_id, **errors.headers(error)}
        return Response(_encode(body), HTTPStatus(body.code), headers)

    def preflight(self, catalog: Catalog, path: str, headers: Mapping[str, str]) -> Response | None:
        """Pages of an origin that some project allows may ask; which one is theirs only the key
        says, which a browser does not send with this question."""
        origin = headers.get("origin", "")
        if not path.startswith(CLIENT_SIDE) or "access-control-request-method" not in headers:
            return None
        if not any(allows(project, origin) for project in catalog.projects()):
            raise OriginRefused(origin=origin)
        return Response(
            status_code=204,
            headers={
                "access-control-allow-origin": origin,
                "access-control-allow-methods": "GET, POST",
                "access-control-allow-headers": ", ".join(_ASKED_HEADERS),
                "access-control-max-age": str(_PREFLIGHT_SECONDS),
                "vary": "origin",
            },
        )

    def headers(
        self, caller: Caller | None, path: str, headers: Mapping[str, str]
    ) -> dict[str, str]:
        """The answer's own id; the project's limit; which origin's pages may read it."""
        fields = {"x-request-id": errors.new_request_id()}
        if caller is None:
            return fields
        limit = limit_of(caller.project, NAME, _LIMIT)
        if limit is not None:
            now = self.clock()
            left = self.rate.remaining(caller.project, limit, now)
            wait = 0 if left else self.rate.rest(now)
            fields["x-rate-limit-limit"] = str(limit)
            fields["x-rate-limit-remaining"] = str(left)
            fields["x-rate-limit-retry"] = str(now // 1000 + wait)
        if not path.startswith(CLIENT_SIDE):
            return fields
        origin = headers.get("origin", "")
        if allows(caller.project, origin):
            fields |= {"access-control-allow-origin": origin, "vary": "origin"}
            fields["access-control-expose-headers"] = "x-request-id, retry-after, " + ", ".join(
                name for name in fields if name.startswith("x-rate-limit")
            )
        return fields


@cache
def _pair_of(path: str) -> tuple[str, str, str]:
    return next(pair for root, pair in _PAIRS.items() if path.startswith(root))


def allows(project: Project, origin: str) -> bool:
    """Whether pages of an origin may call for this project: `client_origins` names it, or has `*`
    for all. Without an origin, nobody may."""
    listed: Any = project.presentations.get(NAME, {}).get(_ORIGINS)
    return bool(origin) and isinstance(listed, list) and (origin in listed or "*" in listed)
