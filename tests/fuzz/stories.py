"""Random histories: what happens to one member."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.engine.history import History
from tests.reference import civil
from tierline.model.entries import EntryKind, Override
from tierline.rules.points import Points
from tierline.rules.program import Program

Json = dict[str, Any]
HOUR = 3_600_000
DAY = 24 * HOUR
LENGTHS = ((2, 7), (6, 14), (12, 40))  # how many things happen: to most a few, to some many
WHOLE = 10**6  # entries, more than any story has
NAMES = ("visit", "night", "review")


class Story:
    """What happens to one member."""

    def __init__(self, chance: Random, program: Program, history: History, start: int) -> None:
        self.chance, self.program, self.history = chance, program, history
        self.start = self.now = start + chance.randint(0, 20) * HOUR
        self.orders = Random(self.start)  # of its own: other things happen as they did before
        self.ruled = Random(f"rules {self.start}")  # likewise: what only earning rules ask for
        # An import may bring the beginning of a history without a word.
        self.quiet_until = chance.randint(1, 6) if chance.random() < 0.06 else 0

    def tell(self, entries_max: int = WHOLE) -> int:
        """Until when it goes on; with `entries_max` only its beginning."""
        chance = self.chance
        self.history.quiet = self.quiet_until > 0
        self.join()
        for _ in range(chance.randint(*chance.choices(LENGTHS, (70, 25, 5))[0])):
            if len(self.history.entries) >= entries_max:
                break
            self.later()
            self.history.quiet = len(self.history.entries) < self.quiet_until
            self.happen()
            if self.orders.random() < 0.06:
                self.tell_order()
            if self.points.rules and self.ruled.random() < 0.12:
                self.answer_a_rule()
        return self.now + chance.choices((0, HOUR, 40 * DAY, 500 * DAY), (4, 4, 6, 1))[0]

    @property
    def points(self) -> Points:
        return self.program.version(self.now).rules.points

    def join(self) -> None:
        chance = self.chance
        if chance.random() < 0.5:  # by a first activity, on its day
            ago = chance.choice((HOUR, 3 * DAY, 40 * DAY)) if chance.random() < 0.12 else 0
            occurred = self.now - ago
            self.history.add("enrol", self.now, occurred=occurred, implied=True)
            self.collect(chance.choice(("earn", "order")), occurred)
            return
        detail = self.brought() if chance.random() < 0.2 else {}
        before = chance.randint(1, 500) * DAY if chance.random() < 0.1 else 0  # elsewhere
        self.history.add("enrol", self.now, occurred=self.now - before, **detail)

    def brought(self) -> Json:
        """A tier held elsewhere, perhaps with its dates."""
        chance = self.chance
        detail: Json = {"tier": chance.choice(self.program.version(self.now).policy.tiers).id}
        if chance.random() < 0.5:
            detail["tier_since"] = self.now - chance.randint(0, 50) * DAY
        if chance.random() < 0.5:
            detail["tier_expires_at"] = self.now + chance.randint(1, 200) * DAY
        return detail

    def long_ago(self) -> int:
        """Now, or when somebody joined elsewhere."""
        return self.now - self.chance.choice((0, self.chance.randint(1, 400))) * DAY

    def later(self) -> None:
        chance = self.chance
        steps = (0, 1, HOUR, 5 * HOUR, DAY, 9 * DAY, 33 * DAY, 100 * DAY, 200 * DAY)
        step = chance.choices(steps, (2, 2, 2, 2, 2, 4, 4, 1, 1))[0]
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
             "release", "approve", "transfer", "leave", "opening", "enrol", "take_back_old"),
            (40, 40, 16, 8, 24, 16, 8, 12, 4, 6, 6, 4, 2, 1, 6),
        )[0]  # fmt: skip
        if kind in ("earn", "order", "custom"):
            self.collect(kind)  # type: ignore[arg-type]
        else:
            getattr(self, kind)()

    def collect(self, kind: EntryKind, occurred: int | None = None) -> None:
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
        elif "available_at" in detail and chance.random() < 0.05:
            detail["expires_at"] = detail["available_at"]  # over as they become active
        elif chance.random() < 0.05:
            detail["never_expires"] = True
        if kind != "earn" and self.points.rules and self.ruled.random() < 0.7:
            happened = self.occurred() if occurred is None else occurred
            if self.ruled.random() < 0.3:
                detail.setdefault("metadata", {})["rate"] = self.ruled.choice((2.5, 7, -1.25))
            money = self.money(kind)
            self.history.earn(kind, self.now, amount=money, occurred=happened, **detail)
            return
        points = (
            chance.choice((0, 10, 40, 60, 100, 130)) if kind != "earn" else chance.randint(1, 150)
        )
        self.history.add(
            kind,
            self.now,
            points=points,
            amount=self.money(kind),
            occurred=self.occurred() if occurred is None else occurred,
            **detail,
        )

    def money(self, kind: EntryKind) -> int:
        paid = kind == "order" or (kind == "custom" and self.chance.random() < 0.2)
        return self.chance.randint(1, 150) if paid else 0

    def balance(self) -> int:
        return self.history.account(self.now).balance

    def adjust(self) -> None:
        points = self.chance.randint(-60, 120)
        if points < 0:
            points = -min(-points, max(0, self.balance()))
        if points:
            self.history.add("adjust", self.now, points=points)

    def redeem(self) -> None:
        balance = self.balance()
        if balance > 0:
            self.history.spend("redeem", self.now, self.chance.randint(1, balance))

    def transfer(self) -> None:
        balance = self.balance()
        if self.chance.random() < 0.5:
            self.history.add("transfer_in", self.now, points=self.chance.randint(1, 80))
        elif balance > 0:
            self.history.spend("transfer_out", self.now, self.chance.randint(1, balance))

    def reverse(self) -> None:
        chance = self.chance
        kinds = ("earn", "order", "custom", "adjust", "redeem", "transfer_in", "transfer_out")
        entries = [e for e in self.history.entries if e.kind in kinds]
        entries = [e for e in entries if self.history.left(e.n) != (0, 0)]
        if not entries:
            return
        entry = chance.choice(entries)
        points, amount = self.history.left(entry.n)
        if entry.kind in ("order", "custom") and amount and chance.random() < 0.6:
            part = chance.randint(1, amount)
            share = points * part // amount
            self.history.reverse("refund", self.now, entry.n, points=share, amount=part)
        else:
            self.history.reverse("void", self.now, entry.n)

    def tell_order(self) -> None:
        """A shop tells that an order is another than it said: it is booked anew, and maybe a part
        of it comes back."""
        chance = self.orders
        orders = [e for e in self.history.entries if e.kind == "order"]
        orders = [e for e in orders if self.history.left(e.n) != (0, 0)]
        if not orders:
            return
        entry = chance.choice(orders)
        detail: Json = {"order": "1001", "exchange": True}
        if entry.detail is not None and entry.detail.metadata is not None:
            detail["metadata"] = entry.detail.metadata
        if chance.random() < 0.2:
            detail["metadata"] = {"nights": chance.randint(0, 90), "channel": "web"}
        self.history.reverse("void", self.now, entry.n, exchange=True)
        amount, points = chance.randint(1, 150), chance.choice((0, 10, 60, 130))
        occurred = entry.occurred_at if chance.random() < 0.8 else self.now
        facts: Json = {"points": points, "amount": amount, "occurred": occurred}
        anew = self.history.add("order", self.now, **facts, **detail)
        if chance.random() < 0.3:
            part = chance.randint(1, amount)
            share = self.history.share(anew.n, part)
            self.history.reverse("refund", self.now, anew.n, points=share, amount=part)

    def take_back_old(self) -> None:
        """What was spent, or has expired, or both: a debt, or nothing that is left to take."""
        self.redeem()
        self.now += self.chance.choice((0, DAY, 40 * DAY, 70 * DAY))
        self.reverse()

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
            day = self.history.zone.day(self.now) + chance.randint(-400, 400) * civil.ONE_DAY
            value = chance.choice((day.isoformat(), day.isoformat(), day.isoformat(), None, "soon"))
        self.history.add("attribute", self.now, attribute=name, value=value)

    def answer_a_rule(self) -> None:
        """An attribute that earning rules ask for."""
        chance = self.ruled
        days = ("1990-05-17", "1992-02-29", "02-29", "12-31", "12-30", "07-01", "13-45")
        values: dict[str, tuple[Any, ...]] = {
            "birthdate": (*days, None), "level": (0, 3, 17, -4, "high"),
            "club": (True, False, "gold"), "renewal": ("2020-11-03", "11-03"),
        }  # fmt: skip
        name = chance.choice(tuple(values))
        self.history.add("attribute", self.now, attribute=name, value=chance.choice(values[name]))

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
            released = None if self.chance.random() < 0.2 else self.chance.choice(made)
            self.history.add("release", self.now, released=released)

    def enrol(self) -> None:
        """A member once more: an import that brings a tier."""
        self.history.add("enrol", self.now, occurred=self.long_ago(), **self.brought())

    def leave(self) -> None:
        chance, left_at = self.chance, self.now
        self.history.add("leave", left_at)
        self.now += chance.choice((0, DAY, 20 * DAY))
        if chance.random() < 0.3:  # between two memberships
            self.adjust()
            self.now += chance.choice((0, DAY))
        joined = self.now if chance.random() < 0.6 else self.long_ago()
        self.history.add("enrol", self.now, occurred=joined)
        if chance.random() < 0.3:  # of the former membership, or of none
            happened = left_at + chance.choice((-20, -1, 0, 1)) * DAY
            self.collect("order", min(happened, self.now))

    def opening(self) -> None:
        chance = self.chance
        points, detail = chance.randint(1, 90), dict[str, Any]()
        if chance.random() < 0.4:  # lots as they stood elsewhere
            soon = chance.randint(0, points)
            never = chance.randint(0, points - soon)  # what no lot tells of lives by the rules
            lives = chance.choice((-3, 0, 1, 5, 17, 60))  # in days; some are over already
            detail["lots"] = ((self.now + lives * DAY, soon), (None, never))
            detail["spent"] = chance.randint(0, 40)
        if chance.random() < 0.2:
            detail["tier"] = chance.choice(self.program.version(self.now).rules.policy.tiers).id
        joined = self.long_ago()
        self.history.add("opening", self.now, points=points, occurred=joined, **detail)
