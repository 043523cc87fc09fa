"""`/headless/2025-06/{site}`: what a storefront shows to a shopper."""

from __future__ import annotations

import asyncio
from typing import Any, Final, Literal, get_args

import msgspec
from msgspec import Struct

from tierline.analysis.ledger_effects import tier_periods
from tierline.analysis.points_history import points_history
from tierline.analysis.tier_progress import tier_progress
from tierline.errors import NotFound, Refused
from tierline.ledger import commands, customer_parsing
from tierline.ledger.commands import Assertion
from tierline.model import json_text, validation
from tierline.model.calendar import format_instant
from tierline.model.entries import Detail
from tierline.model.standing import Standing
from tierline.rules.earning_rule import CustomEvent
from tierline.store.customers import CustomerRow
from tierline.store.profiles import Profile
from tierline.vendors.loyaltylion.api import activities, customers, site
from tierline.vendors.loyaltylion.api import headless_objects as objects
from tierline.vendors.loyaltylion.api import headless_rules as rules_of
from tierline.vendors.loyaltylion.api.activities import LionBuyer, Name
from tierline.vendors.loyaltylion.api.customers import READ, WRITE
from tierline.vendors.loyaltylion.api.site import Site
from tierline.vendors.loyaltylion.ladder import rule_number
from tierline.web.routes.members import history
from tierline.web.routing import Call, Operation

Json = dict[str, Any]
ROOT: Final = "/headless/2025-06/{site}"
CUSTOMER: Final = f"{ROOT}/customers/{{customer}}"
Channel = Literal["web", "pos", "mobile"]
_FOLLOWS: Final = (
    "clickthrough",
    "facebook_like",
    "instagram_follow",
    "tiktok_follow",
    "twitter_follow",
)


class HeadlessQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """For whom an answer is; the channel may come as a header instead."""

    channel: Channel | None = None
    language: str | None = None
    country: str | None = None


class SessionCustomer(Struct, frozen=True):
    email: str | None = None


class SessionRequest(Struct, frozen=True):
    """Who looks at the shop. The page and the cart say nothing here."""

    customer: SessionCustomer = SessionCustomer()
    session: Json | None = None
    cart: Json | None = None


class BirthdayParts(Struct, frozen=True, forbid_unknown_fields=True):
    month: int
    day: int
    year: int | None = None


class BirthdayRequest(Struct, frozen=True, forbid_unknown_fields=True):
    birthday: BirthdayParts


class EmptyRequest(Struct, frozen=True):
    """Of a call whose path says it all."""


class RuleRequest(Struct, frozen=True):
    rule_id: int
    customer_merchant_id: Name


# What every call says ----------------------------------------------------------------------------


def _envelope(call: Call) -> Json:
    """Channel, currency and language. Raises Invalid without a channel, NotFound for another
    site."""
    query = call.query(HeadlessQuery)
    headers = call.request.headers
    channel = query.channel or headers.get("x-loyaltylion-channel")
    if channel not in get_args(Channel):
        raise validation.invalid("channel", f"expected one of {', '.join(get_args(Channel))}")
    number = call.param("site")
    if number != str(call.project.number):
        raise NotFound(what="site", name=number, path="site_id")
    language = query.language or headers.get("x-loyaltylion-language") or "en"
    validation.name(language, "language", 35)
    currency = call.project.currency.lower()
    return {"channel": channel, "currency": currency, "language": language}


def _configuration(call: Call, here: Site, envelope: Json) -> Json:
    rules = here.program.version(call.now).rules
    tiers = list(here.tiers(call).values())
    project, program = call.project.id, here.program.id
    return {
        **envelope,
        "program": {"name": rules.name},
        "tier_configuration": objects.tier_configuration(rules, tiers, call.project.currency),
        "rules": rules_of.rule_objects(rules, tiers, project, program),
        "rewards": [],
    }


# Customers ---------------------------------------------------------------------------------------


async def _customer(call: Call, here: Site, row: CustomerRow) -> Json:
    (lion,) = await site.lion_customers(call, here, [row])
    properties = json_text.parse(msgspec.json.encode(lion.properties))
    standing = await site.standing_of(call, here, row)
    if lion.blocked or standing is None or standing.joined_at is None:
        state = "blocked" if lion.blocked else "guest"
        return {**objects.named(lion, properties), "state": state}
    shape = objects.enrolled_object(row.customer, lion, properties, None)
    return await _with_ledger(call, here, row, standing, shape)


async def _with_ledger(
    call: Call, here: Site, row: CustomerRow, standing: Standing, shape: Json
) -> Json:
    """Membership, progress, rules and history: from the member's whole ledger."""
    entries = await history(call, row.id, here.number)
    at = max(call.now, standing.at)
    program, project = here.program, call.project
    moves = await asyncio.to_thread(points_history, program, entries, at)
    rules, tiers = program.version(call.now).rules, here.tiers(call)
    actions = rules_of.history_objects(moves, rules, project.id, program.id)
    held = None if standing.tier is None else tiers.get(standing.tier)
    if held is not None:
        way = await asyncio.to_thread(tier_progress, program, standing, at, entries)
        kind = objects.kind_of(rules)
        since = standing.joined_at if standing.since is None else standing.since
        end = standing.expires_at
        shape["tier_membership"] = {
            "tier_id": held.id,
            "started_at": format_instant(since or 0),
            "expires_at": None if end is None else format_instant(end),
            "progress": objects.progress_object(way, kind, tiers, held, project.currency),
        }
        shape["available_rules"] = rules_of.available_rules(
            rules, held, project.id, program.id, moves
        )
    for period in await asyncio.to_thread(tier_periods, program, entries, at):
        move = period.move.event
        tier = tiers.get(move.tier_to or "")
        if tier is not None and move.kind != "prolonged":
            actions.append(
                {
                    "kind": "entered_tier",
                    "label": f"Entered {tier.name}",
                    "date": format_instant(move.at),
                    "tier": {"id": tier.id, "name": tier.name},
                }
            )
    # Of one instant the points come first, and what they brought after them.
    actions.sort(key=lambda each: (str(each["date"]), "tier" in each), reverse=True)
    shape["history"] = actions[: rules_of.HISTORY_MAX]
    return shape


async def _whole(call: Call, here: Site, row: CustomerRow, envelope: Json) -> Json:
    customer = await _customer(call, here, row)
    return {
        **envelope,
        "customer": customer,
        "configuration": _configuration(call, here, envelope),
    }


async def get_configuration(call: Call) -> Json:
    envelope = _envelope(call)
    return _configuration(call, await site.need_site(call), envelope)


async def get_customer(call: Call) -> Json:
    envelope = _envelope(call)
    here = await site.need_site(call)
    return await _whole(call, here, await site.of_path(call), envelope)


async def post_session(call: Call, body: SessionRequest) -> Json:
    """Makes the customer where there is none."""
    envelope = _envelope(call)
    here = await site.need_site(call)
    buyer = LionBuyer(site.merchant_id(call), body.customer.email)
    row = await activities.customer_of(call, buyer)
    return {**await _whole(call, here, row, envelope), "requested_cart_actions": []}


async def post_enroll(call: Call, _body: EmptyRequest) -> Json:
    _envelope(call)
    here = await site.need_site(call)
    row = await site.of_path(call)
    standing = await site.standing_of(call, here, row)
    is_new = standing is None or standing.joined_at is None
    if is_new:
        _refuse_blocked(await site.lion_customer_of(call, row))
        enrol = commands.enrol(here.ref, site.name_of(row), number=row.id)
        await call.parts.writer.submit(enrol)
    return {"enrolled": is_new, "customer": await _customer(call, here, row)}


async def post_birthday(call: Call, body: BirthdayRequest) -> Json:
    """A birthday that is known stays."""
    _envelope(call)
    here = await site.need_site(call)
    row = await _enrolled(call, here, await site.of_path(call))
    before = objects.birthday_of(row.customer)
    if before is None:
        parts = body.birthday
        year = "-" if parts.year is None else f"{parts.year:04}"
        text = f"{year}-{parts.month:02}-{parts.day:02}"
        customer_parsing.birthdate(text, "birthday", max(call.now, call.wall))
        row = await customers.put(call, row, Profile(birthdate=text))
    customer = await _customer(call, here, row)
    return {"updated": before is None, "birthday": customer["birthday"], "customer": customer}


async def post_subscribe(call: Call, _body: EmptyRequest) -> Json:
    """There are no newsletters here: nothing is noted."""
    _envelope(call)
    here = await site.need_site(call)
    row = await _enrolled(call, here, await site.of_path(call))
    return {"subscribed": False, "customer": await _customer(call, here, row)}


async def post_custom_rule(call: Call, body: RuleRequest) -> Json:
    """A custom activity of the rule's name."""
    _envelope(call)
    here = await site.need_site(call)
    rules = here.program.version(call.now).rules.points.rules
    project, program = call.project.id, here.program.id
    rule = next((r for r in rules if rule_number(project, program, r.id) == body.rule_id), None)
    if rule is None:
        raise NotFound(what="rule", name=str(body.rule_id), path="rule_id")
    if not isinstance(rule.trigger, CustomEvent) or rules_of.rule_kind(rule) != "custom":
        raise Refused(reason="This rule is none of kind custom.", vendor_code="rule_kind_mismatch")
    if not rule.active:
        reason = "This rule is not enabled."
        raise Refused(reason=reason, vendor_code="rule_not_enabled_for_customer")
    name = validation.identifier(str(body.customer_merchant_id), "customer_merchant_id")
    row = await _enrolled(call, here, await site.find(call, name))
    assertion = Assertion(detail=Detail(name=rule.trigger.name))
    command = commands.command(here.ref, "custom", site.name_of(row), assertion, number=row.id)
    answer = await call.parts.writer.submit(command)
    if not answer.points:
        reason = "The customer has completed this rule as often as it gives points."
        raise Refused(reason=reason, vendor_code="rule_limit_reached")
    customer = await _customer(call, here, row)
    earned = (a for a in customer["history"] if a["kind"] == "earned_points_from_rule")
    return {"actions": [next(earned)], "customer": customer}


async def post_other_rule(call: Call, body: RuleRequest) -> Json:
    """There are no rules of these kinds here."""
    _envelope(call)
    raise NotFound(what="rule", name=str(body.rule_id), path="rule_id")


async def post_reward(call: Call, _body: Json) -> Json:
    """There are no rewards here."""
    _envelope(call)
    raise NotFound(what="reward", name=str(_body.get("reward_id", "")), path="reward_id")


async def _enrolled(call: Call, here: Site, row: CustomerRow) -> CustomerRow:
    _refuse_blocked(await site.lion_customer_of(call, row))
    standing = await site.standing_of(call, here, row)
    if standing is None or standing.joined_at is None:
        reason = "The customer is not enrolled."
        raise Refused(reason=reason, vendor_code="customer_not_enrolled")
    return row


def _refuse_blocked(lion: Any) -> None:
    if lion.blocked:
        raise Refused(reason="The customer is blocked.", vendor_code="customer_blocked")


def _post(path: str, handler: Any, about: str, body: Any) -> Operation:
    return Operation("POST", path, handler, about, scopes=WRITE, body=body, query=HeadlessQuery,
                     optional=body is EmptyRequest)  # fmt: skip


OPERATIONS = (
    Operation("GET", f"{ROOT}/configuration", get_configuration, "The program.", scopes=READ,
              query=HeadlessQuery),
    Operation("GET", CUSTOMER, get_customer, "A customer, as a storefront shows them.",
              scopes=READ, query=HeadlessQuery),
    _post(f"{CUSTOMER}/sessions", post_session, "Somebody looks at the shop.", SessionRequest),
    _post(f"{CUSTOMER}/enroll", post_enroll, "Enrols a customer.", EmptyRequest),
    _post(f"{CUSTOMER}/birthday", post_birthday, "Notes a birthday.", BirthdayRequest),
    _post(f"{CUSTOMER}/email_marketing/subscribe", post_subscribe, "Answers, and notes nothing.",
          EmptyRequest),
    _post(f"{ROOT}/rules/custom/complete", post_custom_rule, "Completes a rule.", RuleRequest),
    *(_post(f"{ROOT}/rules/{kind}/complete", post_other_rule, "There are no such rules.",
            RuleRequest) for kind in _FOLLOWS),
    _post(f"{ROOT}/rewards/{{kind}}/redeem", post_reward, "There are no rewards.", Json),
    _post(f"{ROOT}/rewards/{{kind}}/refund", post_reward, "There are no rewards.", Json),
)  # fmt: skip
