"""`/v1/loyalties/{campaign}/earning-rules`: what gives points. A change makes a version."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from tierline.errors import NotFound
from tierline.model import ids, validation
from tierline.model.calendar import format_instant
from tierline.rules.formula import half_up
from tierline.rules.program import Program
from tierline.vendors.voucherify.api import campaign_settings, campaign_versions, lists, programs
from tierline.vendors.voucherify.api.answers import Count
from tierline.vendors.voucherify.earning import ANY_TIER, printed
from tierline.vendors.voucherify.objects import Presentation
from tierline.web.routing import Call, Operation

RULES = "/v1/loyalties/{campaign}/earning-rules"
RULE = f"{RULES}/{{rule}}"
OF_TIER = "/v1/loyalties/{campaign}/tiers/{tier}/earning-rules"
RULES_MAX = 100
Json = dict[str, Any]
_INSTANTS = ("start_date", "expiration_date")


class EarningRuleRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A rule, new or changed. Null means: not given. What each part may be is typed where it is
    compiled (`earning.py`)."""

    event: str | None = None
    loyalty: Json | None = None
    custom_event: Json | None = None
    segment: Json | None = None
    loyalty_tier: Json | None = None
    validation_rule_id: str | None = None
    source: Json | None = None
    active: bool | None = None
    start_date: str | None = None
    expiration_date: str | None = None
    pending_points: Json | None = None
    expiration_rules: Json | None = None
    validity_timeframe: Json | None = None
    validity_day_of_week: list[int] | None = None
    validity_hours: Json | None = None
    metadata: Json | None = None


class EarningRuleObject(Struct, frozen=True):
    """What gives points."""

    id: str
    created_at: str
    updated_at: str | None
    validation_rule_id: str | None
    loyalty: Json
    event: str
    source: Json
    object: Literal["earning_rule"]
    automation_id: str
    active: bool
    metadata: Json
    custom_event: Json | UnsetType = UNSET
    segment: Json | UnsetType = UNSET
    loyalty_tier: Json | UnsetType = UNSET
    pending_points: Json | UnsetType = UNSET
    start_date: str | UnsetType = UNSET
    expiration_date: str | UnsetType = UNSET
    validity_timeframe: Json | UnsetType = UNSET
    validity_day_of_week: list[int] | UnsetType = UNSET
    validity_hours: Json | UnsetType = UNSET
    expiration_rules: Json | UnsetType = UNSET


class EarningRuleObjects(Struct, frozen=True):
    """A list of earning rules."""

    object: Literal["list"]
    data_ref: Literal["data"]
    data: list[EarningRuleObject]
    total: Count


# Objects ----------------------------------------------------------------------------------------


def rule_object(rule: Json, words: Presentation) -> Json:
    """Returns the rule as Voucherify prints it, whatever wrote it down."""
    campaign = words.campaign
    source = {**rule.get("source", {}), "object_id": campaign["id"], "object_type": "campaign"}
    return {
        "created_at": campaign["created_at"],
        "updated_at": None,
        "validation_rule_id": None,
        "active": True,
        "automation_id": ids.derived("auto_", campaign["id"], rule["id"], size=12),
        "metadata": {},
        **rule,
        "source": source,
        "object": "earning_rule",
    }


def mapped_loyalty(loyalty: Json, mapped: Json) -> Json:
    """Returns a rule's `loyalty` as a tier has it: its points are those that the tier gives."""
    if mapped["type"] == "CUSTOM":
        return {**loyalty, "points": mapped["points"]}
    multiplied: Json = {}
    for key, value in loyalty.items():
        multiplied[key] = mapped_loyalty(value, mapped) if isinstance(value, dict) else value
    if "points" in loyalty:
        multiplied["points"] = half_up(loyalty["points"] * Fraction(str(mapped["multiplier"])))
    return multiplied


def _fields(body: EarningRuleRequest) -> Json:
    fields = {
        key: value if key == "metadata" else campaign_settings.without_nulls(value)
        for key, value in msgspec.structs.asdict(body).items()
        if value is not None
    }
    for key in _INSTANTS:
        if key in fields:
            fields[key] = format_instant(validation.instant(fields[key], key))
    if "metadata" in fields:
        fields["metadata"] = validation.free_json(fields["metadata"], "metadata")
    return printed({key: value for key, value in fields.items() if value not in ({}, [])})


def _new(body: EarningRuleRequest, now: int) -> Json:
    fields = _fields(body)
    at = {"created_at": format_instant(now), "updated_at": None}
    rule = {"id": f"ern_{secrets.token_hex(12)}", **at, **fields, "object": "earning_rule"}
    return {"active": True, "metadata": {}, **rule}


# Routes -----------------------------------------------------------------------------------------


async def post_rules(call: Call, body: list[EarningRuleRequest]) -> list[Json]:
    """Adds rules, all or none; the answer is a bare array, in the order of the request."""
    if not body:
        raise validation.invalid("earning_rules", "expected at least one rule")
    program = await campaign_versions.newest(call)
    settings = campaign_versions.settings(call, program)
    before = list(settings.get("earning_rules", ()))
    if len(before) + len(body) > RULES_MAX:
        raise validation.invalid("earning_rules", f"a campaign has at most {RULES_MAX}")
    added = [_new(rule, call.now) for rule in body]
    for rule in added:
        _check_tier(call, program, rule)
    words = await _put(call, program, settings, [*before, *added])
    return [rule_object(rule, words) for rule in added]


async def list_rules(call: Call) -> Json:
    pages = lists.query(call, lists.PageQuery)
    _, program = await programs.find(call, call.param("campaign"))
    words = programs.words(call, program)
    return lists.page([rule_object(rule, words) for rule in words.rules], pages)


async def list_tier_rules(call: Call) -> Json:
    """The rules of a tier, with what the tier makes of their points."""
    pages = lists.query(call, lists.PageQuery)
    _, program = await programs.find(call, call.param("campaign"))
    words = programs.words(call, program)
    tier = words.tiers.get(call.param("tier"))
    if tier is None:
        raise NotFound(what="loyalty_tier", name=call.param("tier"), path="tier")
    rules = []
    for rule in words.rules:
        whole = rule_object(rule, words)
        mapped = tier["earning_rules"].get(rule["id"])
        if mapped is not None:
            whole = {**whole, "loyalty": mapped_loyalty(whole["loyalty"], mapped)}
        rules.append(whole)
    return lists.page(rules, pages)


async def get_rule(call: Call) -> Json:
    _, program = await programs.find(call, call.param("campaign"))
    words = programs.words(call, program)
    return rule_object(_rule(list(words.rules), call), words)


async def put_rule(call: Call, body: EarningRuleRequest) -> Json:
    """Changes what is given; what a rule answers stays, so `event` may be repeated and no more."""
    if body.event is not None:
        _, program = await programs.find(call, call.param("campaign"))
        rule = _rule(list(programs.words(call, program).rules), call)
        if rule["event"] != body.event:
            raise validation.invalid("event", "a rule keeps its event; make another rule")
    fields = _fields(body)
    return await _change(call, lambda rule: {**rule, **fields})


async def delete_rule(call: Call) -> None:
    """With what tiers made of it."""
    program = await campaign_versions.newest(call)
    settings = campaign_versions.settings(call, program)
    before = list(settings.get("earning_rules", ()))
    gone = _rule(before, call)["id"]
    tiers = []
    for tier in settings["loyalty_tiers"]:
        mappings = {key: value for key, value in tier["earning_rules"].items() if key != gone}
        tiers.append({**tier, "earning_rules": mappings})
    settings["loyalty_tiers"] = tiers
    await _put(call, program, settings, [rule for rule in before if rule["id"] != gone])


async def enable_rule(call: Call) -> Json:
    return await _change(call, lambda rule: {**rule, "active": True})


async def disable_rule(call: Call) -> Json:
    return await _change(call, lambda rule: {**rule, "active": False})


async def _change(call: Call, changed: Callable[[Json], Json]) -> Json:
    program = await campaign_versions.newest(call)
    settings = campaign_versions.settings(call, program)
    before = list(settings.get("earning_rules", ()))
    rule = _rule(before, call)
    after = changed(rule)
    if after == rule:
        words = programs.words(call, program, len(program.versions))
        return rule_object(rule, words)
    after = {**after, "updated_at": format_instant(call.now)}
    _check_tier(call, program, after)
    words = await _put(
        call, program, settings, [after if each is rule else each for each in before]
    )
    return rule_object(after, words)


def _rule(rules: list[Json], call: Call) -> Json:
    id_ = call.param("rule")
    for rule in rules:
        if rule["id"] == id_:
            return rule
    raise NotFound(what="earning_rule", name=id_, path="rule")


def _check_tier(call: Call, program: Program, rule: Json) -> None:
    """A tier that a rule waits for is one of the program. Raises NotFound."""
    tier = rule.get("loyalty_tier", {}).get("id", ANY_TIER)
    words = programs.words(call, program, len(program.versions))
    if tier != ANY_TIER and tier not in words.tiers:
        raise NotFound(what="loyalty_tier", name=str(tier), path="loyalty_tier.id")


async def _put(call: Call, program: Program, settings: Json, rules: list[Json]) -> Presentation:
    """Nobody moves by a change of rules for points."""
    settings = {**settings, "earning_rules": rules}
    made = await campaign_versions.put(
        call, program.id, settings, "next_assessment", len(program.versions)
    )
    changed = await call.parts.catalog.program_numbered(made.program, made.version)
    return programs.words(call, changed, made.version)


_READ, _WRITE = ("read_programs",), ("read_programs", "write_programs")
OPERATIONS = (
    Operation(
        "POST", RULES, post_rules, "Adds earning rules.",
        answer=list[EarningRuleObject], scopes=_WRITE, body=list[EarningRuleRequest],
    ),
    Operation(
        "GET", RULES, list_rules, "A program's earning rules.",
        answer=EarningRuleObjects, scopes=_READ, query=lists.PageQuery,
    ),
    Operation("GET", RULE, get_rule, "One earning rule.", answer=EarningRuleObject, scopes=_READ),
    Operation(
        "PUT", RULE, put_rule, "Changes an earning rule.",
        answer=EarningRuleObject, scopes=_WRITE, body=EarningRuleRequest,
    ),
    Operation(
        "DELETE", RULE, delete_rule, "Takes an earning rule away.", scopes=_WRITE, status=204,
    ),
    Operation("POST", f"{RULE}/enable", enable_rule, "Lets a rule give.",
              answer=EarningRuleObject, scopes=_WRITE),
    Operation("POST", f"{RULE}/disable", disable_rule, "Lets a rule give no more.",
              answer=EarningRuleObject, scopes=_WRITE),
    Operation(
        "GET", OF_TIER, list_tier_rules, "The rules as a tier has them.",
        answer=EarningRuleObjects, scopes=_READ, query=lists.PageQuery,
    ),
)  # fmt: skip
