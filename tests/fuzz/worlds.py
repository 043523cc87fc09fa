"""Random programs and histories. The same seed makes the same world."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from random import Random

from tests.engine.history import History
from tests.fuzz.programs import random_program, savable
from tests.fuzz.stories import DAY, WHOLE, Story
from tests.fuzz.upgrades import upgraded
from tests.reference import civil
from tierline.model.entries import Entry
from tierline.model.orders import OrderFacts
from tierline.rules.program import Program
from tierline.rules.window import Calendar

# Where days start at odd instants, twice, or not at all; and a year in which they do.
ZONES = (
    ("UTC", 2023), ("Europe/Berlin", 2023), ("America/New_York", 2024), ("Asia/Kathmandu", 2023),
    ("America/Sao_Paulo", 2017), ("Pacific/Apia", 2011), ("Africa/Cairo", 2014),
    ("America/St_Johns", 2010), ("Australia/Lord_Howe", 2024),
)  # fmt: skip


ENTRIES_SHORT = 6  # of a short history, at most


@dataclass
class World:
    program: Program
    history: History
    until: int
    cuts: list[int]  # instants at which time is let pass, and batches end
    beside: World | None = None  # what the same customer does in another program
    # By entry: what its order was, where it was told whole.
    orders: dict[int, OrderFacts] = field(default_factory=dict)

    @property
    def entries(self) -> list[Entry]:
        return self.history.entries


def world(chance: Random) -> World:
    """A random program, and what happens to one member."""
    return happening(*setting(chance), chance)


def seeded(seed: int, entries_max: int = WHOLE) -> World:
    """The world of a seed in the long run; four members in turn have the same program, and one
    customer in thirty has another one beside, and one in ten meets an upgrade. `entries_max`: no
    more of its story is made up."""
    made = happening(*shared_setting(seed // 4), Random(seed), entries_max)
    if seed % 30 == 0 and entries_max > ENTRIES_SHORT:
        made.beside = happening(*shared_setting(seed // 4 + 1), Random(f"beside {seed}"))
    if seed % 10 == 7:
        entries = upgraded(made.program, made.entries, Random(f"upgrade {seed}"))
        made.history = History(made.program)
        made.history.entries.extend(entries)
    return made


def shortened(made: World, seed: int) -> World:
    """The beginning of a seed's world: a few entries, and some days after them. What two disagree
    on has always come down to as little, and six of these take no longer than one whole."""
    chance = Random(f"short {seed}")
    del made.entries[chance.randint(2, ENTRIES_SHORT) :]
    first, last = made.entries[0].recorded_at, made.entries[-1].recorded_at
    made.until = last + chance.choice((1, 30, 100, 400)) * DAY
    made.cuts = sorted(chance.randint(first, made.until) for _ in range(chance.randint(0, 4)))
    return made


def happening(program: Program, start: int, chance: Random, entries_max: int = WHOLE) -> World:
    history = History(program)
    until = Story(chance, program, history, start).tell(entries_max)
    cuts = sorted(chance.randint(start, until) for _ in range(chance.randint(0, 6)))
    return World(program, history, until, cuts)


def setting(chance: Random) -> tuple[Program, int]:
    """A program, and the instant at which stories may begin."""
    zone_name, year = chance.choice(ZONES)
    zone = civil.zone(zone_name)
    start = zone.start(first_day(chance, year))
    program = random_program(chance, zone_name, start)
    while not savable(program) or (daily(program) and chance.random() < 0.75):
        program = random_program(chance, zone_name, start)
    return program, start


def daily(program: Program) -> bool:
    """Whether a window turns on every day: such a world takes ten times as long as others."""
    policies = [version.rules.policy for version in program.versions]
    windows = [w for p in policies for w in (p.window, *(m.window for m in p.measures.values()))]
    return any(isinstance(w, Calendar) and w.unit == "day" for w in windows)


def first_day(chance: Random, year: int) -> date:
    """Any day of the year, and one in three a month's last or a leap day."""
    if chance.random() < 0.1:
        return date(year - year % 4 + 4, 2, 29)
    month = chance.randint(1, 12)
    last = civil.month_length(year, month)
    return date(year, month, last if chance.random() < 0.25 else chance.randint(1, last))


@lru_cache(maxsize=8)
def shared_setting(seed: int) -> tuple[Program, int]:
    return setting(Random(f"program {seed}"))
