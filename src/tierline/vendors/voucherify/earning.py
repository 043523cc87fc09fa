"""Voucherify's earning rules, compiled to ours.

Every trigger and every calculation of the v1 API: https://docs.voucherify.io/api-reference/
loyalties/earning-rule-object and https://docs.voucherify.io/build/earning-rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from tierline.model.calendar import format_instant
from tierline.model.events import EventKind
from tierline.model.validation import convert, invalid, optional_instant
from tierline.rules.earning_rule import (
    AttributeBecomes,
    CustomEvent,
    EarningRule,
    FixedPoints,
    Formula,
    HowMany,
    ItemFilter,
    Joining,
    OrderPaid,
    PointsPer,
    TierTrigger,
    Trigger,
)
from tierline.rules.ladder import Earning
from tierline.rules.validity import DailyHours, Recurrence, Validity, length_ms
from tierline.vendors.voucherify.cards import ExpirationRules, points_expiry
from tierline.vendors.voucherify.formulas import ORDER_PAID, translated

Digits = Annotated[
    str, Meta(pattern=r"^[0-9]{1,12}$", description="a whole number of at most 12 digits")
]
Count = Annotated[int, Meta(ge=0, le=10**12)] | Digits
Every = Annotated[int, Meta(ge=1, le=10**12)] | Digits
Text = Annotated[str, Meta(min_length=1, max_length=200)]
Days = Annotated[list[Annotated[int, Meta(ge=0, le=6)]], Meta(max_length=7)]  # 0 = Sunday

SEGMENT_ENTERED: Final = "customer.segment.entered"
_TIER_EVENT: Final = "customer.loyalty.tier."
_TIER_KINDS: Final[tuple[EventKind, ...]] = (
    *("joined", "left", "upgraded", "downgraded", "prolonged"),
)
ANY_TIER: Final = "__ANY__"
JOINING_RULE: Final = "loyalty_card.points"


class Applicable(Struct, frozen=True):
    """A product, a variant of one, or a collection of products."""

    object: Literal["products_collection", "product", "sku"] | None = None
    id: Text | None = None


class Ratio(Struct, frozen=True, forbid_unknown_fields=True):
    """`points` for every whole `every`. The vendor's own samples send numbers as text, too. A
    formula stands in for the points; these are what is given where it cannot be calculated."""

    every: Every
    points: Count | None = None
    points_formula: str | None = None
    property: Text | None = None
    object: Literal["products_collection", "product", "sku"] | None = None
    id: Text | None = None
    applicable_to: list[Applicable] | Applicable | None = None


class Ratios(Struct, frozen=True, forbid_unknown_fields=True):
    """What a ratio may be of: an order, its items, a customer or an event."""

    amount: Ratio | None = None
    total_amount: Ratio | None = None
    metadata: Ratio | None = None
    quantity: Ratio | None = None
    subtotal_amount: Ratio | None = None


class EarningLoyalty(Struct, frozen=True, forbid_unknown_fields=True):
    """How many points."""

    type: Literal["FIXED", "PROPORTIONAL"]
    points: Count | None = None
    points_formula: str | None = None
    calculation_type: (
        Literal[
            "ORDER_AMOUNT",
            "ORDER_TOTAL_AMOUNT",
            "ORDER_METADATA",
            "ORDER_ITEMS_QUANTITY",
            "ORDER_ITEMS_AMOUNT",
            "ORDER_ITEMS_SUBTOTAL_AMOUNT",
            "CUSTOMER_METADATA",
            "CUSTOM_EVENT_METADATA",
        ]
        | None
    ) = None
    order: Ratios | None = None
    order_items: Ratios | None = None
    customer: Ratios | None = None
    custom_event: Ratios | None = None


class PendingPoints(Struct, frozen=True):
    """So many days wait points until they can be spent."""

    period_type: Literal["DAY"]
    period_value: Annotated[int, Meta(ge=1, le=90)]


class Named(Struct, frozen=True):
    """Something by its id."""

    id: Text


class HoursOfDays(Struct, frozen=True):
    """From an hour to another on some days of the week, 0 = Sunday; none are all."""

    start_time: Annotated[str, Meta(pattern=r"^\d{2}:\d{2}")] | None = None
    expiration_time: Annotated[str, Meta(pattern=r"^\d{2}:\d{2}")] | None = None
    days_of_week: Days | None = None


class ValidityHours(Struct, frozen=True):
    daily: Annotated[list[HoursOfDays], Meta(max_length=50)] | None = None


class Timeframe(Struct, frozen=True):
    """For a while, again and again, counted from the start date."""

    duration: str | None = None
    interval: str | None = None


class TimeLimits(Struct, frozen=True):
    """When something gives points: a campaign, or a rule of it."""

    start_date: str | None = None
    expiration_date: str | None = None
    validity_timeframe: Timeframe | None = None
    validity_day_of_week: Days | None = None
    validity_hours: ValidityHours | None = None


class EarningSettings(TimeLimits, frozen=True, kw_only=True):
    """An earning rule as the API takes and prints it."""

    event: Text
    loyalty: EarningLoyalty
    id: Text | None = None
    active: bool | None = None
    validation_rule_id: str | None = None
    segment: Named | None = None
    loyalty_tier: Named | None = None
    pending_points: PendingPoints | None = None
    expiration_rules: ExpirationRules | None = None
    object: Literal["earning_rule"] | None = None


class Surroundings(Struct, frozen=True):
    """What the campaign says for all of its rules; the tiers' mappings by the rules' ids."""

    active: bool
    limits: TimeLimits
    mappings: Mapping[str, Mapping[str, Earning]]


_CALCULATIONS: Final[dict[str, tuple[str, str, str]]] = {
    # calculation: (where its ratio stands, under which name, our number)
    "ORDER_AMOUNT": ("order", "amount", "order.total"),
    "ORDER_TOTAL_AMOUNT": ("order", "total_amount", "amount"),
    "ORDER_METADATA": ("order", "metadata", "metadata"),
    "ORDER_ITEMS_QUANTITY": ("order_items", "quantity", "order.quantity"),
    "ORDER_ITEMS_AMOUNT": ("order_items", "amount", "order.items_amount"),
    "ORDER_ITEMS_SUBTOTAL_AMOUNT": ("order_items", "subtotal_amount", "order.items_subtotal"),
    "CUSTOMER_METADATA": ("customer", "metadata", "attribute"),
    "CUSTOM_EVENT_METADATA": ("custom_event", "metadata", "metadata"),
}


def earning_rule(rule: EarningSettings, id_: str, around: Surroundings, path: str) -> EarningRule:
    """Returns the rule in our words. Raises Invalid, naming the field."""
    if rule.validation_rule_id is not None:
        what = "there are no validation rules here; say the condition in points_formula"
        raise invalid(f"{path}.validation_rule_id", what)
    points, ratio = _points(rule.loyalty, rule.event, f"{path}.loyalty")
    return EarningRule(
        id=id_,
        trigger=_trigger(rule, ratio, path),
        points=points,
        tiers=dict(around.mappings.get(id_, {})),
        pending_days=rule.pending_points.period_value if rule.pending_points else None,
        expiry=None
        if rule.expiration_rules is None
        else points_expiry(rule.expiration_rules, f"{path}.expiration_rules"),
        active=around.active and rule.active is not False,
        validity=_validity(rule, around.limits, path),
    )


def joining_rule(points: int, around: Surroundings) -> EarningRule:
    """Returns the rule that credits a card's points at joining."""
    return EarningRule(
        id=JOINING_RULE,
        trigger=Joining(),
        points=FixedPoints(points),
        active=around.active,
        validity=_validity(TimeLimits(), around.limits, "settings"),
    )


# -- triggers ------------------------------------------------------------------------------------


def segment_attribute(segment: str) -> str:
    """The attribute that a member has while they are in a segment."""
    return f"segment.{segment}"


def _trigger(rule: EarningSettings, ratio: Ratio | None, path: str) -> Trigger:
    if rule.event == ORDER_PAID:
        return OrderPaid(items=None if ratio is None else _items(ratio))
    if rule.event == SEGMENT_ENTERED:
        if rule.segment is None:
            raise invalid(f"{path}.segment.id", f"{SEGMENT_ENTERED} needs a segment")
        return AttributeBecomes(segment_attribute(rule.segment.id))
    if not rule.event.startswith(_TIER_EVENT):
        return CustomEvent(rule.event)
    kinds = [kind for kind in _TIER_KINDS if rule.event == _TIER_EVENT + kind]
    if not kinds:
        kinds_ = ", ".join(_TIER_KINDS)
        raise invalid(f"{path}.event", f"no such event; of tiers there are {kinds_}")
    tier = None if rule.loyalty_tier is None else rule.loyalty_tier.id
    return TierTrigger((kinds[0],), None if tier == ANY_TIER else tier)


def _items(ratio: Ratio) -> ItemFilter | None:
    several = ratio.applicable_to or []
    objects = several if isinstance(several, list) else [several]
    objects = objects or [Applicable(ratio.object, ratio.id)]
    groups = [each.id for each in objects if each.id and each.object == "products_collection"]
    products = [each.id for each in objects if each.id and each.object != "products_collection"]
    if not groups and not products:
        return None
    return ItemFilter(products=tuple(products), groups=tuple(groups))


# -- points --------------------------------------------------------------------------------------


def _points(loyalty: EarningLoyalty, event: str, path: str) -> tuple[HowMany, Ratio | None]:
    """How many points, and the ratio that says of which items."""
    if loyalty.type == "FIXED":
        if loyalty.points is None and not loyalty.points_formula:
            raise invalid(f"{path}.points", "FIXED needs a number of points")
        points = int(loyalty.points or 0)
        if not loyalty.points_formula:
            return FixedPoints(points), None
        words = translated(loyalty.points_formula, event, f"{path}.points_formula")
        return Formula(f"default({words}, {points})"), None
    if loyalty.calculation_type is None:
        raise invalid(f"{path}.calculation_type", "PROPORTIONAL needs one")
    place, name, number = _CALCULATIONS[loyalty.calculation_type]
    _check_occasion(loyalty.calculation_type, place, event, f"{path}.calculation_type")
    ratios: Ratios | None = getattr(loyalty, place)
    ratio: Ratio | None = None if ratios is None else getattr(ratios, name)
    path = f"{path}.{place}.{name}"
    if ratio is None:
        raise invalid(path, f"{loyalty.calculation_type} needs it, with every and points")
    if int(ratio.every) < 1:
        raise invalid(f"{path}.every", "expected at least 1")
    return _per(ratio, number, event, path), ratio if place == "order_items" else None


def _check_occasion(calculation: str, place: str, event: str, path: str) -> None:
    of_order = event == ORDER_PAID
    of_event = not of_order and event != SEGMENT_ENTERED and not event.startswith(_TIER_EVENT)
    if place.startswith("order") and not of_order:
        raise invalid(path, f"{calculation} belongs to rules for {ORDER_PAID}")
    if place == "custom_event" and not of_event:
        raise invalid(path, f"{calculation} belongs to rules for custom events")


def _per(ratio: Ratio, number: str, event: str, path: str) -> HowMany:
    every, points = int(ratio.every), int(ratio.points or 0)
    if ratio.points is None and not ratio.points_formula:
        raise invalid(f"{path}.points", "it is needed")
    words, of = number, number
    if number in ("metadata", "attribute"):
        if ratio.property is None:
            raise invalid(f"{path}.property", "it names the metadata")
        words, of = f"{number}[{ratio.property!r}]", f"{number}.{ratio.property}"
    if number == "attribute":
        words = f"number({words})"
    elif not ratio.points_formula:
        return PointsPer(every, points, of)
    each = str(points)
    if ratio.points_formula:
        formula = translated(ratio.points_formula, event, f"{path}.points_formula")
        each = f"default({formula}, {points})"
    return Formula(f"floor({words} / {every}) * {each}")


# -- time ----------------------------------------------------------------------------------------


def _validity(rule: TimeLimits, campaign: TimeLimits, path: str) -> Validity | None:
    """A rule without limits of its own has the campaign's; nothing is earned outside these dates
    in any case."""
    starts = [
        optional_instant(rule.start_date, f"{path}.start_date"),
        optional_instant(campaign.start_date, "settings.start_date"),
    ]
    ends = [
        optional_instant(rule.expiration_date, f"{path}.expiration_date"),
        optional_instant(campaign.expiration_date, "settings.expiration_date"),
    ]
    own_start = next((at for at in starts if at is not None), None)
    if starts[0] is not None and ends[0] is not None and ends[0] <= starts[0]:
        raise invalid(f"{path}.expiration_date", "it lies before start_date")
    frame = rule.validity_timeframe or campaign.validity_timeframe
    recurrence = _recurrence(frame, own_start, path)
    start = max((at for at in starts if at is not None), default=None)
    if recurrence is not None:
        start = own_start
    end = min((at for at in ends if at is not None), default=None)
    hours = rule.validity_hours or campaign.validity_hours
    validity = Validity(
        starts_at=None if start is None else format_instant(start),
        ends_at=None if end is None else format_instant(max(end, (start or 0) + 1)),
        weekdays=_weekdays(rule.validity_day_of_week or campaign.validity_day_of_week),
        hours=tuple(
            _daily(each, f"{path}.validity_hours.daily[{i}]")
            for i, each in enumerate((hours and hours.daily) or ())
        ),
        recurrence=recurrence,
    )
    return None if validity == Validity() else validity


def _weekdays(days: list[int] | None) -> tuple[int, ...]:
    """Sunday is 0 there and 7 here."""
    return tuple(sorted({day or 7 for day in days or ()}))


def _daily(hours: HoursOfDays, path: str) -> DailyHours:
    start, end = hours.start_time or "00:00", hours.expiration_time or "00:00"
    days = _weekdays(hours.days_of_week)
    return convert({"from": start[:5], "to": end[:5], "weekdays": days}, DailyHours, path)


def _recurrence(frame: Timeframe | None, start: int | None, path: str) -> Recurrence | None:
    if frame is None or (frame.duration is None and frame.interval is None):
        return None
    if frame.duration is None or frame.interval is None:
        raise invalid(f"{path}.validity_timeframe", "expected duration and interval")
    if start is None:
        raise invalid(f"{path}.start_date", "validity_timeframe is counted from it; give it")
    fields = {"duration": frame.duration, "interval": frame.interval}
    recurrence = convert(fields, Recurrence, f"{path}.validity_timeframe")
    if not 0 < length_ms(recurrence.duration) <= length_ms(recurrence.interval):
        raise invalid(f"{path}.validity_timeframe.duration", "expected at most the interval")
    return recurrence


def printed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a rule's fields with numbers where the vendor's samples send text."""
    return {key: _numbers(value) if key == "loyalty" else value for key, value in fields.items()}


def _numbers(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    whole = {key: _numbers(inner) for key, inner in value.items()}
    for key in ("points", "every"):
        text = whole.get(key)
        if isinstance(text, str) and text.isascii() and text.isdigit():
            whole[key] = int(text)
    return whole
