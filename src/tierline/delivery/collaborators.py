"""What all endpoint workers of a process share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from tierline.clock import Clock
from tierline.delivery.concurrency import Slots
from tierline.delivery.lane_loader import LaneLoader
from tierline.delivery.metrics import Metrics
from tierline.delivery.operational_events import OperationalEvents
from tierline.delivery.outcome import FailurePolicy
from tierline.delivery.subscription import Subscription
from tierline.delivery.tracing import Trace
from tierline.endpoints.compiled_endpoint import CompiledEndpoint
from tierline.endpoints.settings import SenderSettings
from tierline.transport import Client


class Ownership(Protocol):
    """Who decides which endpoints, named by their numbers, this process owns."""

    def fenced(self, endpoint: int) -> None:
        """Somebody else owns the endpoint now, or it must be read again."""
        ...

    def run_ended(self, endpoint: int, subscription: Subscription) -> None:
        """A replay has sent all of its events."""
        ...


class Collaborators(Struct, frozen=True):
    """`run_slots` hands out free slots soon; `spread` says where in its jitter a retry falls."""

    ownership: Ownership
    client: Client
    slots: Slots
    run_slots: Callable[[], None]
    lane_loader: LaneLoader
    operational_events: OperationalEvents
    settings: SenderSettings
    clock: Clock
    spread: Callable[[], float]
    metrics: Metrics
    trace: Trace | None

    def policy_of(self, compiled: CompiledEndpoint) -> FailurePolicy:
        """What the endpoint's settings, and the operator's, say of failures."""
        endpoint, settings = compiled.endpoint, self.settings
        return FailurePolicy(
            compiled.schedule, endpoint.tolerance, endpoint.parked, settings.probe_again_ms
        )
