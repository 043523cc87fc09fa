"""Programs as the scenarios write them, line by line, turned into the engine's rules."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from tierline.rules.points import Points
from tierline.rules.policy import Policy
from tierline.rules.program import Rules
from tierline.rules.reminders import Reminders

Json = dict[str, Any]
UNITS = {"month": "month", "quarter": "quarter", "half year": "half_year", "year": "year",
         "week": "week", "day": "day"}  # fmt: skip
UNIT = "(half year|day|week|month|quarter|year)"
MONTHS = "january february march april may june july august september october november december"
MONTH = {name: number for number, name in enumerate(MONTHS.split(), 1)}


class RulesText:
    """Collects the lines of one program (or of its next version)."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.policy: Json = {"tiers": []}
        self.points: Json = {}
        self.reminders: Json = {}
        self.auto_join = True
        self.fresh_tiers = True  # the next `tier` line starts the ladder anew

    def next_version(self) -> RulesText:
        later = RulesText(self.name)
        later.policy = json.loads(json.dumps(self.policy))
        later.points = json.loads(json.dumps(self.points))
        later.reminders = dict(self.reminders)
        later.auto_join = self.auto_join
        return later

    def rules(self) -> Rules:
        return Rules(
            name=self.name,
            policy=msgspec.convert(self.policy, Policy),
            points=msgspec.convert(self.points, Points),
            reminders=msgspec.convert(self.reminders, Reminders),
            auto_join=self.auto_join,
        )

    def line(self, text: str) -> None:
        """One line: one or more parts, separated by ` ; `."""
        for part in re.split(r"\s+;\s+", text.strip()):
            word, _, rest = part.partition(" ")
            read = getattr(self, f"_{word}", None)
            if read is None:
                raise ValueError(f"no rule begins with {word!r}: {part}")
            read(rest.strip())

    # -- the nine parts --------------------------------------------------------------------

    def _metric(self, text: str) -> None:
        self.policy["metric"] = metric(text)

    def _window(self, text: str) -> None:
        self.policy["window"] = window(text)

    def _measure(self, text: str) -> None:
        """`nights = sum of nights over calendar year`."""
        name, _, rest = text.partition(" = ")
        what, _, over = rest.partition(" over ")
        self.policy.setdefault("measures", {})[name.strip()] = {
            "metric": metric(what), "window": window(over or "instant"),
        }  # fmt: skip

    def _tier(self, text: str) -> None:
        match = re.match(r'^(\w+) "([^"]+)"(?: from (\d+))?(?: to (\d+))?\s*(.*)$', text)
        if match is None:
            raise ValueError(f"not a tier: {text}")
        tier_id, name, low, high, rest = match.groups()
        tier: Json = {"id": tier_id, "name": name}
        if low is not None:
            tier["from"] = int(low)
        if high is not None:
            tier["to"] = int(high)
        for flag in ("hidden", "invitation"):
            rest, hit = re.subn(rf"\b{flag}\b(?![^{{]*}})", "", rest)
            if hit:
                tier[flag] = True
        if rest.strip():
            tier |= json.loads(rest.strip())
        if self.fresh_tiers:
            self.policy["tiers"] = []
            self.fresh_tiers = False
        self.policy["tiers"].append(tier)

    def _rise(self, text: str) -> None:
        self.policy.setdefault("assessment", {})["up"] = text.replace(" ", "_")

    def _fall(self, text: str) -> None:
        self.policy.setdefault("assessment", {})["down"] = text.replace(" ", "_")

    def _start(self, text: str) -> None:
        if text.startswith("after "):
            self.policy["start"] = {"when": "after", "after": text.removeprefix("after ")}
        else:
            when = {"immediate": "immediate", "with the next window": "next_window"}[text]
            self.policy["start"] = {"when": when}

    def _term(self, text: str) -> None:
        self.policy["term"] = term(text)

    def _renewal(self, text: str) -> None:
        basis = {"from the term's end": "term_end", "from now": "now"}[text]
        self.policy.setdefault("renewal", {})["basis"] = basis

    def _restart(self, text: str) -> None:
        self.policy.setdefault("renewal", {})["restart"] = {
            "on upgrade": "upgrade", "on requalifying": "requalified",
        }[text]  # fmt: skip

    def _lapse(self, text: str) -> None:
        self.policy.setdefault("lapse", {})["then"] = text.replace(" ", "_")

    def _grace(self, text: str) -> None:
        length, _, rounding = text.partition(" ")
        lapse = self.policy.setdefault("lapse", {})
        lapse["grace"] = length
        if rounding:
            lapse["grace_rounding"] = edge(rounding)

    def _stay(self, text: str) -> None:
        self.policy.setdefault("lapse", {})["min_stay"] = text.removeprefix("at least ")

    def _corrections(self, text: str) -> None:
        self.policy["corrections"] = text

    def _tell(self, text: str) -> None:
        assert text == "about grace"
        self.policy["tell_grace"] = True

    def _silent(self, text: str) -> None:
        assert text == "about grace"
        self.policy["tell_grace"] = False

    def _remind(self, text: str) -> None:
        """`remind of tier_ending 30 7 days before`, `of tier_near {…}`, `of nothing`."""
        match = re.fullmatch(r"of (\w+) ?(.*)", text)
        if match is None:
            raise ValueError(f"not a reminder: {text}")
        kind, rest = match.groups()
        days = re.fullmatch(r"([\d ]*)days before", rest)
        if kind == "nothing":
            self.reminders = {}
        elif kind == "tier_skipped":
            self.reminders[kind] = rest.removesuffix(" time")
        elif days is not None:
            self.reminders[kind] = {"lead_days": [int(lead) for lead in days[1].split()]}
        else:
            self.reminders[kind] = json.loads(rest or "{}")

    # -- points ------------------------------------------------------------------------------

    def _rule(self, text: str) -> None:
        """`rule {"id": …}`: an earning rule, as the API takes it."""
        self.points.setdefault("rules", []).append(json.loads(text))

    def _stacking(self, text: str) -> None:
        self.points["stacking"] = text

    def _points(self, text: str) -> None:
        if match := re.fullmatch(r"pending (\d+) days", text):
            self.points["pending_days"] = int(match[1])
        elif match := re.fullmatch(r"(\d+) for every (\d+)", text):
            self.points.setdefault("orders", {})
            self.points["orders"] |= {"points": int(match[1]), "every": int(match[2])}
        elif match := re.fullmatch(r"at a threshold (before|after|split)", text):
            self.points["crossing"] = match[1]
        elif text == "never expire":
            self.points["expiry"] = {"type": "never"}
        elif match := re.fullmatch(r"expire on (\d\d-\d\d)", text):
            self.points["expiry"] = {"type": "day_of_year", "day": match[1]}
        elif match := re.fullmatch(r"expire after (P\w+)(?: (to .*))?", text):
            self.points["expiry"] = after(match[1], match[2])
        elif match := re.fullmatch(r"of orders expire after (P\w+)(?: (to .*))?", text):
            self.points.setdefault("orders", {})["expiry"] = after(match[1], match[2])
        else:
            raise ValueError(f"not a rule for points: {text}")

    def _no(self, text: str) -> None:
        assert text == "auto join"
        self.auto_join = False


def options(text: str) -> tuple[str, Json]:
    """Text, then JSON for what has no words of its own."""
    head, brace, rest = text.partition("{")
    return head.strip(), json.loads(brace + rest) if brace else {}


def metric(text: str) -> Json:
    head, more = options(text)
    head, pending = re.subn(r" including pending$", "", head)
    if head.startswith("sum of "):
        made: Json = {"source": "sum", "of": head.removeprefix("sum of ")}
    else:
        made = {"source": head}
    if pending:
        made["include_pending"] = True
    return made | ({"filter": more} if more else {})


def window(text: str) -> Json:
    text, over, rest = text.partition(", carrying over what is above ")
    if over:
        bounds, _, most = rest.partition(", at most ")
        carry_over: Json = {"above": [int(bound) for bound in bounds.split()]}
        carry_over |= {"most": int(most)} if most else {}
        return window(text) | {"carry_over": carry_over}
    if text in ("", "instant"):
        return {"type": "instant"}
    if match := re.fullmatch(r"since (\S+)", text):
        return {"type": "since", "anchor": match[1]}
    if match := re.fullmatch(r"rolling (P\w+)", text):
        return {"type": "rolling", "length": match[1]}
    if match := re.fullmatch(rf"calendar {UNIT}(?: starting (\w+)(?: (\d+))?)?", text):
        made: Json = {"type": "calendar", "unit": UNITS[match[1]]}
        if match[2]:
            made |= {"offset_months": MONTH[match[2].lower()] - 1}
            made |= {"offset_days": int(match[3] or 1) - 1}
        return made
    if match := re.fullmatch(r"cycle (P\w+) from (\S+)", text):
        return {"type": "cycle", "length": match[1], "anchor": match[2]}
    raise ValueError(f"not a window: {text}")


def edge(text: str) -> Json:
    """`to the end of the quarter`, `to the start of the month`, `to the end of january`."""
    match = re.fullmatch(r"to the (end|start) of (?:the )?([\w ]+)", text)
    if match is None:
        raise ValueError(f"not a rounding: {text}")
    if match[2] in MONTH:
        return {"month": MONTH[match[2]]}
    made = {"unit": UNITS[match[2]]}
    return made | ({"edge": "start"} if match[1] == "start" else {})


def after(length: str, rounding: str | None) -> Json:
    """Points that expire so long after the day on which they came."""
    made: Json = {"type": "after", "length": length}
    if rounding:
        to = edge(rounding)
        made["month" if "month" in to else "round_to"] = to.get("month", to.get("unit"))
    return made


def term(text: str) -> Json:
    simple = {"while qualified": "while_qualified", "forever": "forever"}
    if text in simple:
        return {"type": simple[text]}
    if match := re.fullmatch(
        r"to the end of (?:the (window|next window)|(\d+) windows later)(?:, then (P\w+) more)?"
        r"(?:, (to the .+))?",
        text,
    ):
        windows = int(match[2]) if match[2] else int(match[1] == "next window")
        made: Json = {"type": "window_end", "windows": windows}
        made |= {"extend": match[3]} if match[3] else {}
        return made | ({"rounding": edge(match[4])} if match[4] else {})
    if match := re.fullmatch(r"on dates (.+)", text):
        return {"type": "dates", "days": match[1].split()}
    if match := re.fullmatch(r"until attribute (\w+)", text):
        return {"type": "attribute", "name": match[1]}
    if match := re.fullmatch(r"(P\w+)( exclusive)?( from the drop)?(?:, (to the .+))?", text):
        made = {"type": "duration", "length": match[1], "inclusive": match[2] is None}
        if match[3]:
            made["clock"] = "drop"
        return made | ({"rounding": edge(match[4])} if match[4] else {})
    raise ValueError(f"not a term: {text}")
