"""An endpoint ready for work: its row compiled into a matcher, a target, and a maker of requests.

Made anew whenever the row changes, so that what is in force when a request starts decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any

import msgspec
from msgspec import Raw, Struct

from tierline import __version__
from tierline.endpoints.endpoint import (
    BatchBounds,
    Endpoint,
    EndpointSecrets,
    decode_endpoint,
    decode_secrets,
)
from tierline.endpoints.event_content import view
from tierline.endpoints.filters import Test, compile_filter
from tierline.endpoints.mapping import Reshape, compile_mapping
from tierline.engine.announcement import (
    Announcement,
    PointsAnnouncement,
    ReminderAnnouncement,
)
from tierline.model import ids
from tierline.model.events import EventKind
from tierline.model.operational_event import Notice
from tierline.model.points_event import PointsKind
from tierline.model.reminder import ReminderKind
from tierline.store.catalog.endpoints import EndpointRow
from tierline.store.event_log import Content, LogEvent
from tierline.transport import Target
from tierline.transport.address_guard import split_url
from tierline.transport.tls import context, proxy_parts
from tierline.vendors.standard import signing
from tierline.vendors.vendor import EndpointFacts, Format, Secrets, batch

Formats = Mapping[str, Format[Any]]  # by name
USER_AGENT = f"Tierline/{__version__}"
TIER = "tier"
OPS = "ops"
POINTS = "points"
REMINDERS = "reminder"


class Form(Struct, frozen=True, omit_defaults=True):
    """What a body and its id depend on besides the event; a lane keeps it from its head's first
    attempt, whatever becomes of the endpoint."""

    version: str
    facts: EndpointFacts
    mapping: dict[str, Any] | None = None
    format: str = ""  # "" in lanes of old: the endpoint's


class _FormText(Struct):
    """A form whose facts are not read yet: their type is the format's."""

    version: str
    facts: Raw
    mapping: dict[str, Any] | None = None
    format: str = ""


class SignedRequest(Struct, frozen=True):
    """One request, ready to go."""

    id: str
    wire: bytes  # all of it, as it goes over the wire
    headers: dict[str, str]  # as the attempt log shows them


class CompiledEndpoint:
    """One version of one endpoint. `erased`: customers of whom nothing is sent or noted any more,
    though events of theirs may be in memory."""

    def __init__(
        self,
        row: EndpointRow,
        formats: Formats,
        project_secrets: Mapping[str, str],
        proxy: str | None = None,
        erased: AbstractSet[int] = frozenset(),
    ) -> None:
        """`proxy` is the operator's, for endpoints without one of their own."""
        self.row = row
        self.erased = erased
        self.endpoint: Endpoint = decode_endpoint(row.body)
        self.number = row.number
        self.secrets: EndpointSecrets = decode_secrets(row.secrets or b"{}")
        self.format: Format[Any] = formats[self.endpoint.format]
        version = self.endpoint.format_version or self.format.versions[-1]
        facts = self.endpoint.facts(self.format)
        self.form = Form(version, facts, self.endpoint.mapping, self.endpoint.format)
        self.form_text = msgspec.json.encode(self.form).decode()
        self.order = self.endpoint.order
        self.schedule = self.endpoint.schedule
        self.target = self._target(proxy)
        self._formats = formats
        self.project_secrets = project_secrets
        self._signing: tuple[int, int | None, Secrets] | None = None
        self._always = {"content-type": self.format.content_type, "user-agent": USER_AGENT}
        self._redacted = {name.lower(): "…" for name in self.secrets.headers}
        kinds = set(self.endpoint.kinds)
        names = self.format.wire_names
        self.kinds = frozenset(
            kind for kind, wire in names.items() if not kinds or kind in kinds or wire in kinds
        )
        self.ops_kinds = frozenset(kinds) if self.endpoint.hears_ops else frozenset()
        self.points_kinds = points_kinds(self.endpoint, self.format)
        self.reminder_kinds = reminder_kinds(self.endpoint, self.format)
        heard = {
            TIER: self.kinds,
            OPS: self.ops_kinds,
            POINTS: self.points_kinds,
            REMINDERS: self.reminder_kinds,
        }
        self.classes = tuple(class_ for class_, some in heard.items() if some)
        self._programs = frozenset(self.endpoint.programs)
        self._tiers = frozenset(self.endpoint.tiers)
        spec = self.endpoint.filter
        batch = self.endpoint.batch
        self.fits = None if batch is None else partial(_fitting, batch)
        self._reshape = _reshape(self.form)
        self._test: Test | None = compile_filter(spec) if spec else None

    def is_current(self, row: EndpointRow, project_secrets: Mapping[str, str]) -> bool:
        """Whether neither the endpoint nor what signs for its project changed."""
        return self.row.revision == row.revision and self.project_secrets == project_secrets

    @property
    def start(self) -> tuple[int, int | None]:
        """Where its cursors begin, as `EventLog.before` takes it."""
        return self.endpoint.start(self.row.start_at, self.row.project)

    # Which

    def matches(self, event: LogEvent, form_text: str = "") -> bool:
        """Whether this endpoint hears a prepared event. `form_text`: of what was tried already; if
        that was in another format, the kinds of that one count."""
        content = event.content
        if event.customer in self.erased and not isinstance(content, Notice):
            return False
        if isinstance(content, Announcement):
            move = content.event
            if move.kind not in self.kinds and not self._was_heard(move.kind, form_text):
                return False
            if self._programs and content.program not in self._programs:
                return False
            if self._tiers and not (move.tier_from in self._tiers or move.tier_to in self._tiers):
                return False
        elif isinstance(content, PointsAnnouncement):
            if content.event.kind not in self.points_kinds:
                return False
            if self._programs and content.program not in self._programs:
                return False
        elif isinstance(content, ReminderAnnouncement):
            if content.event.kind not in self.reminder_kinds:
                return False
            if self._programs and content.program not in self._programs:
                return False
            if self._tiers and self._tiers.isdisjoint(
                (content.event.tier, content.event.tier_then)
            ):
                return False
        elif isinstance(content, Notice):
            if content.event.kind not in self.ops_kinds or content.event.quiet:
                return False
        else:
            return False
        return self._test is None or self._test(view(event))

    def tells_of_erased(self, events: Sequence[LogEvent]) -> bool:
        """Whether any of these events is of a customer who was erased."""
        return bool(self.erased) and any(event.customer in self.erased for event in events)

    # What

    def request(
        self, events: Sequence[LogEvent], form_text: str, now: int, extra: Mapping[str, str]
    ) -> SignedRequest | None:
        """The request of one attempt; None where the format has no such event."""
        form = self.form if form_text in ("", self.form_text) else self._read_form(form_text)
        format_ = self.format if form is self.form else self._formats[form.format]
        content = events[0].content
        if self.endpoint.batch is None:
            body = self._body(content, form)
            delivery = format_.delivery_id(events[0].id, self.endpoint.id)
        else:
            bodies = [self._body(event.content, form) for event in events]
            present = [each for each in bodies if each is not None]
            body = batch(present) if present else None
            # Consumers dedupe by the ids inside; this one names the run.
            delivery = ids.derived("batch_", self.endpoint.id, events[0].id, events[-1].id)
        if body is None:
            return None
        secrets = self._secrets(now, format_)
        headers = self._always.copy()
        headers["content-type"] = format_.content_type
        if isinstance(content, Announcement):
            if self.endpoint.batch is None:
                headers["tierline-seq"] = str(content.event.seq)
            headers.update(format_.headers(content, form.facts, body, secrets))
        elif isinstance(content, PointsAnnouncement) and format_.points is not None:
            headers.update(format_.points.headers(content, form.facts, body, secrets))
        elif isinstance(content, ReminderAnnouncement):
            headers.update(format_.headers(content, form.facts, body, secrets))
        headers.update(signing.headers(body, delivery, now // 1000, secrets.standard))
        headers.update(extra)
        return self._request(delivery, body, headers)

    def _request(self, delivery: str, body: bytes, headers: dict[str, str]) -> SignedRequest:
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        if _breaks(lines) != len(headers):
            raise ValueError(f"a header of {delivery} contains a line break")
        request = b"%b%bcontent-length: %d\r\n\r\n%b" % (
            self.target.start,
            lines.encode("latin-1", "replace"),
            len(body),
            body,
        )
        if self._redacted:
            headers.update(self._redacted)
        return SignedRequest(delivery, request, headers)

    def _body(self, content: Content | None, form: Form) -> bytes | None:
        if isinstance(content, Notice):
            return content.body()
        format_ = self.format if form is self.form else self._formats[form.format]
        if isinstance(content, PointsAnnouncement):
            thin = getattr(form.facts, "thin", False)
            points = format_.points
            body = None if points is None else points.render(content, form.facts, thin=thin)
        elif isinstance(content, Announcement):
            body = format_.render(content, form.facts, form.version)
        elif isinstance(content, ReminderAnnouncement):
            shapes = format_.reminders
            body = None if shapes is None else shapes.render(content, form.facts)
        else:
            return None
        reshape = self._reshape if form is self.form else _reshape(form)
        return body if body is None or reshape is None else reshape(body)

    def _read_form(self, text: str) -> Form:
        """The endpoint's own form where the other's format or version is not here any more."""
        form = _decode_form(text)
        name = form.format or self.endpoint.format
        format_ = self._formats.get(name)
        if format_ is None or form.version not in format_.versions:
            return self.form
        facts = msgspec.json.decode(form.facts, type=format_.endpoint_facts)
        return Form(form.version, facts, form.mapping, name)

    def _was_heard(self, kind: EventKind, form_text: str) -> bool:
        if form_text in ("", self.form_text):
            return False
        form = self._read_form(form_text)
        if form.format == self.endpoint.format:
            return False
        return kind in self._formats[form.format].wire_names

    def _secrets(self, now: int, format_: Format[Any]) -> Secrets:
        """What signs now, worked out again only when that changes."""
        if format_ is not self.format:
            return self._secrets_of(now, format_)
        if self._signing is not None:
            since, until, secrets = self._signing
            if since <= now and (until is None or now < until):
                return secrets
        secrets = self._secrets_of(now, format_)
        self._signing = (now, self.secrets.changes_after(now), secrets)
        return secrets

    def _secrets_of(self, now: int, format_: Format[Any]) -> Secrets:
        vendor = self.secrets.vendor_at(now)
        if vendor is None and format_.signature is not None:
            vendor = self.project_secrets.get(format_.signature.secret)
        return Secrets(vendor=vendor, standard=self.secrets.standard_at(now))

    def _target(self, proxy: str | None) -> Target:
        endpoint, secrets = self.endpoint, self.secrets
        parts = split_url(endpoint.url)
        secure = parts.scheme == "https"
        tls = (
            context(secrets.ca, secrets.client_certificate, secrets.client_key) if secure else None
        )
        via = secrets.proxy or proxy
        host, port, authorization = proxy_parts(via) if via else ("", 0, None)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        # A plain request through a proxy names the whole URL; a tunnelled one does not.
        address = f"http://{parts.netloc}{path}" if via and not secure else path
        lines = [f"POST {address} HTTP/1.1", f"host: {parts.netloc}"]
        if authorization and not secure:
            lines.append(f"proxy-authorization: {authorization}")
        lines += [f"{name.lower()}: {value}" for name, value in secrets.headers.items()]
        start = "\r\n".join(lines) + "\r\n"
        if _breaks(start) != len(lines):
            raise ValueError(f"a header of {endpoint.id} contains a line break")
        identity = (secrets.ca or "", secrets.client_certificate or "")
        real_port = parts.port or (443 if secure else 80)
        return Target(
            scheme="https" if secure else "http",
            host=parts.hostname or "",
            port=real_port,
            start=start.encode("latin-1"),
            pool=ids.derived("", parts.scheme, parts.netloc, *identity, via or ""),
            project=self.row.project,
            tls=tls,
            proxy=(host, port) if via else None,
            proxy_authorization=authorization,
            proxy_trusted=bool(via) and not secrets.proxy,
            total_ms=endpoint.deadline_ms,
            connect_ms=min(endpoint.connect_ms, endpoint.deadline_ms),
        )


def points_kinds(endpoint: Endpoint, format_: Format[Any]) -> frozenset[PointsKind]:
    """The points events that an endpoint asks for, by our names or by its format's."""
    if format_.points is None:
        return frozenset()
    names, kinds = format_.points.names, set(endpoint.kinds)
    return frozenset(kind for kind, wire in names.items() if kind in kinds or wire in kinds)


def reminder_kinds(endpoint: Endpoint, format_: Format[Any]) -> frozenset[ReminderKind]:
    """The reminders that an endpoint names, by our names or by its format's."""
    if format_.reminders is None:
        return frozenset()
    names, kinds = format_.reminders.names, set(endpoint.kinds)
    return frozenset(kind for kind, wire in names.items() if kind in kinds or wire in kinds)


def _breaks(lines: str) -> int:
    """How many lines these are to any reader: a value from outside must not end one."""
    return max(lines.count("\r"), lines.count("\n"))


def _reshape(form: Form) -> Reshape | None:
    return None if form.mapping is None else compile_mapping(form.mapping)


def _fitting(batch: BatchBounds, events: Sequence[LogEvent]) -> int:
    """How many of these go into one request; a body is about as long as what it is made of."""
    size = 0
    for n, event in enumerate(events[: batch.events_max]):
        size += 2 * len(event.body) + len(event.profile or "")
        if size > batch.bytes_max and n:
            return n
    return min(len(events), batch.events_max)


_decode_form = msgspec.json.Decoder(_FormText).decode
