"""What every wire format is: one event in, bytes out; and the facts that it may depend on.

A body is a function of (Announcement, EndpointFacts, format version) and of nothing else, so that
every attempt sends the same bytes. A change of what a format prints is a new version string; an
endpoint keeps the version it was made with until somebody raises it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeVar

from msgspec import Struct

from tierline.engine.announcement import Announcement
from tierline.model.events import EventKind
from tierline.rules.ladder import Tier
from tierline.rules.program import Rules, Version

Made = TypeVar("Made")

SAMPLE_EVENT = "evt_" + "0" * 28  # the id of a test event: nothing in the log has it


class EndpointFacts(Struct, frozen=True, omit_defaults=True):
    """What a payload may know of the endpoint that it goes to.

    A lane that must repeat its bytes keeps this whole (it is small and encodes as JSON): a later
    change of the URL or of an option is for events that were not yet tried.
    """

    id: str  # ours
    url: str
    vendor_id: str | None = None  # the id under which a vendor's route made it: wh_…, 815
    source: Literal["webhook", "distribution"] = "webhook"  # Voucherify: what it pretends to be
    event_name: str | None = None  # Voucherify: `type` of the envelope, a distribution's free text
    raw: bool = False  # Voucherify: `data` alone, without the envelope
    position_base: Literal[0, 1] = 1  # LoyaltyLion: `position` of the first tier
    thin: bool = False  # Standard Webhooks, CloudEvents: ids alone
    extended: bool = False  # vendors' envelopes: our own event as one more key, `tierline`


class Secrets(Struct, frozen=True, omit_defaults=True):
    """What signs at this instant. `vendor`: the one secret of the vendor's header, which switches
    when it is rotated. `standard`: `whsec_…` and `whsk_…`, newest first; all of them sign."""

    vendor: str | None = None
    standard: tuple[str, ...] = ()


class ProgramFacts(Struct, frozen=True):
    """What compiling vendor settings may know of the program besides the settings."""

    id: str
    project: str
    at: int  # now: the creation time of what carries none of its own
    currency: str = "USD"
    name: str | None = None  # what the request calls it, where the settings name nothing
    previous: Rules | None = None  # the version before: tiers keep their ids by unchanged name


class Format(Protocol):
    """One wire format. Adding one adds a folder and a line in `vendors.FORMATS`."""

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

    def render(self, told: Announcement, endpoint: EndpointFacts, version: str) -> bytes | None:
        """The body; None where the format has no such event, which is then settled as filtered."""
        ...

    def delivery_id(self, event_id: str, endpoint_id: str) -> str:
        """The id of the send-out, the same for every attempt and replay; also `webhook-id`."""
        ...

    def headers(
        self, told: Announcement, endpoint: EndpointFacts, body: bytes, secrets: Secrets
    ) -> dict[str, str]:
        """The vendor's own headers (signature, topic, user agent) without those of Standard
        Webhooks, which every delivery carries too (`vendors.standard.signing.headers`)."""
        ...


Compile = Callable[[Mapping[str, Any], ProgramFacts], Rules]


def batch(bodies: Sequence[bytes]) -> bytes:
    """Several bodies of one format as one: a JSON array, in the order of the log."""
    return b"[" + b",".join(bodies) + b"]"


def holder_of(told: Announcement, tier_id: str) -> Version:
    """The version whose tier it is: the deciding one, or the one before where that dropped it."""
    before = told.before
    if tier_id not in told.rules.rank and before is not None and tier_id in before.rank:
        return before
    return told.rules


def tier_of(told: Announcement, tier_id: str) -> Tier | None:
    return holder_of(told, tier_id).tier(tier_id)


def prepared(version: Version, key: str, make: Callable[[], Made]) -> Made:
    """What a format works out once per version of the rules, kept on the version itself.

    A version is immutable and dies when nobody speaks of it any more; a cache beside it would
    have to guess both.
    """
    kept = version.__dict__
    found: Made | None = kept.get(key)
    if found is None:
        found = kept[key] = make()
    return found
