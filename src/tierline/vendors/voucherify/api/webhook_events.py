"""The names of events that a webhook may ask for. Pure.

Voucherify's own list has no tier events (they are "distributions" there) and four misspelt names.
Here tier events are names like any other. What Tierline has no event for is taken and answered as
it was sent, so that scripts go on; nothing is ever sent for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from tierline.model.validation import invalid
from tierline.vendors.voucherify.payloads import VoucherifyFormat
from tierline.vendors.voucherify.points_payloads import NAMES as POINTS
from tierline.vendors.voucherify.points_payloads import VOICES, Voice, kinds_of, voice_of

_PUBLISHED: Final = {
    "business_validation_rule": "assignment.created assignment.deleted created deleted updated",
    "campaign": (
        "created deleted disabled enabled updated "
        "earning_rule.assigned earning_rule.deleted earning_rule.disabled earning_rule.enabled "
        "earning_rule.updated loyalty_tier.created loyalty_tier.deleted loyalty_tier.updated "
        "promotion_stack.created promotion_stack.updated promotion_tier.created "
        "promotion_tier.deleted promotion_tier.disabled promotion_tier.enabled "
        "promotion_tier.updated referral_tier.created referral_tier.deleted referral_tier.updated "
        "reward.assignment.created reward.assignment.deleted reward.assignment.updated "
        "vouchers.aded vouchers.generation.completed vouchers.generation.failed "
        "vouchers.generation.started"
    ),
    "customer": "confirmed created deleted rewarded rewarded.loyalty_points",
    "publication": "succeeded",
    "redemption": "failed succeeded rollback.failed rollback.succeeded",
    "voucher": (
        "created deleted disabled enabled published updated "
        "gift.balance_aded gift.transaction.created "
        "loyalty_card.pending_points.activated loyalty_card.pending_points.aded "
        "loyalty_card.pending_points.canceled loyalty_card.pending_points.updated "
        "loyalty_card.points_aded loyalty_card.points_expired loyalty_card.transaction.created"
    ),
}
# What the vendor's management API knows; its Python SDK refuses an answer with any other name.
PUBLISHED: Final = frozenset(
    f"{area}.{name}" for area, names in _PUBLISHED.items() for name in names.split()
)
TIER_EVENTS: Final = frozenset(VoucherifyFormat.wire_names.values())
NAMES: Final = (
    PUBLISHED
    | TIER_EVENTS
    | {name.replace("aded", "added") for name in PUBLISHED}
    | POINTS
    | {"customer.updated"}
)


def checked(names: Sequence[str] | None) -> tuple[str, ...]:
    """Returns the names as they were sent. Raises Invalid for none, or for an unknown one."""
    if not names:
        raise invalid("events", "expected at least one event")
    for i, name in enumerate(names):
        if name not in NAMES:
            raise invalid(f"events[{i}]", f"there is no event {name!r}")
    return tuple(names)


def kinds(names: Iterable[str]) -> list[str]:
    """Returns the kinds of event that an endpoint has to hear for these names, each once: tier
    events by their names, points events by ours."""
    heard: list[str] = []
    for name in names:
        heard += [name] if name in TIER_EVENTS else kinds_of(name)
    return list(dict.fromkeys(heard))


def by_voice(names: Sequence[str]) -> dict[Voice, tuple[str, ...]]:
    """Returns the names that each endpoint of a webhook says, the webhook's own first: it says all
    but those of which a further name exists for the same change of points."""
    voices = [voice for voice in VOICES if any(voice_of(name) == voice for name in names)]
    if len(voices) < 2:
        return {"any": tuple(names)}
    shared = [name for name in names if voice_of(name) is None]
    own = {voice: [name for name in names if voice_of(name) == voice] for voice in voices}
    own[voices[0]] += shared
    return {voice: tuple(said) for voice, said in own.items()}


def parsable(names: Iterable[str]) -> list[str]:
    """Returns the names that the vendor's own SDKs know."""
    return [name for name in names if name in PUBLISHED]
