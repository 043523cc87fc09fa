"""What a caller says of an endpoint, and what that makes of it and of its secrets. Pure.

Unset is not null: what is unset keeps its default, or stays as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict, replace

from tierline.endpoints.compiled_endpoint import Formats, points_kinds
from tierline.endpoints.endpoint import (
    DELAY_S_MAX,
    OVERLAP_S_DEFAULT,
    BatchBounds,
    Dated,
    Endpoint,
    EndpointSecrets,
    HeaderName,
    HeaderValue,
    Mode,
    OpsKind,
    Parked,
)
from tierline.endpoints.health import Tolerance
from tierline.endpoints.replays import ReplayRequest, ReplayUnbounded
from tierline.endpoints.retry_schedule import Preset
from tierline.errors import Forbidden
from tierline.model import json_text, validation
from tierline.model.events import EventKind
from tierline.model.operational_event import CUSTOMER_CHANGED, CUSTOMER_CREATED
from tierline.model.points_event import PROFILE_CHANGED, PointsKind
from tierline.model.reminder import ReminderKind
from tierline.model.schedule import Schedule
from tierline.model.tenant import Project
from tierline.vendors import registry
from tierline.vendors.standard import signing
from tierline.vendors.vendor import kind_names

Json = dict[str, Any]
Text = Annotated[str, Meta(max_length=2_000)]
Pem = Annotated[str, Meta(max_length=65_536)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Names = Annotated[tuple[Name, ...], Meta(max_length=100)]
_OF_CUSTOMERS = frozenset({CUSTOMER_CREATED, CUSTOMER_CHANGED})
OPS_KINDS = frozenset(msgspec.inspect.type_info(OpsKind).values)  # type: ignore[attr-defined]


if TYPE_CHECKING:

    class OptionsBody(Struct, frozen=True):
        """Every format's options, unset."""
else:
    OptionsBody = registry.struct_of(
        "OptionsBody",
        [(name, type_ | UnsetType, UNSET) for name, type_, _ in registry.endpoint_options()],
        frozen=True,
    )


class EndpointBody(OptionsBody, frozen=True, forbid_unknown_fields=True):
    """What a caller may say of an endpoint. Unset: the default, or as it was."""

    url: Text | UnsetType = UNSET
    format: str | UnsetType = UNSET
    format_version: str | UnsetType = UNSET  # "" raises it to the newest
    kinds: Names | UnsetType = UNSET
    program: str | UnsetType = UNSET  # short for one of `programs`
    programs: Names | UnsetType = UNSET
    tiers: Names | UnsetType = UNSET
    filter: Json | UnsetType | None = UNSET
    mapping: Json | UnsetType | None = UNSET
    mode: Mode | UnsetType = UNSET
    batch: BatchBounds | UnsetType | None = UNSET
    retry: Schedule | Preset | UnsetType = UNSET
    parked: Parked | UnsetType = UNSET
    timeout_ms: Annotated[int, Meta(ge=100, le=30_000)] | UnsetType | None = UNSET
    connect_ms: Annotated[int, Meta(ge=100, le=10_000)] | UnsetType = UNSET
    rate_per_s: Annotated[float, Meta(gt=0, le=100_000)] | UnsetType | None = UNSET
    in_flight_max: Annotated[int, Meta(ge=1, le=1_000)] | UnsetType = UNSET
    delay_s: Annotated[int, Meta(ge=0, le=DELAY_S_MAX)] | UnsetType = UNSET
    tolerance: Tolerance | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    metadata: dict[str, Text] | UnsetType = UNSET
    # Secret, so never shown again.
    secret: str | UnsetType = UNSET  # whsec_… or whsk_…, brought along
    # Null: the project's secret signs.
    vendor_secret: Annotated[str, Meta(min_length=8, max_length=512)] | UnsetType | None = UNSET
    headers: dict[HeaderName, HeaderValue] | UnsetType = UNSET
    ca: Pem | UnsetType | None = UNSET
    client_certificate: Pem | UnsetType | None = UNSET
    client_key: Pem | UnsetType | None = UNSET
    proxy: Text | UnsetType | None = UNSET
    # Only when it is made.
    since: str | UnsetType = UNSET  # hears what was recorded from this instant on
    revision: int | UnsetType = UNSET  # PATCH: only if nobody changed it since


_SECRET = frozenset({"headers", "ca", "client_certificate", "client_key", "proxy"})
_ELSEWHERE = _SECRET | {"program", "secret", "vendor_secret", "since", "revision"}


class RotateBody(Struct, frozen=True, forbid_unknown_fields=True):
    """`overlap` is how many seconds the secret so far goes on signing beside the new one."""

    kind: Literal["hmac", "ed25519"] = "hmac"
    overlap: Annotated[int, Meta(ge=0, le=30 * 86_400)] = OVERLAP_S_DEFAULT


class ReplayBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What to send again: events by id, a stretch of time (`since` inclusive, `until` exclusive),
    kinds, or `everything`. With `dry_run` they are counted and nothing is sent."""

    ids: Annotated[tuple[Name, ...], Meta(max_length=1_000)] = ()
    since: str | None = None
    until: str | None = None
    kinds: tuple[EventKind | PointsKind | ReminderKind | OpsKind, ...] = ()
    rate_per_s: Annotated[float, Meta(gt=0, le=100_000)] | None = None
    everything: bool = False
    dry_run: bool = False

    def replay(self) -> ReplayRequest:
        """Raises ReplayUnbounded where nothing says which events."""
        if not (self.everything or self.ids or self.since or self.until or self.kinds):
            raise ReplayUnbounded(path="everything")
        since = validation.optional_instant(self.since, "since")
        until = validation.optional_instant(self.until, "until")
        if since is not None and until is not None and until <= since:
            raise validation.invalid("until", "it must lie after `since`")
        if self.ids and (since is not None or until is not None):
            raise validation.invalid("ids", "they say which events; leave `since`, `until` out")
        return ReplayRequest(
            ids=self.ids,
            since=since,
            until=until,
            kinds=self.kinds,
            rate_per_s=self.rate_per_s,
        )


class RewindBody(Struct, frozen=True, forbid_unknown_fields=True):
    since: str


class TestBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Which kind of event; by default the first that the endpoint hears."""

    kind: EventKind | PointsKind | ReminderKind | None = None


def normalised(body: EndpointBody) -> EndpointBody:
    """With free JSON as JavaScript would print it. Raises Invalid, naming the field."""
    for free in ("metadata", "mapping"):
        value = getattr(body, free)
        if value is not UNSET and value:
            body = replace(body, **{free: json_text.normalise(value, free)})
    return body


def applied(endpoint: Endpoint, body: EndpointBody, formats: Formats) -> Endpoint:
    """The endpoint as it is asked for, with a format version that its format has."""
    said = {
        field: value
        for field, value in asdict(body).items()
        if value is not UNSET and field not in _ELSEWHERE
    }
    if not isinstance(body.program, UnsetType):
        said["programs"] = (body.program,)
    changed = validation.convert(msgspec.to_builtins({**asdict(endpoint), **said}), Endpoint)
    format_ = formats.get(changed.format)
    if format_ is None:
        valid = ", ".join(formats)
        raise validation.invalid("format", f"there is no format {changed.format!r}, but {valid}")
    version = changed.format_version or format_.versions[-1]
    if version not in format_.versions:
        if not isinstance(body.format_version, UnsetType):
            valid = ", ".join(format_.versions)
            raise validation.invalid("format_version", f"{changed.format} has {valid}")
        version = format_.versions[-1]  # it was the version of another format
    some = points_kinds(changed, format_)
    profiles = PROFILE_CHANGED in some
    return replace(changed, format_version=version, points=len(some) > profiles, profiles=profiles)


def begun(
    project: Project, endpoint: Endpoint, body: EndpointBody, now: int
) -> tuple[Endpoint, int]:
    """The endpoint with where it begins: now, or at an instant of the project's own time; and its
    row's instant of recording, 0 where that does not count."""
    since = None
    if not isinstance(body.since, UnsetType):
        since = validation.instant(body.since, "since")
    if project.clock is None or not endpoint.hears_customers:
        return endpoint, now if since is None else since
    if since is None:
        return replace(endpoint, sandbox_since=project.clock), now
    return replace(endpoint, sandbox_since=since), 0


def check_kinds(endpoint: Endpoint, formats: Formats) -> None:
    """Raises Invalid for a kind that the format has no shape for."""
    names = kind_names(formats[endpoint.format])
    valid = {*names, *names.values(), *OPS_KINDS}
    for i, kind in enumerate(endpoint.kinds):
        if kind not in valid:
            kinds = ", ".join([*names, *sorted(OPS_KINDS)])
            what = f"format {endpoint.format} has no {kind!r}, but {kinds}"
            raise validation.invalid(f"kinds[{i}]", what)


def require_scopes(endpoint: Endpoint, granted: frozenset[str]) -> None:
    """Raises Forbidden where a key may not decide where these events go, or what signs them."""
    tells = endpoint.hears_customers or not _OF_CUSTOMERS.isdisjoint(endpoint.kinds)
    if tells and "read_customers" not in granted:
        raise Forbidden(scope="read_customers", path="kinds")


def with_secrets(secrets: EndpointSecrets, body: EndpointBody, now: int) -> EndpointSecrets:
    """A secret that is said here replaces the others at once; `rotate` lets them overlap."""
    said = {field: getattr(body, field) for field in _SECRET}
    changes = {field: value for field, value in said.items() if value is not UNSET}
    if not isinstance(body.secret, UnsetType):
        changes["standard"] = (Dated(signing.check_secret(body.secret, "secret"), brought=True),)
    if body.vendor_secret is None:
        changes["vendor"] = ()
    elif not isinstance(body.vendor_secret, UnsetType):
        own = Dated(body.vendor_secret, since=now, brought=True)
        changes["vendor"] = (*secrets.vendor, own)[-5:]
    return replace(secrets, **changes)
