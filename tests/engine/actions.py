"""What happens in scenarios, read into ledger entries."""

from __future__ import annotations

import re
from typing import Any

from tests.engine.history import History
from tierline.model.entries import Entry, Override
from tierline.rules.program import Program

TIME = r"\d{4}-\d\d-\d\d(?: \d\d:\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:\d\d)?"
JOINING = ("earn", "order", "custom", "adjust", "transfer")
WORDS = {"true": True, "false": False}


class Recorder:
    """Turns the lines of one scenario into the entries of one member."""

    def __init__(self, program: Program) -> None:
        self.history = History(program)
        self.names: dict[str, int] = {}
        self.member = False
        self.auto_join = program.versions[-1].rules.auto_join

    def record(self, at: int, text: str) -> list[Entry]:
        """The entry of a line; before a first activity also the enrolment that it implies."""
        text, name = self._cut(text, r" as (\w+)$")
        text, occurred = self._cut(text, rf" occurred ({TIME})")
        happened = self._at(occurred)
        verb = text.split(" ", 1)[0]
        rest = text[len(verb) :].strip()
        before = len(self.history.entries)
        if verb in JOINING and not self.member and self.auto_join:
            self.history.add("enrol", at, occurred=happened, implied=True)
            self.member = True
        getattr(self, f"_{verb}")(at, rest, happened)
        if verb in ("enrol", "leave"):
            self.member = verb == "enrol"
        if name:
            self.names[name] = len(self.history.entries)
        return self.history.entries[before:]

    def _at(self, text: str | None) -> int | None:
        return None if text is None else self.history.zone.parse(text)

    @staticmethod
    def _cut(text: str, pattern: str) -> tuple[str, str | None]:
        """Takes one clause out of a line."""
        match = re.search(pattern, text)
        if match is None:
            return text, None
        return (text[: match.start()] + text[match.end() :]).strip(), match[1]

    def _points(self, text: str) -> tuple[str, dict[str, Any]]:
        """The clauses that any activity may have."""
        detail: dict[str, Any] = {}
        text, available = self._cut(text, rf"\s*\bavailable ({TIME})")
        text, expires = self._cut(text, rf"\s*\bexpiring ({TIME})")
        text, never = self._cut(text, r"\s*\b(never expiring)")
        text, facts = self._cut(text, r"\s*\bwith (.+)$")
        text, name = self._cut(text, r'\s*"([^"]+)"')
        if available:
            detail["available_at"] = self._at(available)
        if expires:
            detail["expires_at"] = self._at(expires)
        if never:
            detail["never_expires"] = True
        if name:
            detail["name"] = name
        if facts:
            pairs = (pair.split("=") for pair in facts.split(" and "))
            detail["metadata"] = {key.strip(): value_of(value) for key, value in pairs}
        return text.strip(), detail

    def _activity(self, kind: Any, at: int, text: str, happened: int | None) -> Entry:
        text, detail = self._points(text)
        text, earned = self._cut(text, r"\s*\bearning (\d+)$")
        amount = int(text) if text and kind == "order" else 0
        points = int(earned or (text if text and kind != "order" else 0) or 0)
        if (kind == "order" and not earned) or (kind == "custom" and not points):
            return self.history.earn(kind, at, amount=amount, occurred=happened, **detail)
        if kind in ("redeem", "transfer_out"):
            points = -points
        return self.history.add(kind, at, points=points, amount=amount, occurred=happened, **detail)

    def _earn(self, at: int, text: str, happened: int | None) -> Entry:
        return self._activity("earn", at, text, happened)

    def _order(self, at: int, text: str, happened: int | None) -> Entry:
        return self._activity("order", at, text, happened)

    def _custom(self, at: int, text: str, happened: int | None) -> Entry:
        return self._activity("custom", at, text, happened)

    def _redeem(self, at: int, text: str, happened: int | None) -> Entry:
        return self._activity("redeem", at, text, happened)

    def _adjust(self, at: int, text: str, happened: int | None) -> Entry:
        return self._activity("adjust", at, text, happened)

    def _transfer(self, at: int, text: str, happened: int | None) -> Entry:
        way, _, rest = text.partition(" ")
        return self._activity(f"transfer_{way}", at, rest, happened)

    def _refund(self, at: int, text: str, happened: int | None) -> Entry:
        """`refund a1` all of it; `refund a1 2000` points in ratio; `refund a1 2000 taking 20`."""
        name, _, rest = text.partition(" ")
        rest, taking = self._cut(rest, r"\s*\btaking (\d+)")
        n, amount = self.names[name], int(rest) if rest else None
        points = None if taking is None else int(taking)
        if points is None and amount is not None:
            points = self.history.share(n, amount)
        return self.history.reverse(
            "refund", at, n, amount=amount, points=points, occurred=happened
        )

    def _void(self, at: int, text: str, happened: int | None) -> Entry:
        return self.history.reverse("void", at, self.names[text], occurred=happened)

    def _approve(self, at: int, text: str, happened: int | None) -> Entry:
        return self.history.approve(at, self.names[text])

    def _attribute(self, at: int, text: str, happened: int | None) -> Entry:
        name, _, value = text.partition(" = ")
        return self.history.add(
            "attribute", at, occurred=happened, attribute=name, value=value_of(value)
        )

    def _override(self, kind: Any, at: int, text: str) -> Entry:
        text, start = self._cut(text, rf"\s*\bfrom ({TIME})")
        text, until = self._cut(text, rf"\s*\buntil ({TIME})")
        text, then = self._cut(text, r"\s*\b(then start its term)")
        text, source = self._cut(text, r"\s*\ba (gift|match|challenge)\b")
        text, made_by = self._cut(text, r"\s*\b(import|pooled)\b")
        text, actor = self._cut(text, r"\s*\bby (\w+)")
        text, reason = self._cut(text, r'\s*"([^"]+)"')
        started = self._at(start)
        override = Override(
            kind=kind,
            tier=None if text in ("", "none") else text,
            starts_at=at if started is None else started,
            until=self._at(until),
            then="start_term" if then else "rejudge",
            source=source or made_by or "manual",  # type: ignore[arg-type]
            actor=actor,
            reason=reason,
        )
        return self.history.add("override", at, override=override)

    def _pin(self, at: int, text: str, happened: int | None) -> Entry:
        return self._override("pin", at, text)

    def _floor(self, at: int, text: str, happened: int | None) -> Entry:
        return self._override("floor", at, text)

    def _cap(self, at: int, text: str, happened: int | None) -> Entry:
        return self._override("cap", at, text)

    def _hold(self, at: int, text: str, happened: int | None) -> Entry:
        return self._override("hold", at, text)

    def _release(self, at: int, text: str, happened: int | None) -> Entry:
        return self.history.add("release", at, released=self.names[text])

    def _enrol(self, at: int, text: str, happened: int | None) -> Entry:
        text, tier = self._cut(text, r"\s*\bin (\w+)")
        text, since = self._cut(text, rf"\s*\bsince ({TIME})")
        text, expires = self._cut(text, rf"\s*\bexpiring ({TIME})")
        assert not text, f"left over: {text}"
        detail: dict[str, Any] = {"tier": tier} if tier else {}
        if since:
            detail["tier_since"] = self._at(since)
        if expires:
            detail["tier_expires_at"] = self._at(expires)
        return self.history.add("enrol", at, occurred=happened, **detail)

    def _opening(self, at: int, text: str, happened: int | None) -> Entry:
        """`opening 100, lots 60 expiring 2024-05-01 and 40 never expiring, spent 20, in gold`."""
        text, tier = self._cut(text, r",? in (\w+)")
        text, spent = self._cut(text, r",? spent (\d+)")
        text, lots = self._cut(text, r",? lots (.+)$")
        detail: dict[str, Any] = {"tier": tier} if tier else {}
        if spent:
            detail["spent"] = int(spent)
        if lots:
            detail["lots"] = tuple(self._lot(part) for part in lots.split(" and "))
        return self.history.add("opening", at, points=int(text or 0), occurred=happened, **detail)

    def _lot(self, text: str) -> tuple[int | None, int]:
        points, _, expires = text.strip().partition(" ")
        match = re.fullmatch(rf"expiring ({TIME})", expires)
        return (self._at(match[1]) if match else None, int(points))

    def _leave(self, at: int, text: str, happened: int | None) -> Entry:
        return self.history.add("leave", at, occurred=happened)


def value_of(text: str) -> str | int | bool:
    text = text.strip().strip('"')
    if text in WORDS:
        return WORDS[text]
    return int(text) if re.fullmatch(r"-?\d+", text) else text
