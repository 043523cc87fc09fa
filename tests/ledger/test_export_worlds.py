"""An export that is imported elsewhere is the same ledger, whatever the rules and the histories."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Literal

import pytest
from msgspec.structs import replace

from tests.fuzz.programs import random_program, savable
from tests.ledger.conftest import Club, wall
from tests.ledger.test_import_again import same_but_for_numbers, sound
from tests.ledger.test_importer import run
from tierline.errors import TierlineError
from tierline.ledger import commands, sandbox
from tierline.ledger.command_parsing import CommandParser
from tierline.ledger.commands import Command
from tierline.ledger.files.export import members, whole
from tierline.model.calendar import format_instant, parse_instant
from tierline.model.encoding import decode_standing, encode_standing
from tierline.model.entries import Override
from tierline.model.standing import EDITION, Standing
from tierline.rules.program import Rules
from tierline.store.catalog.programs import NewVersion

START = parse_instant("2024-02-20T10:00:00Z")
HOUR = 3_600_000
DAY = 24 * HOUR
PEOPLE = [f"c{i}" for i in range(8)]
STEPS = 5
SEEDS = range(8, 14)  # a debt occurs in one of these
KINDS: tuple[Literal["pin", "floor", "hold"], ...] = ("pin", "floor", "hold")
PROGRAMS = ("club", "other")
Json = dict[str, Any]


def random_rules(chance: Random) -> Rules:
    program = random_program(chance, "Europe/Berlin", START)
    while not savable(program) or len(program.versions) > 1:
        program = random_program(chance, "Europe/Berlin", START)
    return program.versions[0].rules


class Shop:
    """A sandbox project with two programs of the same people."""

    def __init__(self, club: Club, rules: dict[str, Rules], now: int) -> None:
        self.club = club
        self.rules = rules
        self.now = now
        self.numbers: dict[str, int] = {}

    async def open(self) -> None:
        await self.club.create(self.rules["club"], clock=self.now, zone="Europe/Berlin")
        self.numbers["club"] = self.club.program
        new = NewVersion(rules=self.rules["other"], request="{}")
        put = await self.club.catalog.put_program(self.club.project.number, "other", new, wall())
        self.numbers["other"] = put.program
        self.project = self.club.project

    async def advance(self, milliseconds: int) -> None:
        self.now += milliseconds
        club = self.club
        await sandbox.advance(
            club.database, club.catalog, club.committed.append, self.project.number, self.now
        )

    async def standings(self) -> dict[tuple[str, str], Standing]:
        rows = await self.club.database.pool.fetch(
            "SELECT profile::jsonb->>'source_id' AS name, program, standing FROM member m"
            " JOIN customer c ON c.shard = m.shard AND c.id = m.customer WHERE project = $1",
            self.project.number,
        )
        ids = {number: id_ for id_, number in self.numbers.items()}
        return {(r["name"], ids[r["program"]]): decode_standing(r["standing"]) for r in rows}

    def parser(self, program: str) -> CommandParser:
        return CommandParser(self.project, self.numbers[program])


def random_command(chance: Random, shop: Shop, keys: list[tuple[str, str, str]]) -> Command:
    """Anything that a caller may say of a member; much of it is refused."""
    program, name = chance.choice(PROGRAMS), chance.choice(PEOPLE)
    parser, place = shop.parser(program), shop.parser(program).program_ref
    tiers = [tier.id for tier in shop.rules[program].policy.tiers]
    ahead = shop.now + chance.randint(1, 90) * DAY
    match chance.choices(range(8), (5, 4, 4, 6, 2, 1, 1, 1))[0]:
        case 0:
            body: Json = {"kind": "earn", "points": chance.randint(1, 900)}
            if chance.random() < 0.2:
                body["available_at"] = format_instant(ahead)
            elif chance.random() < 0.2:
                body["expires_at"] = format_instant(ahead)
        case 1:
            body = {"kind": "order", "amount": chance.randint(1, 90_000)}
        case 2:
            body = {"kind": "redeem", "points": chance.randint(1, 900)}
        case 3 if keys:
            program, name, key = chance.choice(keys)
            parser = shop.parser(program)
            body = {"kind": chance.choice(("void", "refund")), "of": key}
        case 4:
            kind = chance.choice(KINDS)
            tier = None if kind == "hold" else chance.choice(tiers)
            until = chance.choice((None, ahead))
            at = shop.now
            return commands.override(place, name, Override(kind, tier, starts_at=at, until=until))
        case 5:
            return commands.leave(place, name)
        case 6:
            return commands.enrol(place, name)
        case 7:
            return commands.attributes(place, name, {"vip": chance.random() < 0.5, "n": 3})
        case _:
            body = {"kind": "event", "name": chance.choice(("visit", "night", "review"))}
    key = f"k{len(keys)}"
    if "of" not in body:
        keys.append((program, name, key))
    body |= {"customer": name, "key": key if "of" not in body else f"taken back {chance.random()}"}
    return parser.activity(json.dumps(body).encode(), shop.now)


async def live(chance: Random, shop: Shop) -> None:
    keys: list[tuple[str, str, str]] = []
    async with shop.club.writer() as writer:
        for _ in range(STEPS):
            for _ in range(30):
                try:
                    await writer.submit(random_command(chance, shop, keys))
                except TierlineError:
                    continue
            await shop.advance(chance.choice((HOUR, 9 * DAY, 40 * DAY, 100 * DAY)))


async def age(shop: Shop, chance: Random) -> None:
    """Some standings as an earlier release decided them: a checkpoint notes them when touched."""
    pool = shop.club.database.pool
    rows = await pool.fetch("SELECT customer, program, standing FROM member ORDER BY 1, 2")
    for row in rows:
        if chance.random() < 0.3:
            aged = replace(decode_standing(row["standing"]), edition=1)
            query = "UPDATE member SET standing = $3 WHERE customer = $1 AND program = $2"
            await pool.execute(query, row["customer"], row["program"], encode_standing(aged))


async def written(shop: Shop, tmp_path: Path, *, history: bool) -> dict[str, Path]:
    paths = {}
    for program, number in shop.numbers.items():
        paths[program] = tmp_path / f"{program}.jsonl"
        with paths[program].open("wb") as file:
            async for line in (whole if history else members)(shop.club.database, number):
                file.write(line)
    return paths


def differences(
    one: dict[tuple[str, str], Standing], other: dict[tuple[str, str], Standing]
) -> list[str]:
    """What is not the same, by member and field."""
    assert one.keys() == other.keys()
    pairs = ((place, trimmed(one[place], other[place])) for place in sorted(one))
    return [
        f"{place} {field}: {getattr(a, field)} != {getattr(b, field)}"
        for place, (a, b) in pairs
        for field in Standing.__struct_fields__
        if getattr(a, field) != getattr(b, field)
    ]


def trimmed(*standings: Standing) -> tuple[Standing, ...]:
    """Without numbers and times of recording, nor the totals of days that no window asks for: these
    go whenever a standing is written. What comes with an import is of this edition."""
    first = max((s.totals_from for s in standings if s.totals_from is not None), default=None)
    return tuple(
        same_but_for_numbers(
            replace(
                standing,
                totals_from=first,
                edition=EDITION,
                totals={
                    key: days
                    for key, buckets in standing.totals.items()
                    if (days := tuple(b for b in buckets if not b[0] or b[0] >= (first or 0)))
                },
            )
        )
        for standing in standings
    )


OCCURRENCES: dict[str, Callable[[Standing], object]] = {
    "a debt": lambda s: s.debt > 0,
    "pending points": lambda s: s.pending,
    "lots that expire": lambda s: any(end is not None for end, _ in s.lots),
    "points redeemed": lambda s: s.spent,
    "an override": lambda s: s.overrides,
    "attributes": lambda s: s.attributes,
    "somebody who left": lambda s: s.joined_at is None and s.left_at is not None,
    "somebody who came back": lambda s: s.joined_at is not None and s.left_at is not None,
    "a tier that ends": lambda s: s.ends_at is not None,
    "an earlier edition": lambda s: s.edition == 1,
}


@pytest.mark.parametrize("history", [False, True], ids=["members", "history"])
async def test_a_world_that_moves_is_the_same_world(
    club: Club, tmp_path: Path, *, history: bool
) -> None:
    """Two programs of the same people, who come and go: every field of every standing is the same
    after the move, and again when both have lived on for a year."""
    occurred: set[str] = set()
    for seed in SEEDS:
        chance = Random(f"{seed} export")
        old = Shop(club, {program: random_rules(chance) for program in PROGRAMS}, START)
        await old.open()
        await live(chance, old)
        if not history:  # their ledger would not lead to it
            await age(old, chance)
        before = await old.standings()
        paths = await written(old, tmp_path, history=history)
        new = Shop(club, old.rules, old.now)
        await new.open()
        for program, path in paths.items():
            club.program = new.numbers[program]
            done = await run(club, path)
            assert done.refused == 0, done.problems

        assert differences(await new.standings(), before) == [], seed
        for days in (1, 40, 365):
            await old.advance(days * DAY)
            await new.advance(days * DAY)
            assert differences(await new.standings(), await old.standings()) == [], seed
        occurred |= {
            what
            for what, occurs in OCCURRENCES.items()
            for standing in before.values()
            if occurs(standing)
        }
    if history:
        assert await sound(club)
    assert occurred >= OCCURRENCES.keys() - ({"an earlier edition"} if history else set())
