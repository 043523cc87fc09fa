"""All that LoyaltyLion is."""

from __future__ import annotations

from tierline.model.schedule import HOUR, Schedule
from tierline.model.tenant import NameKind
from tierline.rules.program import Rules
from tierline.vendors.loyaltylion import signing
from tierline.vendors.loyaltylion.credentials import CLIENT_KEY, KEY
from tierline.vendors.loyaltylion.descriptions import DESCRIPTIONS
from tierline.vendors.loyaltylion.ladder import NAME
from tierline.vendors.loyaltylion.payloads import LionTopicsFormat, LoyaltyLionFormat
from tierline.vendors.loyaltylion.settings import compile_settings
from tierline.vendors.vendor import ProgramFacts, Vendor

SAMPLE = {
    "boundary_mode": "points",
    "membership": {"mode": "lifetime"},
    "tiers": [
        {"id": 1, "name": "Silver", "lower_bound": 0},
        {"id": 2, "name": "Gold", "lower_bound": 200},
    ],
}


def sample(facts: ProgramFacts) -> Rules:
    return compile_settings(SAMPLE, facts)


VENDOR = Vendor(
    name=NAME,
    formats=(LoyaltyLionFormat(), LionTopicsFormat()),
    # Exponential until 30 attempts were made; base and cap are not published, these are ours.
    retry=Schedule(tuple(min(15 << n, 6 * HOUR) for n in range(29))),
    timeout_ms=5_000,
    headers=frozenset({signing.HEADER, signing.TOPIC, signing.DOMAIN}),
    sample=sample,
    compile_settings=compile_settings,
    key=KEY,
    further_keys=(CLIENT_KEY,),
    descriptions=DESCRIPTIONS,
    names=(NameKind("merchant", "merchant_id", NAME),),
    has_program=True,
)
