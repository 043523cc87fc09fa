"""What an endpoint would be sent, as it is being made or changed: a made-up event's request."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from tierline.endpoints.compiled_endpoint import CompiledEndpoint, Formats
from tierline.endpoints.endpoint import Dated, Endpoint, EndpointSecrets, check
from tierline.model.tenant import Project
from tierline.store.catalog.endpoints import EndpointRow
from tierline.store.event_log import LogEvent
from tierline.transport.address_guard import Guard
from tierline.vendors.sample import sample_event
from tierline.vendors.standard import signing

# Nobody's secret: the sample shows where signatures stand, and signs nothing.
_ZEROS: Final = EndpointSecrets(standard=(Dated(signing.new_secret(bytes(32))),))


class SampleRequest(Struct, frozen=True):
    """A request as it would be sent but for its signatures. `heard`: whether the endpoint's kinds,
    tiers and filter let the made-up event through; programs are not asked."""

    kind: str
    body: str
    headers: dict[str, str]
    heard: bool


def sample(
    endpoint: Endpoint, project: Project, kind: str, *, formats: Formats, guard: Guard, now: int
) -> SampleRequest:
    """Raises Invalid where the endpoint could not be made so, or has no such event."""
    check(endpoint, _ZEROS, guard)
    announcement = sample_event(endpoint.format, kind, project, now)
    text = msgspec.json.encode(endpoint).decode()
    sealed = msgspec.json.encode(_ZEROS)
    row = EndpointRow(0, endpoint.id, project.number, text, sealed, "active", 0, now, now, now)
    compiled = CompiledEndpoint(row, formats, {})
    class_ = "points" if kind.startswith("points.") else "tier"
    event = LogEvent((0, class_, project.number, 0, 0, announcement.id, now, "", None))
    event.content = announcement
    request = compiled.request([event], "", now, {})
    assert request is not None  # `sample_event` refuses kinds without a shape
    body = request.wire.partition(b"\r\n\r\n")[2].decode()
    everywhere = msgspec.structs.replace(endpoint, programs=())
    row = msgspec.structs.replace(row, body=msgspec.json.encode(everywhere).decode())
    return SampleRequest(
        kind, body, request.headers, CompiledEndpoint(row, formats, {}).matches(event)
    )
