"""The files that pages load: ours and htmx, from the wheel. Their addresses hold a hash of what is
in them, so that a browser keeps them for ever and never has an old one."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Final

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tierline.errors import NoSuchRecord
from tierline.web import routing

TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
DIGEST_CHARACTERS: Final = 16


class Asset(Struct, frozen=True):
    """A file, its type, and its address below `/console/static`."""

    body: bytes
    content_type: str
    address: str


def _read() -> dict[str, Asset]:
    assets = {}
    for file in (files("tierline.console") / "static").iterdir():
        stem, dot, ending = file.name.rpartition(".")
        if f"{dot}{ending}" in TYPES:
            body = file.read_bytes()
            digest = hashlib.sha256(body).hexdigest()[:DIGEST_CHARACTERS]
            address = f"{stem}.{digest}.{ending}"
            assets[file.name] = Asset(body, TYPES[f".{ending}"], address)
    return assets


_ASSETS: Final = _read()
_BY_ADDRESS: Final = {asset.address: asset for asset in _ASSETS.values()}


def url(name: str) -> str:
    """Returns where a file is served; KeyError where there is none."""
    return f"/console/static/{_ASSETS[name].address}"


async def serve(request: Request) -> Response:
    address = request.path_params["address"]
    asset = _BY_ADDRESS.get(address)
    if asset is None:
        return routing.refusal(NoSuchRecord(what="file", name=address, path="address"))
    headers = {
        "content-type": asset.content_type,
        "cache-control": "public, max-age=31536000, immutable",
        "x-content-type-options": "nosniff",
    }
    return Response(asset.body, headers=headers)
