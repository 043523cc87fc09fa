"""All that Voucherify is."""

from __future__ import annotations

from tierline.model.schedule import Schedule
from tierline.rules.program import Rules
from tierline.vendors.vendor import ProgramFacts, Vendor
from tierline.vendors.voucherify import signing
from tierline.vendors.voucherify.credentials import KEY
from tierline.vendors.voucherify.descriptions import DESCRIPTIONS
from tierline.vendors.voucherify.objects import NAME
from tierline.vendors.voucherify.payloads import VoucherifyFormat
from tierline.vendors.voucherify.settings import compile_settings
from tierline.vendors.voucherify.traps import traps

SAMPLE = {
    "id": "camp_000000000000000000000000",
    "loyalty_tiers": [
        {"id": "ltr_000000000000000001", "name": "Silver", "points": {"from": 0, "to": 199}},
        {"id": "ltr_000000000000000002", "name": "Gold", "points": {"from": 200}},
    ],
}


def sample(facts: ProgramFacts) -> Rules:
    return compile_settings(SAMPLE, facts)


VENDOR = Vendor(
    name=NAME,
    formats=(VoucherifyFormat(),),
    # 1, 2, 4 … minutes since the first attempt; the last of twelve is cut to 24 h.
    retry=Schedule(tuple(min(60 << n, 86_400) for n in range(12)), since="first"),
    timeout_ms=10_000,
    headers=frozenset({signing.HEADER}),
    sample=sample,
    compile_settings=compile_settings,
    traps=traps,
    key=KEY,
    descriptions=DESCRIPTIONS,
)
