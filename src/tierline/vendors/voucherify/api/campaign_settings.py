"""Campaigns as Voucherify's routes take them, and the settings that they mean. Pure.

The routes say a campaign in pieces: the campaign, its tiers, and how tiers expire. The settings of
a program are all of them in one object (`settings.py`), so a change lays its piece over the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from tierline.model import validation
from tierline.model.calendar import format_instant
from tierline.rules.program import OnChange, Version
from tierline.rules.term import WhileQualified
from tierline.vendors.voucherify.api.card_codes import code_config
from tierline.vendors.voucherify.earning import TimeLimits
from tierline.vendors.voucherify.objects import Presentation

Json = dict[str, Any]


class CampaignOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """`recalculate_tiers`: who qualifies for more rises at once, and running terms get the end
    that the new rules give; nobody falls."""

    recalculate_tiers: bool | None = None


class CampaignRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What may be said of a campaign, when it is made and later. Null means: not given. What the
    settings know is typed there; what means nothing here is kept and shown."""

    name: str | None = None
    description: str | None = None
    campaign_type: Literal["LOYALTY_PROGRAM"] | None = None
    type: Literal["AUTO_UPDATE", "STATIC", "STANDALONE"] | None = None
    active: bool | None = None
    join_once: bool | None = None
    auto_join: bool | None = None
    use_voucher_metadata_schema: bool | None = None
    vouchers_count: int | None = None
    start_date: str | None = None
    expiration_date: str | None = None
    validity_timeframe: Json | None = None
    validity_day_of_week: list[int] | None = None
    validity_hours: Json | None = None
    activity_duration_after_publishing: str | None = None
    category_id: str | None = None
    category: str | None = None
    metadata: Json | None = None
    unset_metadata_fields: list[str] | None = None
    access_settings: Json | None = None
    validation_rules: list[str] | None = None
    voucher: Json | None = None
    loyalty_tiers: list[Json] | None = None
    loyalty_tiers_expiration: Json | None = None
    options: CampaignOptions | None = None
    # What other kinds of campaigns have; clients send them as null.
    referral_program: None = None
    promotion: None = None
    discount: None = None
    gift: None = None


class TierRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A tier, new or changed. The bounds are inclusive; only the highest tier is open."""

    name: str | None = None
    points: Json | None = None
    config: Json | None = None
    earning_rules: Json | None = None
    rewards: Json | None = None
    metadata: Json | None = None


_NOT_KEPT = frozenset({"options", "unset_metadata_fields", "name"})


def settings_of(words: Presentation) -> Json:
    """Returns the settings that a program's words came from, or that would say the same."""
    settings = {**words.campaign, "loyalty_tiers": list(words.tiers.values())}
    if words.expiration is not None:
        settings["loyalty_tiers_expiration"] = words.expiration
    if words.rules:
        settings["earning_rules"] = list(words.rules)
    settings.pop("updated_at", None)
    return settings


def as_kept_only(settings: Json) -> Json:
    """Returns settings without what the first versions of this API kept and did not mean."""
    card = {**settings["voucher"].get("loyalty_card", {}), "points": 0}
    others = {key: value for key, value in settings.items() if key not in _ONCE_KEPT_ONLY}
    return {**others, "voucher": {**settings["voucher"], "loyalty_card": card}}


_ONCE_KEPT_ONLY = frozenset(("active", *TimeLimits.__struct_fields__))


def new_settings(request: CampaignRequest, id_: str) -> Json:
    """Returns the settings of a new campaign. Raises Invalid where it has no name."""
    if request.name is None:
        raise validation.invalid("name", "it is needed")
    fields = _fields(request)
    fields["metadata"] = request.metadata or {}
    voucher = fields.get("voucher") or {}
    config = code_config(voucher.get("code_config", {}))
    fields["voucher"] = {**voucher, "code_config": config}
    return {"loyalty_tiers": [], **fields, "id": id_, "name": request.name}


def changed_settings(before: Json, request: CampaignRequest) -> Json:
    """Returns the settings with what was said laid over them; metadata key by key."""
    metadata = {**before["metadata"], **(request.metadata or {})}
    for key in request.unset_metadata_fields or ():
        metadata.pop(key, None)
    name = before["name"] if request.name is None else request.name
    fields = _fields(request)
    if "voucher" in fields:
        whole = {**before["voucher"], **fields["voucher"]}
        fields["voucher"] = {**whole, "code_config": code_config(whole["code_config"])}
    return {**before, **fields, "metadata": metadata, "name": name}


def _fields(request: CampaignRequest) -> Json:
    fields = {
        field: value
        for field, value in msgspec.structs.asdict(request).items()
        if value is not None and field not in _NOT_KEPT
    }
    for field in ("start_date", "expiration_date"):
        if field in fields:
            fields[field] = format_instant(validation.instant(fields[field], field))
    if "voucher" in fields:
        fields["voucher"] = without_nulls(fields["voucher"])
    if "loyalty_tiers_expiration" in fields:
        fields["loyalty_tiers_expiration"] = without_nulls(fields["loyalty_tiers_expiration"])
    return fields


def tier_settings(request: TierRequest) -> Json:
    """Returns what was said of a tier."""
    fields = msgspec.structs.asdict(request).items()
    return {
        field: value if field == "metadata" else without_nulls(value)
        for field, value in fields
        if value is not None
    }


def without_nulls(value: Any) -> Any:
    """Clients write null for whatever was not given."""
    if isinstance(value, Mapping):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [without_nulls(inner) for inner in value]
    return value


def on_recalculation(request: CampaignRequest) -> OnChange:
    """Returns what a change of the rules does to members: nothing, unless tiers are to be
    recalculated."""
    recalculates = request.options is not None and request.options.recalculate_tiers
    return "up_only" if recalculates else "next_assessment"


def on_tiers(version: Version) -> OnChange:
    """Returns what a change of the ladder does to members: whose tier has no end of its own moves
    up and down, all others only up."""
    return "rejudge" if isinstance(version.rules.policy.term, WhileQualified) else "up_only"


def campaign_answer(words: Presentation) -> Json:
    """Returns the whole campaign object, as an answer of its own."""
    return {"validation_rules_assignments": _empty_list(), **campaign_item(words)}


def campaign_item(words: Presentation) -> Json:
    """Returns the campaign as an item of a list."""
    answer = {
        "use_voucher_metadata_schema": False,
        "creation_status": "DONE",
        "vouchers_generation_status": "DONE",
        "readonly": False,
        "protected": False,
        "categories": [],
        **words.campaign,
    }
    if words.expiration is not None:
        answer["loyalty_tiers_expiration"] = words.expiration
    return answer


def tier_answers(words: Presentation) -> list[Json]:
    """Returns the tiers, lowest first."""
    return list(words.tiers.values())


def _empty_list() -> Json:
    return {"object": "list", "data_ref": "data", "data": [], "total": 0}


def named(tiers: Iterable[Json], names: Iterable[str]) -> list[Json]:
    """Returns the tiers of these names, in the order of the names."""
    by_name = {tier["name"]: tier for tier in tiers}
    return [by_name[name] for name in names]
