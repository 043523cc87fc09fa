"""Vendors: one folder each. Their words live here and nowhere else; the engine sees only rules.

The registry below is the one place that names them all. A vendor's own HTTP routes, of which there
are none yet, would be a module `routes`: not pure, and not imported here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tierline.errors import Invalid
from tierline.rules.lint.finding import Finding
from tierline.rules.program import Rules
from tierline.vendors.loyaltylion.payloads import LoyaltyLion
from tierline.vendors.loyaltylion.settings import compile_settings as compile_loyaltylion
from tierline.vendors.standard.payloads import CloudEvents, StandardWebhooks
from tierline.vendors.vendor import Compile, Format, ProgramFacts
from tierline.vendors.voucherify.payloads import Voucherify
from tierline.vendors.voucherify.settings import compile_settings as compile_voucherify
from tierline.vendors.voucherify.traps import traps as traps_of_voucherify

FORMATS: dict[str, Format] = {
    each.name: each for each in (Voucherify(), LoyaltyLion(), StandardWebhooks(), CloudEvents())
}
SETTINGS: dict[str, Compile] = {
    "voucherify": compile_voucherify,
    "loyaltylion": compile_loyaltylion,
}
TRAPS: dict[str, Callable[[Rules], Iterator[Finding]]] = {"voucherify": traps_of_voucherify}


def compile_settings(name: str, settings: Mapping[str, Any], facts: ProgramFacts) -> Rules:
    """A vendor's settings as rules. Invalid names the field, or a vendor that has none."""
    compile_ = SETTINGS.get(name)
    if compile_ is None:
        known = ", ".join(SETTINGS)
        raise Invalid(path="format", reason=f"format: expected one of {known}, not {name!r}.")
    return compile_(settings, facts)


def traps(rules: Rules) -> tuple[Finding, ...]:
    """What a vendor's pages warn of, for rules that came from its settings."""
    told = (find(rules) for vendor, find in TRAPS.items() if vendor in rules.presentations)
    return tuple(finding for findings in told for finding in findings)
