"""Random programs: rules in which every value that there is occurs, and later versions of them."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec

from tests.fuzz.earning import changed_rules, fitting, random_rules
from tests.fuzz.stories import DAY, HOUR
from tests.fuzz.vendor_programs import vendor_rules
from tierline.rules.lint.lint import lint
from tierline.rules.points import Points
from tierline.rules.policy import Policy
from tierline.rules.program import OnChange, Program, Rules, Version

Json = dict[str, Any]
HOW: tuple[OnChange, ...] = ("next_assessment", "up_only", "rejudge")
STACKING = ("all", "all", "best", "first")
UNITS = ("day", "week", "month", "quarter", "half_year", "year")


def random_program(chance: Random, zone: str, start: int) -> Program:
    if chance.random() < 0.12:
        return vendor_program(chance, zone, start)
    policy = random_policy(chance)
    points = random_points(chance)
    if chance.random() < 0.15:
        following_the_balance(chance, policy, points)
    elif chance.random() < 0.06:
        in_a_row(chance, policy)
    versions = [Version(1, 0, make_rules(policy, points))]
    at = start
    while chance.random() < 0.25 and len(versions) < 4:
        at += chance.randint(1, 300) * DAY + chance.choice((0, 5 * HOUR))
        policy = changed(chance, policy)
        points = random_points(chance) if chance.random() < 0.2 else points
        if "rules" in points and chance.random() < 0.3:
            points = points | {"rules": changed_rules(chance, points["rules"])}
        how = chance.choice(HOW)
        versions.append(Version(len(versions) + 1, at, make_rules(policy, points), how))
    return Program("program", "project", zone, "EUR", tuple(versions))


def vendor_program(chance: Random, zone: str, start: int) -> Program:
    """In a vendor's words, whose settings are changed now and then."""
    rules = vendor_rules(chance)
    versions = [Version(1, 0, rules())]
    if chance.random() < 0.2:
        at = start + chance.randint(1, 300) * DAY
        versions.append(Version(2, at, rules(), chance.choice(HOW)))
    return Program("program", "project", zone, "EUR", tuple(versions))


def following_the_balance(chance: Random, policy: Json, points: Json) -> None:
    """Tiers that rise and fall with points that expire: time alone moves members up and down."""
    policy |= {"metric": {"source": "balance"}, "window": {"type": "instant"}}
    policy |= {"start": {"when": "immediate"}, "term": {"type": "while_qualified"}}
    policy["assessment"] = {"up": "on_activity", "down": "on_activity"}
    points["expiry"] = {"type": "after", "length": chance.choice(("P10D", "P1M"))}


def in_a_row(chance: Random, policy: Json) -> None:
    """Terms that are renewed from their end, by points that stay."""
    policy |= {"metric": {"source": "earned"}, "window": {"type": "instant"}}
    policy["start"] = {"when": "immediate"}
    policy["term"] = {"type": "duration", "length": chance.choice(("P1M", "P3M", "P6M", "P1Y"))}
    policy["term"]["inclusive"] = chance.random() < 0.3
    policy["renewal"] = {"basis": "term_end"}
    policy["assessment"] = {"up": "on_activity", "down": "on_activity"}


def make_rules(policy: Json, points: Json) -> Rules:
    if "rules" in points:
        tiers = {tier["id"] for tier in policy["tiers"]}
        points = points | {"rules": fitting(points["rules"], tiers)}
    return Rules("Fuzz", msgspec.convert(policy, Policy), msgspec.convert(points, Points))


def random_points(chance: Random) -> Json:
    expiry = chance.choice(
        [{"type": "never"}] * 3
        + [
            {"type": "after", "length": chance.choice(("P0M", "P1M", "P10D", "P1Y"))},
            {"type": "after", "length": "P2M", "round_to": chance.choice(UNITS)},
            {"type": "after", "length": "P1M", "month": chance.randint(1, 12)},
            {"type": "day_of_year", "day": chance.choice(("12-31", "06-30", "02-29"))},
        ]
    )
    made: Json = {"expiry": expiry, "pending_days": chance.choice((0, 0, 0, 0, 3, 14))}
    if chance.random() < 0.1:
        own = {"type": "after", "length": chance.choice(("P10D", "P2M"))}
        made["orders"] = {"every": 10, "points": 1, "expiry": own}
    rules = Random(chance.random())  # of their own: programs without any are as they were
    if rules.random() < 0.4:
        made |= {"rules": random_rules(rules), "stacking": rules.choice(STACKING)}
        if rules.random() < 0.3:
            made["orders"] = {"every": rules.choice((1, 10)), "points": 1}
    return made


def random_metric(chance: Random) -> Json:
    return chance.choice(
        (
            {"source": "balance"}, {"source": "balance"}, {"source": "earned"},
            {"source": "balance", "include_pending": True},
            {"source": "earned", "include_pending": True, "filter": {"kinds": ["order", "adjust"]}},
            {"source": "count", "filter": {"names": ["visit"], "metadata": {"gift": False}}},
            {"source": "spend", "filter": {"kinds": ["custom"]}},
            {"source": "earned"}, {"source": "earned", "include_pending": True},
            {"source": "spend"}, {"source": "count"},
            {"source": "count", "filter": {"kinds": ["custom"], "names": ["visit"]}},
            {"source": "sum", "of": "nights"},
            {"source": "earned", "filter": {"kinds": ["order", "earn"]}},
            {"source": "earned", "filter": {"not_metadata": {"gift": True}}},
            {"source": "spend", "filter": {"metadata": {"channel": "web"}}},
        )
    )  # fmt: skip


def random_window(chance: Random) -> Json:
    return chance.choice(
        (
            {"type": "instant"}, {"type": "instant"},
            {"type": "since", "anchor": "join"},
            {"type": "since", "anchor": "2023-06-01"},
            {"type": "since", "anchor": "attribute:renewal"},
            {"type": "rolling", "length": "P1M"}, {"type": "rolling", "length": "P45D"},
            {"type": "rolling", "length": "P12M"},
            {"type": "calendar", "unit": "month"}, {"type": "calendar", "unit": "quarter"},
            {"type": "calendar", "unit": "year"}, {"type": "calendar", "unit": "week"},
            {"type": "calendar", "unit": "half_year"}, {"type": "calendar", "unit": "day"},
            {"type": "calendar", "unit": "year", "offset_months": 3},
            {"type": "calendar", "unit": "half_year", "offset_months": 2, "offset_days": 5},
            {"type": "calendar", "unit": "month", "offset_days": 14},
            {"type": "calendar", "unit": "week", "offset_days": 6},
            {"type": "cycle", "length": "P1Y"}, {"type": "cycle", "length": "P1M"},
            {"type": "cycle", "length": "P60D"},
            {"type": "cycle", "length": "P6M", "anchor": "2020-02-29"},
            {"type": "cycle", "length": "P3M", "anchor": "attribute:renewal"},
        )
    )  # fmt: skip


def random_term(chance: Random) -> Json:
    kind = chance.randint(0, 6)
    if kind == 0:
        return {"type": "while_qualified"}
    if kind == 1:
        return {"type": "forever"}
    if kind in (2, 3):
        made: Json = {"type": "window_end", "windows": chance.choice((0, 0, 1, 1, 2))}
        if chance.random() < 0.3:
            made["extend"] = chance.choice(("P7D", "P1M", "P2M", "P5M"))
        return made | ({"rounding": random_rounding(chance)} if chance.random() < 0.2 else {})
    if kind in (4, 5):
        made = {"type": "duration", "length": chance.choice(("P1M", "P3M", "P30D", "P1Y"))}
        made["inclusive"] = chance.random() < 0.6
        made["clock"] = chance.choice(("grant", "grant", "drop"))
        if chance.random() < 0.4:
            made["rounding"] = random_rounding(chance)
        return made
    return {"type": "dates", "days": chance.sample(["01-31", "02-29", "06-30", "12-31"], 2)}


def long_term(chance: Random) -> Json:
    """One that ends inside a later window, and not with one."""
    if chance.random() < 0.3:
        return {"type": "duration", "length": chance.choice(("P45D", "P3M", "P1Y"))}
    longer = chance.choice(("P7D", "P10D", "P1M", "P2M", "P5M"))
    return {"type": "window_end", "windows": chance.choice((0, 0, 1, 2)), "extend": longer}


def random_rounding(chance: Random) -> Json:
    return chance.choice(
        (
            {"unit": "month"},
            {"unit": chance.choice(UNITS)},
            {"unit": "month", "edge": "start"},
            {"unit": chance.choice(UNITS), "edge": "start"},
            {"month": chance.randint(1, 12)},
        )
    )


def random_criterion(chance: Random, low: int, deep: int = 0) -> Json:
    kind = chance.randint(0, 5 if deep < 2 else 2)
    if kind == 0:
        return {"type": "range", "from": low, "metric": chance.choice((None, "second"))}
    if kind == 1:
        return {"type": "attribute", "name": "club", "is": chance.choice((True, "gold"))}
    if kind == 2:
        return chance.choice(
            (
                {"type": "range", "from": low},
                {"type": "member_for", "length": chance.choice(("P1M", "P40D"))},
            )
        )
    parts = [random_criterion(chance, low, deep + 1) for _ in range(chance.randint(1, 3))]
    if kind == 5:
        return {"type": "at_least", "k": chance.randint(1, len(parts)), "of": parts}
    return {"type": "all" if kind == 3 else "any", "of": parts}


def random_tiers(chance: Random, *, simple: bool) -> list[Json]:
    low = chance.choice((0, 0, 2, 50, 100))
    tiers = []
    for number in range(chance.randint(1, 4)):
        tier: Json = {"id": f"t{number}", "name": f"Tier {number}", "from": low}
        if number == 0 and chance.random() < 0.2:
            del tier["from"]  # no lower bound: a debt does not leave it
        step = chance.choice((2, 50, 100, 150))
        if chance.random() < 0.15:
            tier["to"] = low + step - 1
        if not simple:
            decorate(chance, tier, low)
        tiers.append(tier)
        low += step
        if chance.random() < 0.06:  # between others, and bounding nobody
            closed = {"id": f"c{number}", "name": f"Closed {number}", "hidden": True}
            place = chance.choice((0, len(tiers), len(tiers)))
            tiers.insert(place, closed | {"from": chance.randint(0, 300)})
    return tiers


def decorate(chance: Random, tier: Json, low: int) -> None:
    """The rarer properties of tiers."""
    if chance.random() < 0.15:
        tier["retain"] = {"type": "range", "from": low // 2}
        if chance.random() < 0.3:
            tier["retain"] = random_criterion(chance, low // 2)
    if chance.random() < 0.12:
        tier["reentry"] = {"type": "range", "from": low + 30}
        if chance.random() < 0.3:
            tier["reentry"] = random_criterion(chance, low + 30)
    if chance.random() < 0.08:
        tier[chance.choice(("hidden", "invitation"))] = True
    if chance.random() < 0.15:
        tier["entry"] = random_criterion(chance, low)
        tier.pop("from", None), tier.pop("to", None)
    if chance.random() < 0.12:
        tier["lapse"] = chance.choice(("keep", "one_step", "to_qualifying", "to_base", "leave"))
    if chance.random() < 0.12:
        tier["term"] = random_term(chance)
        if chance.random() < 0.1:
            tier["term"] = {"type": "attribute", "name": "renewal"}


def anchored(chance: Random, policy: Json) -> None:
    """What is laid out from a tier's start, or from an attribute."""
    cycle = {"type": "cycle", "length": "P2M", "anchor": "tier_start"}
    if chance.random() < 0.15:
        policy["window"] = chance.choice(({"type": "since", "anchor": "tier_start"}, cycle))
    if chance.random() < 0.1 and policy["measures"]:
        policy["measures"]["second"]["window"] = {"type": "since", "anchor": "tier_start"}
    if chance.random() < 0.1:
        policy["term"] = {"type": "attribute", "name": "renewal"}


def carry_over(policy: Json, measure: Json) -> None:
    """What a period brings into the next, in some programs that have periods. Chance is its own,
    so that the rest of a seed's world stays as it was."""
    chance = Random(f"carry over {policy}")
    window, balance = measure["window"], measure["metric"]["source"] == "balance"
    if balance or window["type"] not in ("calendar", "cycle") or chance.random() > 0.35:
        return
    bounds = {1, 20, *(tier["from"] for tier in policy["tiers"] if tier.get("from"))}
    above = sorted(chance.sample(sorted(bounds), chance.randint(1, min(3, len(bounds)))))
    measure["window"] = window | {"carry_over": {"above": above}}
    if chance.random() < 0.2:
        measure["window"]["carry_over"]["most"] = chance.choice((30, 100))


def random_policy(chance: Random) -> Json:
    simple = chance.random() < 0.5
    policy: Json = {
        "tiers": random_tiers(chance, simple=simple),
        "metric": random_metric(chance),
        "window": random_window(chance),
        "measures": {"second": {"metric": random_metric(chance), "window": random_window(chance)}},
        "assessment": {
            "up": chance.choice(("on_activity",) * 4 + ("at_term_end", "at_window_end")),
            "down": chance.choice(("on_activity",) * 3 + ("at_term_end", "at_window_end")),
        },
        "start": {"when": chance.choice(("immediate",) * 3 + ("next_window",))},
        "term": random_term(chance),
        "renewal": {
            "basis": chance.choice(("term_end", "now")),
            "restart": chance.choice(("upgrade", "requalified")),
        },
        "lapse": {
            "then": chance.choice(("to_qualifying",) * 4 + ("keep", "one_step", "to_base", "leave"))
        },
        "corrections": chance.choice(("forward", "forward", "retroactive", "protect")),
        "tell_grace": chance.choice((True, True, True, False, None)),
    }
    return fitted(chance, policy)


def fitted(chance: Random, policy: Json) -> Json:
    """The rarer parts, and such as fit to each other."""
    if chance.random() < 0.5 and "second" not in str(policy["tiers"]):
        policy["measures"] = {}
    anchored(chance, policy)
    for measure in (policy, *policy["measures"].values()):
        turns = measure is policy and measure["window"]["type"] in ("calendar", "cycle")
        if measure["metric"]["source"] == "balance" and not turns:
            measure["window"] = {"type": "instant"}
        carry_over(policy, measure)
    if policy["window"]["type"] not in ("calendar", "cycle"):
        policy["start"] = {"when": "immediate"}
        for part in ("up", "down"):
            if policy["assessment"][part] == "at_window_end":
                policy["assessment"][part] = "on_activity"
    elif policy["start"]["when"] == "next_window" and chance.random() < 0.4:
        policy["term"] = long_term(chance)
    if chance.random() < 0.1:
        policy["start"] = {"when": "after", "after": chance.choice(("P1D", "P20D"))}
    if chance.random() < 0.3:
        policy["lapse"]["grace"] = chance.choice(("P7D", "P1M"))
        if chance.random() < 0.4:
            policy["lapse"]["grace_rounding"] = random_rounding(chance)
    if chance.random() < 0.15:
        policy["lapse"]["min_stay"] = chance.choice(("P10D", "P2M"))
    return policy


def changed(chance: Random, policy: Json) -> Json:
    """The same program under other rules."""
    later: Json = msgspec.json.decode(msgspec.json.encode(policy))
    tiers = later["tiers"]
    for _ in range(chance.randint(1, 3)):
        match chance.randint(0, 8):
            case 0 if len(tiers) > 1:
                tiers.pop(chance.randrange(len(tiers)))
            case 1:
                tiers.insert(
                    chance.randint(0, len(tiers)), {"id": "new", "name": "New", "from": 120}
                )
                later["tiers"] = tiers = list({t["id"]: t for t in tiers}.values())
            case 2:
                some = chance.choice(tiers)
                some |= {} if "entry" in some else {"from": chance.randint(0, 300)}
            case 3:
                later["term"] = random_term(chance)
            case 4:
                later["metric"], later["window"] = random_metric(chance), random_window(chance)
                carry_over(later, later)
            case 5:
                part = chance.choice(("corrections", "start", "assessment", "renewal"))
                later[part] = random_policy(chance)[part]
            case 6:
                then = chance.choice(("keep", "to_base", "leave"))
                later["lapse"] = later.get("lapse", {}) | {"then": then}
            case 7:  # rules for coming back are made, changed or given up
                some = chance.choice(tiers)
                again = {"type": "range", "from": chance.randint(0, 200)}
                some["reentry"] = again
                if chance.random() < 0.2:
                    del some["reentry"]
            case _:
                chance.choice(tiers)["id"] = "renamed"
                later["tiers"] = tiers = list({t["id"]: t for t in tiers}.values())
    tiers.sort(key=lambda t: t.get("from", 0))
    return later


def savable(program: Program) -> bool:
    """Whether a program's rules would be taken: what is refused when it is saved need not agree."""
    findings = (finding for version in program.versions for finding in lint(version.rules))
    return all(finding.severity == "warning" for finding in findings)
