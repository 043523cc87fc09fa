"""The scenario language: programs, what happens at which local time, and what is announced.

`tests/engine/scenarios/README.md` describes it for readers. A scenario fails on any event that is
missing, unexpected, or differs in kind, tiers, instant, cause or expiry.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.engine.actions import Recorder
from tests.engine.driver import Driver
from tests.engine.reminder_text import reminder_wording, reminders_of, unequal
from tests.engine.rules_text import RulesText
from tests.reference import NoOpinion, civil
from tests.reference.evaluator import evaluate
from tests.reference.outcome import Outcome
from tests.reference.reminders import reminders
from tierline.model.encoding import encode_standing
from tierline.model.entries import Entry, Override
from tierline.model.events import Event
from tierline.model.reminder import Reminder, is_reminder_kind
from tierline.model.standing import Standing
from tierline.rules.program import Program, Rules, Version
from tierline.vendors.registry import compile_settings
from tierline.vendors.vendor import ProgramFacts

FOLDER = Path(__file__).parent / "scenarios"
TIME = r"\d{4}-\d\d-\d\d(?: \d\d:\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:\d\d)?"


@dataclass(frozen=True)
class Expected:
    line: int
    at: int
    text: str  # `joined silver (activity), expires 2024-05-01 00:00`


@dataclass
class Step:
    line: int
    at: int
    action: str | None  # None: time passes
    expected: list[Expected] = field(default_factory=list)
    facts: list[tuple[int, str]] = field(default_factory=list)


@dataclass
class Scenario:
    file: str
    line: int
    title: str
    program: Program
    zone: civil.Zone
    steps: list[Step] = field(default_factory=list)

    @property
    def id(self) -> str:
        return f"{Path(self.file).stem}:{self.line} {self.title}"


class Programs:
    """Reads the `program` blocks of a file."""

    def __init__(self) -> None:
        self.name, self.zone_name = "", "UTC"
        self.texts: list[tuple[str, str, RulesText | Rules]] = []

    def start(self, head: str) -> None:
        match = re.fullmatch(r'"([^"]+)"(?: zone (\S+))?', head)
        if match is None:
            raise ValueError(f"not a program: {head}")
        self.name, self.zone_name = match[1], match[2] or "UTC"
        self.texts = [("", "next_assessment", RulesText(self.name))]

    def version(self, head: str) -> None:
        """`rules from 2025-01-01 00:00, judged at the next assessment`."""
        match = re.fullmatch(rf"from ({TIME})(?:, (.+))?", head)
        if match is None:
            raise ValueError(f"not a version: {head}")
        how = {None: "next_assessment", "upward only": "up_only", "judged anew": "rejudge",
               "judged at the next assessment": "next_assessment"}[match[2]]  # fmt: skip
        before = self.texts[-1][2]
        assert isinstance(before, RulesText)
        self.texts.append((match[1], how, before.next_version()))

    def line(self, text: str) -> None:
        if text.startswith(("voucherify {", "loyaltylion {")):
            vendor, _, settings = text.partition(" ")
            self.texts[-1] = (*self.texts[-1][:2], compiled(vendor, json.loads(settings)))
            return
        rules = self.texts[-1][2]
        assert isinstance(rules, RulesText)
        rules.line(text)

    def program(self) -> tuple[Program, civil.Zone]:
        zone = civil.zone(self.zone_name)
        versions = [
            Version(
                number=number,
                effective_at=zone.parse(since) if since else 0,
                rules=text if isinstance(text, Rules) else text.rules(),
                on_change=how,  # type: ignore[arg-type]
            )
            for number, (since, how, text) in enumerate(self.texts, 1)
        ]
        return Program("program", "project", self.zone_name, "EUR", tuple(versions)), zone


def compiled(vendor: str, settings: dict[str, Any]) -> Rules:
    """A vendor's own settings, compiled as the API does."""
    facts = ProgramFacts(id="program", project="project", at=0, name="Scenario")
    return compile_settings(vendor, settings, facts)


def read(path: Path) -> Iterator[Scenario]:
    programs = Programs()
    scenario: Scenario | None = None
    in_program = False
    for number, text in joined_lines(path.read_text()):
        try:
            word, _, rest = text.strip().partition(" ")
            if word == "program":
                programs.start(rest)
                in_program = True
            elif word == "scenario":
                if scenario is not None:
                    yield scenario
                title = rest.strip('"')
                scenario = Scenario(path.name, number, title, *programs.program())
                in_program = False
            elif in_program and word == "rules":
                programs.version(rest)
            elif in_program:
                programs.line(text.strip())
            else:
                assert scenario is not None
                add_line(scenario, number, text.strip())
        except (ValueError, AssertionError, KeyError) as wrong:
            raise ValueError(f"{path.name}:{number}: {text.strip()}: {wrong!r}") from wrong
    if scenario is not None:
        yield scenario


def joined_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines without comments; a line whose JSON is still open goes on in the next."""
    pending, start = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = re.sub(r"(^|\s)#.*$", "", raw).rstrip()
        if not line.strip():
            continue
        pending, start = (pending + " " + line.strip(), start) if pending else (line, number)
        if pending.count("{") == pending.count("}"):
            yield start, pending
            pending = ""
    if pending:
        raise ValueError(f"line {start}: a {{ is never closed")


def add_line(scenario: Scenario, number: int, text: str) -> None:
    zone = scenario.zone
    if match := re.match(rf"({TIME})\s+(.*)$", text):
        at, what = zone.parse(match[1]), match[2].strip()
        step = Step(number, at, None)
        if what.startswith("=>"):
            text = what
        else:
            step.action = None if what in ("time", "nothing") else what
            text = ""
        last = scenario.steps[-1] if scenario.steps else None
        if not (step.action is None and last and last.at == at):
            scenario.steps.append(step)
    step = scenario.steps[-1]
    if text.startswith("=>"):
        what = text.removeprefix("=>").strip()
        if what != "nothing":
            step.expected.append(Expected(number, step.at, what))
    elif text.startswith("has "):
        step.facts.append((number, text.removeprefix("has ")))
    elif text:
        raise ValueError("not a step")


def described(zone: civil.Zone, event: Event | Reminder) -> str:
    """An event as scenarios write it."""
    if isinstance(event, Reminder):
        return reminder_wording(zone, event)
    return wording(
        zone, event.kind, event.tier_from, event.tier_to, event.cause, event.view.expires_at
    )


def wording(
    zone: civil.Zone,
    kind: str,
    before: str | None,
    after: str | None,
    cause: str,
    expires: int | None,
) -> str:
    if kind in ("upgraded", "downgraded"):
        tiers = f"{before} to {after}"
    else:
        tiers = str(before if kind == "left" else after)
    text = f"{kind} {tiers} ({cause})"
    return text if expires is None else f"{text}, expires {zone.show(expires)}"


def normal(zone: civil.Zone, text: str) -> str:
    """Expected words with their instants written in full."""
    return re.sub(
        rf"\b(expires|before|from|until|on) ({TIME})",
        lambda m: f"{m[1]} {zone.show(zone.parse(m[2]))}",
        text,
    ).replace(", expires never", "")


class Run:
    """One way of playing a scenario; `problems` says what differs."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario, self.zone = scenario, scenario.zone
        self.problems: list[str] = []
        self.entries: list[Entry] = []
        recorder = Recorder(scenario.program)
        self.made: list[tuple[Step, list[Entry]]] = []
        for step in scenario.steps:
            entries = recorder.record(step.at, step.action) if step.action else []
            self.made.append((step, entries))
            self.entries.extend(entries)

    def compare(self, where: str, expected: list[Expected], actual: list[tuple[int, str]]) -> None:
        answer = [(e.at, normal(self.zone, e.text)) for e in expected]
        if answer == actual:
            return
        show = self.zone.show
        lines = [f"  expected {show(at)} {text}" for at, text in answer] or ["  expected nothing"]
        lines += [f"  but got  {show(at)} {text}" for at, text in actual] or ["  but got  nothing"]
        self.problems.append(f"{self.scenario.file}:{where}\n" + "\n".join(lines))

    def stepwise(self) -> Standing:
        """One decision per line."""
        driver = Driver(self.scenario.program)
        for step, entries in self.made:
            events = driver.decide(entries, step.at)
            actual = [(e.at, described(self.zone, e)) for e in events]
            self.compare(str(step.line), step.expected, actual)
            for line, text in step.facts:
                self.check(line, text, driver.standing)
            again = driver.decide([], step.at)
            self.compare(f"{step.line} (decided twice)", [], [(e.at, e.kind) for e in again])
        self.check_sequence(driver.events)
        return driver.standing

    def scattered(self, seed: int) -> Standing:
        """The same with time let pass at random instants between, and lines put together."""
        chance = random.Random(seed)
        driver = Driver(self.scenario.program)
        batch: list[Entry] = []
        for step, entries in self.made:
            if chance.random() < 0.6:
                batch = self._let_pass(driver, batch, step.at, chance)
            batch.extend(entries)
        driver.decide(batch, self.scenario.steps[-1].at)
        actual = [(e.at, described(self.zone, e)) for e in driver.announced]
        self.compare(f"{self.scenario.line} (batches, seed {seed})", self.all_expected(), actual)
        return driver.standing

    def _let_pass(
        self, driver: Driver, batch: list[Entry], until: int, chance: random.Random
    ) -> list[Entry]:
        if batch:
            driver.decide(batch, batch[-1].recorded_at)
        since = max(driver.standing.at, self.made[0][0].at)
        for at in sorted(
            chance.randint(since, max(since, until)) for _ in range(chance.randint(0, 3))
        ):
            driver.decide([], at)
        return []

    def at_once(self) -> Standing:
        """Every entry in one decision."""
        driver = Driver(self.scenario.program)
        driver.decide(self.entries, self.scenario.steps[-1].at)
        actual = [(e.at, described(self.zone, e)) for e in driver.announced]
        self.compare(f"{self.scenario.line} (in one go)", self.all_expected(), actual)
        return driver.standing

    def slowly(self) -> Outcome:
        """By the independent evaluator."""
        outcome = evaluate(self.scenario.program, self.entries, self.scenario.steps[-1].at)
        actual = [
            (t.at, wording(self.zone, t.kind, t.tier_from, t.tier_to, t.cause, t.expires_at))
            for t in outcome.events
        ]
        events = [e for e in self.all_expected() if not is_reminder_kind(e.text.split()[0])]
        self.compare(f"{self.scenario.line} (slow evaluator)", events, actual)
        self.remind_slowly()
        entries: list[Entry] = []
        for step, more in self.made:
            entries.extend(more)
            if step.facts:
                seen = evaluate(self.scenario.program, entries, step.at)
                for line, text in step.facts:
                    self.check(f"{line} (slow evaluator)", text, seen.standing())
        return outcome

    def remind_slowly(self) -> None:
        """The reminders by the independent evaluator."""
        until, program = self.scenario.steps[-1].at, self.scenario.program
        driver = Driver(program)
        driver.decide(self.entries, until)
        differing = unequal(reminders(program, self.entries, until), reminders_of(driver))
        place = f"{self.scenario.file}:{self.scenario.line} (slow evaluator)"
        self.problems += [f"{place}\n  {problem}" for problem in differing]

    def all_expected(self) -> list[Expected]:
        return [e for step in self.scenario.steps for e in step.expected]

    def check_sequence(self, events: list[Event]) -> None:
        numbers = [e.seq for e in events]
        if numbers != list(range(1, len(numbers) + 1)):
            self.problems.append(f"{self.scenario.file}: events are numbered {numbers}")

    def check(self, line: int | str, text: str, standing: Standing) -> None:
        """`has balance 40, tier silver, expires 2024-05-01`."""
        for part in text.split(", "):
            name, _, answer = part.rpartition(" from ") if " from " in part else part.partition(" ")
            actual = self.fact(name if " from " not in part else "waiting", standing)
            expected: str = part.removeprefix("waiting ") if name.startswith("waiting") else answer
            if re.fullmatch(TIME, answer) and not name.startswith("waiting"):
                expected = self.zone.show(self.zone.parse(answer))
            if name.startswith("waiting") and " from " in part:
                expected = f"{name.split()[1]} from {self.zone.show(self.zone.parse(answer))}"
            if actual != expected:
                self.problems.append(
                    f"{self.scenario.file}:{line}\n  expected {name} {expected}\n  but got {actual}"
                )

    def fact(self, name: str, standing: Standing) -> str:
        show = self.zone.show
        if name.startswith("waiting"):
            waits = standing.waiting
            return "nothing" if waits is None else f"{waits[0]} from {show(waits[1])}"
        instants = {
            "since": standing.since,
            "started": standing.started_at,
            "expires": standing.ends_at,
            "grace": standing.grace_until,
            "joined": standing.joined_at,
        }
        if name in instants:
            return show(instants[name])
        if name == "override":
            return saying(standing.overrides[-1]) if standing.overrides else "none"
        values: dict[str, object] = {
            "tier": standing.tier or "none",
            "held": standing.held or "none",
            "balance": standing.balance,
            "pending": standing.points_pending,
            "debt": standing.debt,
            "earned": standing.earned,
            "spent": standing.spent,
            "expired": standing.expired,
        }
        return str(values[name])


def saying(override: Override) -> str:
    """Who asserted a tier, and why."""
    said = [override.source] + ([f"by {override.actor}"] if override.actor else [])
    return " ".join(said + ([f'"{override.reason}"'] if override.reason else []))


def play(scenario: Scenario, seeds: int = 2) -> list[str]:
    """Every way of playing a scenario; what went wrong, in words. Raises NoOpinion when nothing
    did, but the slow evaluator cannot say so."""
    run = Run(scenario)
    final = run.stepwise()
    for seed in range(seeds):
        if encode_standing(run.scattered(seed)) != encode_standing(final):
            run.problems.append(f"{scenario.file}: batches (seed {seed}) leave another standing")
    if encode_standing(run.at_once()) != encode_standing(final):
        run.problems.append(f"{scenario.file}: one go leaves another standing than steps")
    try:
        run.slowly()
    except NoOpinion:
        if not run.problems:
            raise
    return run.problems
