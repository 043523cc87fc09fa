"""`/v2/identity` and `/v2/sites`: whose key it is, and what it may do."""

from __future__ import annotations

from typing import Any

from tierline.vendors.loyaltylion.api.site import site_or_none
from tierline.vendors.loyaltylion.payloads import site_domain
from tierline.web.routing import Call, Operation


async def get_identity(call: Call) -> dict[str, Any]:
    site = await site_or_none(call)
    identity = {
        "kind": "api_key",
        "account_id": call.project.number,
        "program_id": None if site is None else site.number,
        "scopes": sorted(call.caller.scopes),
        "integration": None,
    }
    return {"identity": identity}


async def list_sites(call: Call) -> dict[str, Any]:
    """A project is one site."""
    project = call.project
    name = {"id": project.number, "name": project.name, "domain": site_domain(project)}
    return {"sites": [{**name, "currency": project.currency}]}


OPERATIONS = (
    Operation("GET", "/v2/identity/whoami", get_identity, "Whose key it is."),
    Operation("GET", "/v2/sites", list_sites, "The project, as a site."),
)
