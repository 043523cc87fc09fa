"""What is answered about endpoints: their settings without secrets, health, attempts, lanes."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from tierline.endpoints.endpoint import BatchBounds, EndpointOptions, Mode, Parked
from tierline.endpoints.health import Tolerance
from tierline.endpoints.retry_schedule import Preset
from tierline.endpoints.signatures import SignatureAnswer
from tierline.model.events import EventKind
from tierline.model.points_event import PointsKind
from tierline.model.reminder import ReminderKind
from tierline.model.schedule import Schedule
from tierline.model.validation import FieldWarning
from tierline.transport.exchange import Timings

Json = dict[str, Any]


class EndpointLag(Struct, frozen=True):
    """How far behind an endpoint is. `events` counts up to 10,000; `retrying` and `parked` count
    lanes; `oldest_at` is when the oldest event that is still owed was recorded."""

    events: int
    oldest_at: str | None
    retrying: int
    parked: int


class EndpointAnswer(EndpointOptions, frozen=True, kw_only=True):
    """An endpoint without its secrets: of headers only the names. `lag` and `replays` are shown of
    one endpoint, not in lists; a secret only in the answer that made it. `away`: shards whose node
    is away, of which `lag` and `replays` tell nothing, nor `state` where it is noted there."""

    id: str
    url: str
    format: str
    format_version: str
    kinds: tuple[str, ...]
    programs: tuple[str, ...]
    tiers: tuple[str, ...]
    filter: Json | None
    mode: Mode
    mapping: Json | None
    batch: BatchBounds | None
    retry: Schedule | Preset
    parked: Parked
    timeout_ms: int | None
    connect_ms: int
    rate_per_s: float | None
    delay_s: int
    in_flight_max: int
    tolerance: Tolerance
    vendor_id: str | None
    description: str
    metadata: dict[str, str]
    state: Literal["active", "failing", "paused"]
    reason: str | None
    headers: tuple[str, ...]
    client_certificate: bool
    since: str
    revision: int
    created_at: str
    updated_at: str
    signatures: tuple[SignatureAnswer, ...]
    warnings: tuple[FieldWarning, ...] | UnsetType = UNSET  # where it was made or changed
    secret: str | UnsetType = UNSET
    public_key: str | UnsetType = UNSET
    vendor_secret: str | UnsetType = UNSET
    lag: EndpointLag | UnsetType = UNSET
    replays: tuple[int, ...] | UnsetType = UNSET
    away: tuple[int, ...] | UnsetType = UNSET


class SecretAnswer(Struct, frozen=True):
    """A new secret, or the public half of a new key pair, for the only time."""

    id: str
    signatures: tuple[SignatureAnswer, ...]
    secret: str | UnsetType = UNSET
    public_key: str | UnsetType = UNSET


class ReplayAnswer(Struct, frozen=True):
    """The number under which a replay runs; null for a dry run, which says how many events there
    are, or with `complete` false at least how many."""

    run: int | None
    events: int | UnsetType = UNSET
    complete: bool | UnsetType = UNSET


class AnswerStart(Struct, frozen=True):
    """The start of what a receiver answered."""

    headers: dict[str, str]
    body: str


class AttemptRequest(Struct, frozen=True):
    """One request: where it went, its phases, and the answer or the `fault` that kept it away."""

    url: str
    headers: dict[str, str]
    address: str | None
    reused: bool
    timings: Timings
    events: tuple[str, ...] | UnsetType = UNSET
    fault: str | UnsetType = UNSET
    reason: str | UnsetType | None = UNSET
    answer: AnswerStart | UnsetType = UNSET


class AttemptLine(Struct, frozen=True):
    """A line of the attempt log. `status` 0 or null: no answer came. `kind` and `customer` (the id
    in the caller's own systems) are of the event, null where it is not in the log any more."""

    at: str
    delivery: str
    number: int
    offset: int
    event: str
    status: int | None
    outcome: str
    took_ms: int
    detail: AttemptRequest
    kind: str | None
    customer: str | None
    customer_id: str | None


class TestAnswer(AttemptRequest, frozen=True, kw_only=True):
    """What came back for a made-up event. `status` null: no answer came."""

    kind: EventKind | PointsKind | ReminderKind
    id: str
    status: int | None
    outcome: Literal["test_delivered", "test_failed"]


class LaneAnswer(Struct, frozen=True):
    """Events that wait behind one that failed: a customer's, or everybody's under `fifo`. `event`,
    `kind` and `customer` (the id in the caller's own systems) are of the one that is tried next.
    `due_at` null: parked, nothing is tried by itself."""

    customer: str | None
    customer_id: str | None
    event: str | None
    kind: str | None
    state: Literal["retrying", "parked"]
    attempts: int
    first_at: str
    due_at: str | None
    replay: int | None
