"""An endpoint is made or changed; what it would be sent is shown while one types."""

from __future__ import annotations

import json
from typing import Any, Final, get_args

from msgspec.structs import replace

from tierline.console import cells
from tierline.console.pages.endpoints import ENDPOINT, one
from tierline.console.site import ConsolePage, Content, Go, PageView
from tierline.endpoints import endpoint_body
from tierline.endpoints.endpoint import Endpoint, decode_endpoint
from tierline.endpoints.endpoint_body import EndpointBody
from tierline.endpoints.retry_schedule import Preset
from tierline.endpoints.samples import sample
from tierline.model import validation
from tierline.vendors.registry import FORMATS
from tierline.vendors.vendor import kind_names

NEW: Final = Endpoint("ep_sample", 0, 0, "https://example.com/hooks")
TEXTS: Final = ("url", "format", "mode", "description")


def _body(view: PageView) -> dict[str, Any]:
    """What the form says, and nothing of what it does not show."""
    form = view.form
    body: dict[str, Any] = {name: form.text(name) or "" for name in TEXTS}
    body["kinds"] = form.texts("kinds")
    body["programs"] = form.texts("programs")
    body["tiers"] = [name for line in form.texts("tiers") for name in line.split()]
    body["filter"] = cells.json_of(form.text("filter"), "filter")
    body["mapping"] = cells.json_of(form.text("mapping"), "mapping")
    if form.text("retry") is not None:
        body["retry"] = form.text("retry")
    body["rate_per_s"] = form.number("rate_per_s")
    return body


async def _content(view: PageView, endpoint: Endpoint, **more: Any) -> dict[str, Any]:
    format_ = FORMATS.get(view.form.text("format") or endpoint.format) or FORMATS["standard"]
    return {
        "shape": endpoint,
        "filter": "" if endpoint.filter is None else json.dumps(endpoint.filter, indent=2),
        "mapping": "" if endpoint.mapping is None else json.dumps(endpoint.mapping, indent=2),
        "formats": sorted(FORMATS),
        "kinds": list(kind_names(format_)),
        "presets": get_args(Preset),
        "programs": (await view.api("GET /api/programs")).programs
        if view.may("read_programs")
        else (),
        "sample": None,
        "made": None,
        **more,
    }


def _stored(view: PageView) -> Endpoint:
    row = view.call.parts.operations.find(view.project, view.param("endpoint"))
    return decode_endpoint(row.body)


def _sample(view: PageView, former: Endpoint, body: dict[str, Any]) -> Any:
    """What the form's endpoint would be sent."""
    operations = view.call.parts.operations
    shape = endpoint_body.normalised(validation.convert(body, EndpointBody))
    endpoint = endpoint_body.applied(former, shape, operations.formats)
    endpoint_body.check_kinds(endpoint, operations.formats)
    names = kind_names(operations.formats[endpoint.format])
    kind = view.form.text("sample_kind") or "upgraded"
    kind = kind if kind in names else next(iter(names))
    return sample(
        replace(endpoint, batch=None), view.project, kind,
        formats=operations.formats, guard=operations.guard, now=view.now,
    )  # fmt: skip


async def show_new(view: PageView) -> Content:
    return await _content(view, replace(NEW, url=""), place=view.url)


async def make(view: PageView) -> Content:
    body = _body(view)
    if "try" in view.form:
        return {"sample": _sample(view, NEW, body)}
    return {"made": await view.api("POST /api/endpoints", body=body)}


async def show_edit(view: PageView) -> Content:
    return {**await one(view), **await _content(view, _stored(view))}


async def change(view: PageView) -> Content | Go:
    body, path = _body(view), {"endpoint": view.param("endpoint")}
    if "try" in view.form:
        return {"sample": _sample(view, _stored(view), body)}
    revision = view.form.number("revision")
    body |= {} if revision is None else {"revision": revision}
    answer = await view.api(f"PATCH {ENDPOINT}", path, body=body)
    if "vendor_secret" in answer:
        return {"made": answer}
    return Go(view.url("endpoints", path["endpoint"]), "changed")


PAGES: Final = (
    ConsolePage(
        "/new-endpoint", "endpoint_form.html", "New endpoint", show_new, make,
        section="deliveries", scopes=("manage_endpoints",),
    ),
    ConsolePage(
        "/endpoints/{endpoint}/edit", "endpoint_form.html", "Change the endpoint", show_edit,
        change, section="deliveries", scopes=("manage_endpoints",),
    ),
)  # fmt: skip
