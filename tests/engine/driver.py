"""Drives the real engine as the ledger does: keeps the standing and the history."""

from __future__ import annotations

from collections.abc import Sequence

from tierline.engine.decide import HistoryNeeded, decide
from tierline.model.encoding import decode_standing, encode_standing
from tierline.model.entries import Entry
from tierline.model.events import Decision, Event
from tierline.model.reminder import Reminder
from tierline.model.standing import Standing
from tierline.rules.program import Program


class Driver:
    """One member. `restart` encodes and decodes the standing before each decision."""

    def __init__(self, program: Program, *, restart: bool = True) -> None:
        self.program = program
        self.restart = restart
        self.standing = Standing()
        self.history: list[Entry] = []
        self.events: list[Event] = []
        self.announced: list[Event | Reminder] = []  # in the order of the log

    def decide(self, entries: Sequence[Entry], at: int) -> list[Event | Reminder]:
        """Folds entries, lets time pass until `at`, and answers with what is to be announced."""
        standing = self.standing
        if self.restart and standing.entries:
            standing = decode_standing(encode_standing(standing))
        try:
            decision = decide(self.program, standing, entries, at)
            news, reminders = list(decision.events), list(decision.reminders)
        except HistoryNeeded:
            decision = decide(self.program, Standing(), [*self.history, *entries], at)
            news = [e for e in decision.events if e.seq > standing.seq]
            since, n = standing.at, standing.entries
            reminders = [r for r in decision.reminders if r.at > since or (r.entry or 0) > n]
            repeated = [e for e in decision.events if e.seq <= standing.seq]
            assert repeated == self.events, "deciding again from the start must repeat the log"
        self.history.extend(entries)
        self.standing = decision.standing
        self.events.extend(news)
        announced = Decision(decision.standing, tuple(news), reminders=tuple(reminders)).announced
        self.announced.extend(announced)
        return announced
