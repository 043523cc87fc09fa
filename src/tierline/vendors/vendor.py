"""What a vendor is: one object that holds everything of its own; and what a wire format is.

A vendor is a folder whose `vendor.py` defines `VENDOR`, and one line of the registry. Its HTTP
routes are the package `api` in the same folder, which only the composition root imports.

A body is a function of (Announcement, EndpointFacts, format version) and of nothing else, so that
every attempt sends the same bytes. A change of what a format prints is a new version string; an
endpoint keeps the version it was made with until somebody raises it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from tierline.engine.announcement import (
    Announcement,
    PointsAnnouncement,
    ReminderAnnouncement,
)
from tierline.model.credentials import KeyKind
from tierline.model.events import EventKind
from tierline.model.points_event import PointsKind
from tierline.model.reminder import ReminderKind
from tierline.model.schedule import Schedule
from tierline.model.tenant import NameKind
from tierline.rules.ladder import Tier
from tierline.rules.lint.finding import Finding
from tierline.rules.program import Rules, Version

T = TypeVar("T")

SAMPLE_EVENT = "evt_" + "0" * 28  # the id of a test event: nothing in the log has it


class EndpointFacts(Struct, frozen=True, omit_defaults=True):
    """What a payload may know of the endpoint that it goes to. A format's own options are further
    fields of a subclass, each with a default; an endpoint's body has all formats' options.

    A lane that must repeat its bytes keeps this whole (it is small and encodes as JSON): a later
    change of the URL or of an option is for events that were not yet tried.
    """

    id: str  # ours
    url: str
    vendor_id: str | None = None  # the id under which a vendor's route made it


Facts = TypeVar("Facts", bound=EndpointFacts)


class Secrets(Struct, frozen=True, omit_defaults=True):
    """What signs at this instant. `vendor`: the one secret of the vendor's header, which switches
    when it is rotated. `standard`: `whsec_…` and `whsk_…`, newest first; all of them sign."""

    vendor: str | None = None
    standard: tuple[str, ...] = ()


class VendorSignature(Struct, frozen=True):
    """The signature in a vendor's own header. `secret` is the project's secret that makes it, by
    its name: the kind of key whose answer shows it, a dot, and the field that it is there."""

    header: str
    algorithm: str  # as a receiver reads it, like `base64 of HMAC-SHA256(secret, body)`
    secret: str

    @property
    def recipe(self) -> str:
        """The header and its value, in the words of a key's answer."""
        field = self.secret.partition(".")[2]
        return f"{self.header}: {self.algorithm.replace('secret', field)}"


class ProgramFacts(Struct, frozen=True):
    """What compiling vendor settings may know of the program besides the settings."""

    id: str
    project: str
    at: int  # now: the creation time of what carries none of its own
    currency: str = "USD"
    name: str | None = None  # what the request calls it, where the settings name nothing
    previous: Rules | None = None  # the version before: tiers keep their ids by unchanged name


class PointsFormat(Protocol):
    """A format's shapes for points events. `thin`: ids alone. None: it has none for this one."""

    @property
    def names(self) -> Mapping[PointsKind, str]:
        """Our kind of event -> its name on this wire."""
        ...

    def render(
        self, announcement: PointsAnnouncement, endpoint: Any, *, thin: bool
    ) -> bytes | None: ...

    def headers(
        self, announcement: PointsAnnouncement, endpoint: Any, body: bytes, secrets: Secrets
    ) -> dict[str, str]:
        """The vendor's own headers, as of `Format.headers`."""
        ...


class ReminderFormat(Protocol):
    """A format's shapes for reminders. `endpoint` is of the format's own facts."""

    @property
    def names(self) -> Mapping[ReminderKind, str]:
        """Our kind of reminder -> its name on this wire."""
        ...

    def render(self, announcement: ReminderAnnouncement, endpoint: Any) -> bytes: ...


class Format(Protocol[Facts]):
    """One wire format of a vendor."""

    @property
    def name(self) -> str: ...

    @property
    def versions(self) -> tuple[str, ...]:
        """Frozen payload format versions, newest last."""
        ...

    @property
    def content_type(self) -> str: ...

    @property
    def wire_names(self) -> Mapping[EventKind, str]:
        """Our kind of event -> its name on this wire. A kind that is missing has no shape here."""
        ...

    @property
    def endpoint_facts(self) -> type[Facts]:
        """What `render` knows of an endpoint: its fields are options of the endpoint's body."""
        ...

    @property
    def signature(self) -> VendorSignature | None:
        """The signature in the vendor's own header; None: it has none."""
        ...

    @property
    def body_types(self) -> tuple[type, ...]:
        """The body's type, as /openapi.json describes it, and the types that it refers to."""
        ...

    @property
    def points(self) -> PointsFormat | None:
        """Its shapes for points events; None: it has none."""
        ...

    @property
    def reminders(self) -> ReminderFormat | None:
        """Its shapes for reminders; None: it has none."""
        ...

    def render(self, announcement: Announcement, endpoint: Facts, version: str) -> bytes | None:
        """The body; None where the format has no such event, which is then settled as filtered."""
        ...

    def delivery_id(self, event_id: str, endpoint_id: str) -> str:
        """The id of the send-out, the same for every attempt and replay; also `webhook-id`."""
        ...

    def headers(
        self,
        announcement: Announcement | ReminderAnnouncement,
        endpoint: Facts,
        body: bytes,
        secrets: Secrets,
    ) -> dict[str, str]:
        """The vendor's own headers (signature, topic, user agent) without those of Standard
        Webhooks, which every delivery carries too (`vendors.standard.signing.headers`)."""
        ...


Compile = Callable[[Mapping[str, Any], ProgramFacts], Rules]


class Vendor(Struct, frozen=True):
    """Everything that a vendor is. `name` is also the folder's, the retry preset's, the key
    kind's, and that of what the vendor calls things in `presentations`."""

    name: str
    formats: tuple[Format[Any], ...]
    retry: Schedule
    timeout_ms: int  # of an attempt, where the endpoint says nothing
    headers: frozenset[str]  # in lower case; no endpoint may set one of them itself
    sample: Callable[[ProgramFacts], Rules]  # the program of a test event: two tiers
    compile_settings: Compile | None = None  # its `settings` as rules; raises Invalid
    traps: Callable[[Rules], Iterator[Finding]] | None = None  # what its own pages warn of
    key: KeyKind | None = None
    further_keys: tuple[KeyKind, ...] = ()
    names: tuple[NameKind, ...] = ()  # names of customers that only this vendor gives
    descriptions: Mapping[str, str] = {}  # its options and fields in a sentence, for OpenAPI
    has_program: bool = False  # a project's field `<name>_program`: what its routes speak of


def kind_names(format_: Format[Any]) -> dict[str, str]:
    """Every kind of a customer's event that a format has a shape for, and its name on the wire."""
    points = {} if format_.points is None else format_.points.names
    reminders = {} if format_.reminders is None else format_.reminders.names
    shapes: tuple[Mapping[Any, str], ...] = (format_.wire_names, points, reminders)
    return {kind: name for names in shapes for kind, name in names.items()}


def batch(bodies: Sequence[bytes]) -> bytes:
    """Several bodies of one format as one: a JSON array, in the order of the log."""
    return b"[" + b",".join(bodies) + b"]"


def version_of_tier(announcement: Announcement, tier_id: str) -> Version:
    """The version whose tier it is: the deciding one, or the one before where that dropped it."""
    rules, before = announcement.rules, announcement.before
    if tier_id not in rules.rank and before is not None and tier_id in before.rank:
        return before
    return rules


def tier_of(announcement: Announcement, tier_id: str) -> Tier | None:
    return version_of_tier(announcement, tier_id).tier(tier_id)


def once_per_version(version: Version, key: str, make: Callable[[], T]) -> T:
    """What a format works out once per version of the rules, on the version itself.

    A version is immutable and dies when nobody speaks of it any more; a cache beside it would
    have to guess both.
    """
    cache = version.__dict__
    value: T | None = cache.get(key)
    if value is None:
        value = cache[key] = make()
    return value
