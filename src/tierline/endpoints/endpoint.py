"""An endpoint: where announcements go, in which shape, and how patiently.

Everything here is one JSON text in the endpoint's row (`body`); what must stay secret is a second
one that is kept encrypted (`secrets`). Both are read by the sender again whenever they change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from tierline.endpoints.filters import check_fields, compile_filter
from tierline.endpoints.health import Tolerance
from tierline.endpoints.mapping import compile_mapping
from tierline.endpoints.retry_schedule import Preset, resolve
from tierline.errors import Conflict, Invalid
from tierline.model.schedule import Schedule
from tierline.transport import tls
from tierline.transport.address_guard import Guard
from tierline.vendors import registry
from tierline.vendors.vendor import EndpointFacts, Format

Mode = Literal["customer", "fifo", "unordered"]
Parked = Literal["block", "skip", "supersede"]
OpsKind = Literal[
    "endpoint.failing",
    "endpoint.paused",
    "endpoint.recovered",
    "endpoint.resumed",
    "endpoint.lane_parked",
    "log.expiring",
    "log.dropped",
    "member.quarantined",
    "customer.created",
    "customer.changed",
    "customer_erased",
]

OVERLAP_S_DEFAULT = 86_400
DELAY_S_MAX = 86_400
# Set by every attempt; a custom header must not stand in for one of them.
RESERVED_HEADERS = registry.HEADERS | {
    "host", "content-length", "content-type", "transfer-encoding", "connection", "upgrade",
    "expect", "te", "trailer", "keep-alive", "proxy-authorization", "proxy-connection",
    "user-agent",
}  # fmt: skip
OUR_HEADERS = "tierline-"
# \Z, for $ also matches before a line's end.
_NAME = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}\Z"

HeaderName = Annotated[
    str, Meta(pattern=_NAME, description="a header field's name like X-Shop, up to 128 characters")
]
HeaderValue = Annotated[
    str,
    Meta(
        pattern=r"^[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?\Z",
        max_length=4096,
        description="a header's value: ASCII on one line, without white space at its ends",
    ),
]


class SupersedeOutOfOrder(Invalid):
    """`supersede` jumps to the newest event of the same customer, which is something only under the
    mode `customer`; under {mode} choose `skip`, or `block`."""

    code = "supersede_out_of_order"


class OrderInUse(Conflict):
    """The order cannot change while events wait in lanes: {retrying} retrying, {parked} parked.
    Repeat it when they are delivered (`resume` tries parked ones anew), or given up under
    `parked: skip`."""

    code = "order_in_use"


class BatchBounds(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Several events in one request, as a JSON array in the order of the log; implies `fifo`."""

    events_max: Annotated[int, Meta(ge=2, le=500)] = 100
    bytes_max: Annotated[int, Meta(ge=1024, le=4_194_304)] = 262_144


if TYPE_CHECKING:

    class EndpointOptions(Struct, frozen=True, omit_defaults=True):
        """What payloads may know of an endpoint besides: every format's options."""
else:
    EndpointOptions = registry.struct_of(
        "EndpointOptions", registry.endpoint_options(), frozen=True, omit_defaults=True
    )


class Endpoint(EndpointOptions, frozen=True, omit_defaults=True):
    """What an endpoint is. Ids and numbers are set when it is made; the rest may change."""

    id: str
    number: int
    project: int
    url: str
    format: str = "standard"
    format_version: str = ""  # frozen when it is made; "" until then: the format's newest
    kinds: tuple[str, ...] = ()  # empty: every tier event that the format has a shape for
    programs: tuple[str, ...] = ()  # ids; empty: all of the project's
    tiers: tuple[str, ...] = ()  # ids; an event matches that leaves or enters one of them
    filter: dict[str, Any] | None = None
    mode: Mode = "customer"
    mapping: dict[str, Any] | None = None  # the body in the receiver's words (`mapping.py`)
    batch: BatchBounds | None = None
    retry: Schedule | Preset = "standard"
    parked: Parked = "block"
    timeout_ms: Annotated[int, Meta(ge=100, le=30_000)] | None = None
    connect_ms: Annotated[int, Meta(ge=100, le=10_000)] = 5_000
    rate_per_s: Annotated[float, Meta(gt=0, le=100_000)] | None = None
    in_flight_max: Annotated[int, Meta(ge=1, le=1_000)] = 64
    delay_s: Annotated[int, Meta(ge=0, le=DELAY_S_MAX)] = 0
    tolerance: Tolerance = Tolerance()
    vendor_id: str | None = None  # the id under which a vendor's route made it
    points: bool = False  # whether it asks for points events: what the ledger looks at
    profiles: bool = False  # whether it asks for changes of profiles
    last_run: int = 0  # the number of the newest replay: none is used twice
    sandbox_since: int | None = None  # hears what took effect from then on, in a sandbox's time
    retried_at: int = 0  # when somebody last said that nothing should wait any longer
    description: str = ""
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def schedule(self) -> Schedule:
        return resolve(self.retry)

    @property
    def deadline_ms(self) -> int:
        return self.timeout_ms or registry.VENDOR_OF[self.format].timeout_ms

    @property
    def order(self) -> Mode:
        """A batch is a run of the log, so it is fifo whatever the mode says."""
        return "fifo" if self.batch is not None else self.mode

    @property
    def hears_ops(self) -> bool:
        return any(kind in _OPS for kind in self.kinds)

    @property
    def hears_customers(self) -> bool:
        """Whether events of customers go there: all kinds, or any that is not about operations."""
        return not self.kinds or any(kind not in _OPS for kind in self.kinds)

    def start(self, start_at: int, project: int) -> tuple[int, int | None]:
        """Where its cursors begin, as `EventLog.before` takes it. `start_at` is its row's instant
        of recording; 0 where a sandbox's own time counts."""
        if self.sandbox_since is None or start_at:
            return start_at, None
        return self.sandbox_since, project

    def facts(self, format_: Format[Any]) -> EndpointFacts:
        """What a format's payloads may know of it."""
        type_: type[EndpointFacts] = format_.endpoint_facts
        return type_(**{field: getattr(self, field) for field in type_.__struct_fields__})


class Dated(Struct, frozen=True, omit_defaults=True):
    """A secret and when it signs: from `since` (inclusive) until `until` (exclusive). `brought`: by
    the caller, who is not shown it."""

    secret: str
    since: int = 0
    until: int | None = None
    brought: bool = False


class EndpointSecrets(Struct, frozen=True, omit_defaults=True):
    """What of an endpoint is never shown again. `standard` may overlap; of `vendor`, the newest
    that has begun signs alone, for the vendors' headers have room for one signature. Without one
    the project's secret signs."""

    standard: tuple[Dated, ...] = ()
    vendor: tuple[Dated, ...] = ()
    headers: dict[HeaderName, HeaderValue] = {}
    ca: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None
    proxy: str | None = None  # http://[user:password@]host:port

    def standard_at(self, now: int) -> tuple[str, ...]:
        """Everything that signs at an instant, newest first."""
        return tuple(dated.secret for dated in self.standard_since(now))

    def standard_since(self, now: int) -> list[Dated]:
        live = [d for d in self.standard if d.since <= now and (d.until is None or now < d.until)]
        return sorted(live, key=lambda d: -d.since)

    def vendor_at(self, now: int) -> str | None:
        dated = self.vendor_since(now)
        return None if dated is None else dated.secret

    def vendor_since(self, now: int) -> Dated | None:
        live = [d for d in self.vendor if d.since <= now]
        return max(live, key=lambda d: d.since) if live else None

    def changes_after(self, now: int) -> int | None:
        """The next instant at which another set of secrets signs."""
        edges = [d.since for d in (*self.standard, *self.vendor)]
        edges += [d.until for d in self.standard if d.until is not None]
        return min((edge for edge in edges if edge > now), default=None)


def rotated(
    secrets: EndpointSecrets, fresh: str, now: int, overlap_s: int = OVERLAP_S_DEFAULT
) -> EndpointSecrets:
    """The new secret signs from now on; the ones so far go on beside it until the overlap ends.
    What ended before is dropped."""
    end = now + overlap_s * 1000
    running = [
        msgspec.structs.replace(d, until=end if d.until is None else min(d.until, end))
        for d in secrets.standard
        if d.until is None or d.until > now
    ]
    return msgspec.structs.replace(secrets, standard=(*running, Dated(fresh, since=now)))


def check(endpoint: Endpoint, secrets: EndpointSecrets, guard: Guard) -> None:
    """Everything about an endpoint that can be known to be wrong before it is used; Invalid with
    the field's path."""
    guard.check_url(endpoint.url)
    if endpoint.parked == "supersede" and endpoint.order != "customer":
        raise SupersedeOutOfOrder(path="parked", mode=endpoint.order)
    if endpoint.filter is not None:
        compile_filter(endpoint.filter)
        check_fields(endpoint.filter)
    if endpoint.mapping is not None:
        compile_mapping(endpoint.mapping)
    for name in secrets.headers:
        if name.lower() in RESERVED_HEADERS or name.lower().startswith(OUR_HEADERS):
            raise Invalid(reason=f"The header {name} is set by Tierline.", path=f"headers.{name}")
    if (secrets.client_certificate is None) != (secrets.client_key is None):
        raise Invalid(reason="Send a certificate and its key together.", path="client_certificate")
    tls.context(secrets.ca, secrets.client_certificate, secrets.client_key)
    if secrets.proxy is not None:
        tls.proxy_parts(secrets.proxy)


_OPS = frozenset(msgspec.inspect.type_info(OpsKind).values)  # type: ignore[attr-defined]
decode_endpoint = msgspec.json.Decoder(Endpoint).decode
decode_secrets = msgspec.json.Decoder(EndpointSecrets).decode
