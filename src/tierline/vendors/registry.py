"""The vendors, one line each, and what follows from all of them together."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import msgspec
from msgspec import Struct

from tierline.errors import Invalid
from tierline.model.tenant import NameKind
from tierline.rules.lint.finding import Finding
from tierline.rules.program import Rules
from tierline.vendors.vendor import EndpointFacts, Format, ProgramFacts, Vendor


def _vendor(folder: str) -> Vendor:
    vendor: Vendor = import_module(f"tierline.vendors.{folder}.vendor").VENDOR
    return vendor


VENDORS = (
    _vendor("voucherify"),
    _vendor("loyaltylion"),
    _vendor("standard"),
)

FORMATS: dict[str, Format[Any]] = {
    format_.name: format_ for vendor in VENDORS for format_ in vendor.formats
}
VENDOR_OF = {format_.name: vendor for vendor in VENDORS for format_ in vendor.formats}
SETTINGS = {
    vendor.name: vendor.compile_settings
    for vendor in VENDORS
    if vendor.compile_settings is not None
}
HEADERS = frozenset().union(*(vendor.headers for vendor in VENDORS))
KEY_KINDS = tuple(
    kind for vendor in VENDORS for kind in (vendor.key, *vendor.further_keys) if kind is not None
)
NAME_KINDS: tuple[NameKind, ...] = tuple(name for vendor in VENDORS for name in vendor.names)
DESCRIPTIONS = {field: text for vendor in VENDORS for field, text in vendor.descriptions.items()}
PROGRAM_FIELDS = {f"{vendor.name}_program": vendor.name for vendor in VENDORS if vendor.has_program}


def compile_settings(name: str, settings: Mapping[str, Any], facts: ProgramFacts) -> Rules:
    """A vendor's settings as rules. Raises Invalid, naming the field, also for a vendor that has
    no settings."""
    compile_ = SETTINGS.get(name)
    if compile_ is None:
        names = ", ".join(SETTINGS)
        raise Invalid(path="format", reason=f"format: expected one of {names}, not {name!r}.")
    return compile_(settings, facts)


def traps(rules: Rules) -> tuple[Finding, ...]:
    """What a vendor's pages warn of, for rules that came from its settings."""
    return tuple(
        finding
        for vendor in VENDORS
        if vendor.traps is not None and vendor.name in rules.presentations
        for finding in vendor.traps(rules)
    )


def endpoint_options() -> list[tuple[str, Any, Any]]:
    """Name, type and default of every format's options, in the order of the vendors. Raises
    ValueError where two formats mean different things by one name."""
    own = {field.name for field in msgspec.structs.fields(EndpointFacts)}
    options: dict[str, tuple[str, Any, Any]] = {}
    for format_ in FORMATS.values():
        for field in msgspec.structs.fields(format_.endpoint_facts):
            if field.name in own:
                continue
            option = (field.name, field.type, field.default)
            if options.setdefault(field.name, option) != option:
                raise ValueError(f"two formats have an option {field.name!r} of different types")
    return list(options.values())


def struct_of(name: str, fields: list[tuple[str, Any, Any]], **config: Any) -> type[Struct]:
    """A struct with these fields, as the base of one that shows them beside its own."""
    return msgspec.defstruct(name, fields, kw_only=True, module=__name__, **config)
