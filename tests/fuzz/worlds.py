"""Random programs and histories. The same seed makes the same world."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Any

import msgspec

from tests.engine.history import History
from tests.reference import civil
from tierline.engine.model import Entry, EntryKind, Override
from tierline.engine.points import Points
from tierline.engine.policy import OnChange, Policy, Program, Rules, Version

Json = dict[str, Any]
HOUR = 3_600_000
DAY = 24 * HOUR
# Where days start at odd instants, twice, or not at all; and a year in which they do.
ZONES = (
    ("UTC", 2023), ("Europe/Berlin", 2023), ("America/New_York", 2024), ("Asia/Kathmandu", 2023),
    ("America/Sao_Paulo", 2017), ("Pacific/Apia", 2011), ("Africa/Cairo", 2014),
    ("America/St_Johns", 2010), ("Australia/Lord_Howe", 2024),
)  # fmt: skip
HOW: tuple[OnChange, ...] = ("next_assessment", "up_only", "rejudge")
NAMES = ("visit", "night", "review")


@dataclass
class World:
    program: Program
    history: History
    until: int
    cuts: list[int]  # instants at which time is let pass, and batches end

    @property
    def entries(self) -> list[Entry]:
        return self.history.entries


def world(chance: Random) -> World:
    zone_name, year = chance.choice(ZONES)
    zone = civil.zone(zone_name)
    month = chance.randint(1, 12)
    start = zone.start(date(year, month, min(chance.randint(1, 31), 28 if month == 2 else 30)))
    program = random_program(chance, zone_name, start)
    history = History(program)
    until = Story(chance, program, history, start).tell()
    cuts = sorted(chance.randint(start, until) for _ in range(chance.randint(0, 6)))
    return World(program, history, until, cuts)


# -- programs ----------------------------------------------------------------------------------


def random_program(chance: Random, zone: str, start: int) -> Program:
    policy = random_policy(chance)
    points = random_points(chance)
    versions = [Version(1, 0, make_rules(policy, points))]
    if chance.random() < 0.25:
        at = start + chance.randint(1, 500) * DAY + chance.choice((0, 5 * HOUR))
        later = changed(chance, policy)
        how = chance.choice(HOW)
        versions.append(Version(2, at, make_rules(later, points), how))
    return Program("program", "project", zone, "EUR", tuple(versions))


def make_rules(policy: Json, points: Json) -> Rules:
    return Rules("Fuzz", msgspec.convert(policy, Policy), msgspec.convert(points, Points))


def random_points(chance: Random) -> Json:
    expiry = chance.choice(
        [{"type": "never"}] * 3
        + [
            {"type": "after", "length": chance.choice(("P0M", "P1M", "P10D", "P1Y"))},
            {"type": "after", "length": "P2M", "round_to": chance.choice(("month", "quarter"))},
            {"type": "after", "length": "P1M", "month": chance.randint(1, 12)},
            {"type": "day_of_year", "day": chance.choice(("12-31", "06-30", "02-29"))},
        ]
    )
    return {"expiry": expiry, "pending_days": chance.choice((0, 0, 0, 0, 3, 14))}


def random_metric(chance: Random) -> Json:
    return chance.choice(
        (
            {"source": "balance"}, {"source": "balance"}, {"source": "earned"},
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
            {"type": "rolling", "length": "P1M"}, {"type": "rolling", "length": "P45D"},
            {"type": "rolling", "length": "P12M"},
            {"type": "calendar", "unit": "month"}, {"type": "calendar", "unit": "quarter"},
            {"type": "calendar", "unit": "year"}, {"type": "calendar", "unit": "week"},
            {"type": "calendar", "unit": "year", "offset_months": 3},
            {"type": "calendar", "unit": "month", "offset_days": 14},
            {"type": "cycle", "length": "P1Y"}, {"type": "cycle", "length": "P1M"},
            {"type": "cycle", "length": "P60D"},
            {"type": "cycle", "length": "P6M", "anchor": "2020-02-29"},
            {"type": "cycle", "length": "P3M", "anchor": "attribute:renewal"},
            {"type": "since", "anchor": "tier_start"},
            {"type": "cycle", "length": "P2M", "anchor": "tier_start"},
        )
    )  # fmt: skip


def random_term(chance: Random) -> Json:
    kind = chance.randint(0, 7)
    if kind == 0:
        return {"type": "while_qualified"}
    if kind == 1:
        return {"type": "forever"}
    if kind in (2, 3):
        made: Json = {"type": "window_end", "windows": chance.choice((0, 0, 1, 1, 2))}
        return made | ({"extend": chance.choice(("P7D", "P1M"))} if chance.random() < 0.3 else {})
    if kind in (4, 5):
        made = {"type": "duration", "length": chance.choice(("P1M", "P3M", "P30D", "P1Y"))}
        made["inclusive"] = chance.random() < 0.6
        made["clock"] = chance.choice(("grant", "grant", "drop"))
        if chance.random() < 0.4:
            made["rounding"] = random_rounding(chance)
        return made
    if kind == 7:
        return {"type": "attribute", "name": "renewal"}
    return {"type": "dates", "days": chance.sample(["01-31", "02-29", "06-30", "12-31"], 2)}


def random_rounding(chance: Random) -> Json:
    return chance.choice(
        (
            {"unit": "month"},
            {"unit": "quarter"},
            {"unit": "month", "edge": "start"},
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
        step = chance.choice((2, 50, 100, 150))
        if chance.random() < 0.15:
            tier["to"] = low + step - 1
        if not simple:
            decorate(chance, tier, low)
        tiers.append(tier)
        low += step
    return tiers


def decorate(chance: Random, tier: Json, low: int) -> None:
    """The rarer properties of tiers."""
    if chance.random() < 0.15:
        tier["retain"] = {"type": "range", "from": low // 2}
    if chance.random() < 0.12:
        tier["reentry"] = {"type": "range", "from": low + 30}
    if chance.random() < 0.08:
        tier[chance.choice(("hidden", "invitation"))] = True
    if chance.random() < 0.15:
        tier["entry"] = random_criterion(chance, low)
    if chance.random() < 0.12:
        tier["lapse"] = chance.choice(("keep", "one_step", "to_base", "leave"))
    if chance.random() < 0.12:
        tier["term"] = random_term(chance)


def random_policy(chance: Random) -> Json:
    simple = chance.random() < 0.5
    policy: Json = {
        "tiers": random_tiers(chance, simple=simple),
        "metric": random_metric(chance),
        "window": random_window(chance),
        "measures": {"second": {"metric": random_metric(chance), "window": random_window(chance)}},
        "assessment": {
            "up": chance.choice(("on_activity",) * 4 + ("at_term_end", "at_window_end")),
            "down": chance.choice(("on_activity",) * 3 + ("at_window_end",)),
        },
        "start": {"when": chance.choice(("immediate",) * 5 + ("next_window",))},
        "term": random_term(chance),
        "renewal": {
            "basis": chance.choice(("term_end", "now")),
            "restart": chance.choice(("upgrade", "requalified")),
        },
        "lapse": {
            "then": chance.choice(("to_qualifying",) * 4 + ("keep", "one_step", "to_base", "leave"))
        },
        "corrections": chance.choice(("forward", "forward", "retroactive", "protect")),
        "tell_grace": chance.random() < 0.8,
    }
    if policy["window"]["type"] not in ("calendar", "cycle"):
        policy["start"] = {"when": "immediate"}
    if chance.random() < 0.1:
        policy["start"] = {"when": "after", "after": chance.choice(("P1D", "P20D"))}
    if chance.random() < 0.3:
        policy["lapse"]["grace"] = chance.choice(("P7D", "P1M"))
        if chance.random() < 0.4:
            policy["lapse"]["grace_rounding"] = {"unit": "month"}
    if chance.random() < 0.15:
        policy["lapse"]["min_stay"] = chance.choice(("P10D", "P2M"))
    return policy


def changed(chance: Random, policy: Json) -> Json:
    """The same program under other rules."""
    later: Json = msgspec.json.decode(msgspec.json.encode(policy))
    tiers = later["tiers"]
    for _ in range(chance.randint(1, 3)):
        match chance.randint(0, 5):
            case 0 if len(tiers) > 1:
                tiers.pop(chance.randrange(len(tiers)))
            case 1:
                tiers.insert(
                    chance.randint(0, len(tiers)), {"id": "new", "name": "New", "from": 120}
                )
                later["tiers"] = tiers = list({t["id"]: t for t in tiers}.values())
            case 2:
                chance.choice(tiers)["from"] = chance.randint(0, 300)
            case 3:
                later["term"] = random_term(chance)
            case 4:
                later["lapse"]["then"] = chance.choice(("keep", "to_base", "leave"))
            case _:
                chance.choice(tiers)["id"] = "renamed"
                later["tiers"] = tiers = list({t["id"]: t for t in tiers}.values())
    tiers.sort(key=lambda t: t.get("from", 0))
    return later


# -- histories -----------------------------------------------------------------------------------


class Story:
    """What happens to one member."""

    def __init__(self, chance: Random, program: Program, history: History, start: int) -> None:
        self.chance, self.program, self.history = chance, program, history
        self.start = self.now = start + chance.randint(0, 20) * HOUR
        self.balance_after: int = 0

    def tell(self) -> int:
        chance = self.chance
        self.join()
        for _ in range(chance.randint(1, 14)):
            self.later()
            self.happen()
        return self.now + chance.choice((0, HOUR, 40 * DAY, 500 * DAY))

    def join(self) -> None:
        chance = self.chance
        detail: Json = {}
        if chance.random() < 0.5:
            detail["implied"] = True
        elif chance.random() < 0.2:
            detail["tier"] = chance.choice(self.program.versions[0].rules.policy.tiers).id
            if chance.random() < 0.5:
                detail["tier_since"] = self.now - chance.randint(0, 50) * DAY
            if chance.random() < 0.5:
                detail["tier_expires_at"] = self.now + chance.randint(1, 200) * DAY
        self.history.add("enrol", self.now, **detail)
        if detail.get("implied"):
            self.collect("earn")

    def later(self) -> None:
        chance = self.chance
        step = chance.choice((0, 1, HOUR, 5 * HOUR, DAY, 9 * DAY, 33 * DAY, 100 * DAY, 200 * DAY))
        self.now += step
        if chance.random() < 0.2:  # exactly at a midnight, where time and activity meet
            zone = self.history.zone
            self.now = max(self.now, zone.start(zone.day(self.now) + civil.ONE_DAY))

    def occurred(self) -> int:
        if self.chance.random() < 0.12:
            return max(self.start, self.now - self.chance.choice((HOUR, 3 * DAY, 40 * DAY)))
        return self.now

    def happen(self) -> None:
        kind = self.chance.choices(
            ("earn", "order", "custom", "adjust", "redeem", "reverse", "attribute", "override",
             "release", "approve", "transfer", "leave", "opening"),
            (20, 20, 8, 4, 12, 10, 4, 6, 2, 3, 3, 1, 1),
        )[0]  # fmt: skip
        if kind in ("earn", "order", "custom"):
            self.collect(kind)  # type: ignore[arg-type]
        else:
            getattr(self, kind)()

    def collect(self, kind: EntryKind) -> None:
        chance = self.chance
        detail: Json = {}
        if kind == "custom":
            detail["name"] = chance.choice(NAMES)
        if chance.random() < 0.4:
            detail["metadata"] = {
                "nights": chance.randint(0, 90), "gift": chance.random() < 0.3,
                "channel": chance.choice(("web", "shop")),
            }  # fmt: skip
        if chance.random() < 0.12:
            detail["available_at"] = self.now + chance.randint(1, 40) * DAY
        if chance.random() < 0.08:
            detail["expires_at"] = self.now + chance.randint(41, 90) * DAY
        elif chance.random() < 0.05:
            detail["never_expires"] = True
        points = (
            chance.choice((0, 10, 40, 60, 100, 130)) if kind != "earn" else chance.randint(1, 150)
        )
        occurred = self.occurred()
        self.history.add(
            kind,
            self.now,
            points=points,
            amount=chance.randint(1, 150) if kind == "order" else 0,
            occurred=occurred,
            **detail,
        )

    def balance(self) -> int:
        from tests.reference.account import ARRIVAL  # noqa: PLC0415

        return self.history.ledger.account((self.now, ARRIVAL, 10**6)).balance

    def adjust(self) -> None:
        points = self.chance.randint(-60, 120)
        if points < 0:
            points = -min(-points, max(0, self.balance()))
        if points:
            self.history.add("adjust", self.now, points=points)

    def redeem(self) -> None:
        balance = self.balance()
        if balance > 0:
            self.history.add("redeem", self.now, points=-self.chance.randint(1, balance))

    def transfer(self) -> None:
        balance = self.balance()
        if self.chance.random() < 0.5:
            self.history.add("transfer_in", self.now, points=self.chance.randint(1, 80))
        elif balance > 0:
            self.history.add("transfer_out", self.now, points=-self.chance.randint(1, balance))

    def reverse(self) -> None:
        chance = self.chance
        wanted = ("earn", "order", "custom", "adjust", "redeem")
        entries = [e for e in self.history.entries if e.kind in wanted]
        entries = [e for e in entries if self.history.left(e.n) != (0, 0)]
        if not entries:
            return
        entry = chance.choice(entries)
        points, amount = self.history.left(entry.n)
        if entry.kind == "order" and amount and chance.random() < 0.6:
            part = chance.randint(1, amount)
            share = points * part // amount
            self.history.reverse("refund", self.now, entry.n, points=share, amount=part)
        else:
            self.history.reverse("void", self.now, entry.n)

    def approve(self) -> None:
        done = set(self.history.approved)
        for entry in self.history.entries:
            until = self.history.ledger.waits_until(entry) if entry.points > 0 else None
            if (
                until is not None
                and until > self.now
                and entry.n not in done
                and self.history.left(entry.n)[0]
            ):
                self.history.approve(self.now, entry.n)
                return

    def attribute(self) -> None:
        chance = self.chance
        name = chance.choice(("club", "renewal"))
        value: Any = chance.choice((True, False, "gold"))
        if name == "renewal":
            value = f"2023-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}"
        self.history.add("attribute", self.now, attribute=name, value=value)

    def override(self) -> None:
        chance = self.chance
        kind = chance.choice(("pin", "pin", "floor", "cap", "hold"))
        tiers = [t.id for t in self.program.version(self.now).rules.policy.tiers]
        tier: str | None = chance.choice(tiers)
        if kind == "pin" and chance.random() < 0.15:
            tier = None
        start = self.now + chance.choice((0, 0, 0, 3 * DAY))
        until = start + chance.randint(1, 60) * DAY if chance.random() < 0.8 else None
        made = Override(
            kind=kind,  # type: ignore[arg-type]
            tier=None if kind == "hold" else tier,
            starts_at=start,
            until=until,
            then=chance.choice(("rejudge", "rejudge", "start_term")),
        )
        self.history.add("override", self.now, override=made)

    def release(self) -> None:
        made = [e.n for e in self.history.entries if e.kind == "override"]
        if made:
            self.history.add("release", self.now, released=self.chance.choice(made))

    def leave(self) -> None:
        self.history.add("leave", self.now)
        self.now += self.chance.choice((0, DAY))
        self.history.add("enrol", self.now)

    def opening(self) -> None:
        chance = self.chance
        points, detail = chance.randint(1, 90), dict[str, Any]()
        if chance.random() < 0.4:  # lots as they stood elsewhere
            soon = chance.randint(0, points)
            detail["lots"] = ((self.now + chance.randint(1, 60) * DAY, soon), (None, points - soon))
            detail["spent"] = chance.randint(0, 40)
        if chance.random() < 0.2:
            detail["tier"] = chance.choice(self.program.version(self.now).rules.policy.tiers).id
        self.history.add("opening", self.now, points=points, **detail)
