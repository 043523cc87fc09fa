"""Our own formats: Standard Webhooks and CloudEvents."""

from __future__ import annotations

from tierline.model.schedule import HOUR, Schedule
from tierline.rules.ladder import Tier
from tierline.rules.policy import Policy
from tierline.rules.program import Rules
from tierline.vendors.standard import signing
from tierline.vendors.standard.payloads import CloudEvents, StandardWebhooks
from tierline.vendors.vendor import ProgramFacts, Vendor


def sample(facts: ProgramFacts) -> Rules:
    tiers = (Tier("silver", "Silver", from_=0, to=199), Tier("gold", "Gold", from_=200))
    return Rules(facts.name or facts.id, Policy(tiers))


VENDOR = Vendor(
    name="standard",
    formats=(StandardWebhooks(), CloudEvents()),
    # The table of the Standard Webhooks specification: about 75 hours.
    retry=Schedule((5, 300, 1800, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)),
    timeout_ms=15_000,
    headers=frozenset({signing.ID, signing.TIMESTAMP, signing.SIGNATURE}),
    sample=sample,
)
