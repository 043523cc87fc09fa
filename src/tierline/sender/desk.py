"""Making, showing and changing endpoints: what a caller says, as an endpoint and its secrets.

Nobody sees a secret twice: it is in the answer that made it, and sealed afterwards.
"""

from __future__ import annotations

import os
import secrets as chance
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict, replace

from tierline.clock import Clock
from tierline.engine import jsontext, typed
from tierline.engine.announcement import Project
from tierline.engine.calendar import format_instant
from tierline.errors import Forbidden, Invalid, NotFound
from tierline.sender.endpoint import (
    Batch,
    Dated,
    Endpoint,
    EndpointSecrets,
    HeaderName,
    HeaderValue,
    Mode,
    OpsKind,
    Parked,
    check,
    decode_endpoint,
    decode_secrets,
)
from tierline.sender.guard import Guard
from tierline.sender.health import Tolerance
from tierline.sender.schedule import Preset, Schedule
from tierline.sender.sources import Formats
from tierline.store.catalog import Catalog
from tierline.store.endpoints import EndpointRow
from tierline.vendors.standard import signing

Json = dict[str, Any]
Text = Annotated[str, Meta(max_length=2_000)]
Pem = Annotated[str, Meta(max_length=65_536)]
Names = Annotated[
    tuple[Annotated[str, Meta(min_length=1, max_length=200)], ...], Meta(max_length=100)
]
OPS_KINDS = frozenset(msgspec.inspect.type_info(OpsKind).values)  # type: ignore[attr-defined]


class EndpointBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What a caller may say of an endpoint. Unset: the default, or as it was."""

    url: Text | UnsetType = UNSET
    format: str | UnsetType = UNSET
    format_version: str | UnsetType = UNSET  # "" raises it to the newest
    kinds: Names | UnsetType = UNSET
    program: str | UnsetType = UNSET  # short for one of `programs`
    programs: Names | UnsetType = UNSET
    tiers: Names | UnsetType = UNSET
    filter: Json | UnsetType | None = UNSET
    mode: Mode | UnsetType = UNSET
    batch: Batch | UnsetType | None = UNSET
    retry: Schedule | Preset | UnsetType = UNSET
    parked: Parked | UnsetType = UNSET
    timeout_ms: Annotated[int, Meta(ge=100, le=30_000)] | UnsetType | None = UNSET
    connect_ms: Annotated[int, Meta(ge=100, le=10_000)] | UnsetType = UNSET
    rate_per_s: Annotated[float, Meta(gt=0, le=100_000)] | UnsetType | None = UNSET
    in_flight_max: Annotated[int, Meta(ge=1, le=1_000)] | UnsetType = UNSET
    tolerance: Tolerance | UnsetType = UNSET
    source: str | UnsetType = UNSET
    event_name: Text | UnsetType | None = UNSET
    raw: bool | UnsetType = UNSET
    position_base: int | UnsetType = UNSET
    thin: bool | UnsetType = UNSET
    extended: bool | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    metadata: dict[str, Text] | UnsetType = UNSET
    # Secret, so never shown again.
    secret: str | UnsetType = UNSET  # whsec_… or whsk_…, brought along
    vendor_secret: Annotated[str, Meta(min_length=8, max_length=512)] | UnsetType = UNSET
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
_HIDDEN = frozenset({"number", "project"})


class Desk:
    """Endpoints of all projects, by the callers' words."""

    def __init__(self, catalog: Catalog, formats: Formats, guard: Guard, clock: Clock) -> None:
        self.catalog = catalog
        self.formats = formats
        self.guard = guard
        self.clock = clock

    async def add(
        self, project: Project, body: EndpointBody, granted: frozenset[str], **facts: Any
    ) -> Json:
        """Raises Invalid, NotFound for a program, Forbidden for a missing scope. `facts` are what
        a vendor's route says besides, such as `vendor_id`."""
        if isinstance(body.url, UnsetType):
            raise Invalid(path="url", reason="url: it is needed.")
        born = Endpoint("ep_" + chance.token_hex(10), 0, project.number, body.url, **facts)
        endpoint = self._changed(born, body)
        secrets, shown = self._fresh_secrets(project, endpoint, body)
        self._check(project, endpoint, secrets, granted)
        now = self.clock()
        start_at = now if isinstance(body.since, UnsetType) else typed.instant(body.since, "since")
        row = await self.catalog.add_endpoint(
            project.number, endpoint.id, _text(endpoint), _bytes(secrets), start_at, now
        )
        return {**self.shown(row), **shown}

    async def change(
        self, project: Project, id_: str, body: EndpointBody, granted: frozenset[str]
    ) -> Json:
        """What is unset stays. Raises as `add`, and Conflict where `revision` is not the newest."""
        row = self.find(project, id_)
        endpoint = self._changed(decode_endpoint(row.body), body)
        secrets = _with_secrets(decode_secrets(row.secrets), body, self.clock())
        self._check(project, endpoint, secrets, granted)
        changed = await self.catalog.change_endpoint(
            row.number,
            now=self.clock(),
            body=_text(endpoint),
            secrets=_bytes(secrets),
            # Two changes at once: the second sees the first, or is refused.
            expected=row.revision if isinstance(body.revision, UnsetType) else body.revision,
        )
        assert changed is not None
        return self.shown(changed)

    def find(self, project: Project, id_: str) -> EndpointRow:
        """By our id, else by the one under which a vendor's route made it. Raises NotFound."""
        row = self.catalog.endpoint(project.number, id_)
        if row is not None:
            return row
        for other in self.catalog.endpoints():
            if other.project == project.number and decode_endpoint(other.body).vendor_id == id_:
                return other
        raise NotFound(what="endpoint", name=id_, path="endpoint")

    def of(self, project: Project) -> list[EndpointRow]:
        return [row for row in self.catalog.endpoints() if row.project == project.number]

    def shown(self, row: EndpointRow) -> Json:
        """Everything but secrets: of headers only the names."""
        endpoint, secrets = decode_endpoint(row.body), decode_secrets(row.secrets)
        fields = {k: v for k, v in asdict(endpoint).items() if k not in _HIDDEN}
        shown: Json = msgspec.to_builtins(fields)
        return {
            **shown,
            "retry": msgspec.to_builtins(endpoint.retry),
            "state": row.state,
            "headers": sorted(secrets.headers),
            "client_certificate": secrets.client_certificate is not None,
            "since": format_instant(row.start_at),
            "revision": row.revision,
            "created_at": format_instant(row.created_at),
            "updated_at": format_instant(row.updated_at),
        }

    # What a caller says

    def _changed(self, endpoint: Endpoint, body: EndpointBody) -> Endpoint:
        said = {
            field: value
            for field, value in asdict(body).items()
            if value is not UNSET and field not in _ELSEWHERE
        }
        if not isinstance(body.program, UnsetType):
            said["programs"] = (body.program,)
        endpoint = typed.convert(msgspec.to_builtins({**asdict(endpoint), **said}), Endpoint)
        format_ = self.formats.get(endpoint.format)
        if format_ is None:
            known = ", ".join(self.formats)
            reason = f"format: there is no format {endpoint.format!r}; known are {known}."
            raise Invalid(path="format", reason=reason)
        version = endpoint.format_version or format_.versions[-1]
        if version not in format_.versions:
            if not isinstance(body.format_version, UnsetType):
                known = ", ".join(format_.versions)
                reason = f"format_version: {endpoint.format} has {known}."
                raise Invalid(path="format_version", reason=reason)
            version = format_.versions[-1]  # another format than before
        return replace(endpoint, format_version=version)

    def _check(
        self,
        project: Project,
        endpoint: Endpoint,
        secrets: EndpointSecrets,
        granted: frozenset[str],
    ) -> None:
        names = self.formats[endpoint.format].wire_names
        known = {*names, *names.values(), *OPS_KINDS}
        for i, kind in enumerate(endpoint.kinds):
            if kind not in known:
                kinds = ", ".join([*names, *sorted(OPS_KINDS)])
                reason = f"kinds[{i}]: format {endpoint.format} has no {kind!r}; it has {kinds}."
                raise Invalid(path=f"kinds[{i}]", reason=reason)
        programs = {row.id for row in self.catalog.programs(project.number)}
        for i, program in enumerate(endpoint.programs):
            if program not in programs:
                raise NotFound(what="program", name=program, path=f"programs[{i}]")
        if hears_customers(endpoint) and "read_customers" not in granted:
            raise Forbidden(scope="read_customers", path="kinds")
        check(endpoint, secrets, self.guard)

    def _fresh_secrets(
        self, project: Project, endpoint: Endpoint, body: EndpointBody
    ) -> tuple[EndpointSecrets, Json]:
        """The secrets of a new endpoint, and those that its maker is shown."""
        now = self.clock()
        shown: Json = {}
        if isinstance(body.secret, UnsetType):
            shown["secret"] = signing.new_secret(os.urandom(32))
            body = replace(body, secret=shown["secret"])
        elif body.secret.startswith("whsk_"):
            shown["public_key"] = signing.public_key(signing.check_secret(body.secret, "secret"))
        has_own = any(
            name.startswith(f"{endpoint.format}.") and name.endswith("_secret")
            for name in self.catalog.project_secrets(project.number)
        )
        wants_own = endpoint.format in ("voucherify", "loyaltylion") and not has_own
        if wants_own and isinstance(body.vendor_secret, UnsetType):
            shown["vendor_secret"] = chance.token_hex(32)
            body = replace(body, vendor_secret=shown["vendor_secret"])
        return _with_secrets(EndpointSecrets(), body, now), shown


def hears_customers(endpoint: Endpoint) -> bool:
    """Whether events of customers go there: all kinds, or any that is not about operations."""
    return not endpoint.kinds or any(kind not in OPS_KINDS for kind in endpoint.kinds)


def read_body(raw: Json) -> EndpointBody:
    """Raises Invalid, naming the field."""
    metadata = raw.get("metadata")
    if metadata:
        raw = {**raw, "metadata": jsontext.normalise(metadata, "metadata")}
    return typed.convert(raw, EndpointBody)


def _with_secrets(secrets: EndpointSecrets, body: EndpointBody, now: int) -> EndpointSecrets:
    """A secret that is said here replaces the others at once; `rotate` lets them overlap."""
    said = {field: getattr(body, field) for field in _SECRET}
    changes = {field: value for field, value in said.items() if value is not UNSET}
    if not isinstance(body.secret, UnsetType):
        changes["standard"] = (Dated(signing.check_secret(body.secret, "secret"), since=0),)
    if not isinstance(body.vendor_secret, UnsetType):
        changes["vendor"] = (*secrets.vendor, Dated(body.vendor_secret, since=now))[-5:]
    return replace(secrets, **changes)


def _text(endpoint: Endpoint) -> str:
    return msgspec.json.encode(endpoint).decode()


def _bytes(secrets: EndpointSecrets) -> bytes:
    return msgspec.json.encode(secrets)
