"""What an older Tierline decided, exported and imported into another installation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest
from msgspec.structs import replace

from tests.e2e.caller import Caller, Json
from tests.servers import Server
from tests.upgrade.older import SHOP, members, served, unsound, upgraded
from tierline.bootstrap import Installation
from tierline.engine.decide import decide
from tierline.ledger.files.export import whole
from tierline.ledger.files.importer import Importer
from tierline.ledger.writer import Writer
from tierline.model.encoding import decode_standing
from tierline.model.standing import EDITION, Standing

COUNTS = ("tier_count", "tier_move", "last_change", "unlisted_change")
FORGET = ("attempt", "lane", "event", "entry", "member", "alias", "customer", *COUNTS)
Places = dict[tuple[str, str], Any]


async def move(
    source: Installation, target: Installation, path: Path, *, quiet: bool = True
) -> None:
    """Every program of the shop, ledgers and standings."""
    project = target.catalog.project(SHOP)
    now = target.catalog.now(SHOP, 0)
    writer = Writer(target.database, target.catalog, lambda _: None)
    await writer.start()
    for program in target.catalog.programs(SHOP):
        lines = [line async for line in whole(source.database, program.number)]
        path.write_bytes(b"".join(lines))
        importer = Importer(
            target.database,
            target.catalog,
            writer,
            project,
            program.number,
            quiet=quiet,
            clock=lambda: now,
        )
        done = await importer.run(path)
        assert (done.refused, done.records) == (0, len(lines))
    await writer.stop()


async def standings(installation: Installation) -> dict[tuple[str, str], Standing]:
    """By program and customer, as of the shop's time; without what each ledger counts for itself,
    and without when somebody is due, which knows of rules to come as of the last touch."""
    catalog, by_place = installation.catalog, {}
    for row in await members(installation.database):
        if row["program_id"] != "club":
            program = await catalog.program_numbered(row["program"])
            standing = decode_standing(row["standing"])
            now = decide(program, standing, (), catalog.now(SHOP, 0)).standing
            by_place[row["program_id"], row["source_id"]] = replace(
                now, entries=0, edition=EDITION, due_at=None
            )
    return by_place


def moves(feed: list[Json]) -> dict[tuple[str, str], list[tuple[object, ...]]]:
    """What was lines of each member."""
    lines: dict[tuple[str, str], list[tuple[object, ...]]] = {}
    for event in feed:
        facts = ("seq", "kind", "tier_from", "tier_to", "at", "cause")
        place = event["program"], event["customer"]
        lines.setdefault(place, []).append(tuple(str(event[fact]) for fact in facts))
    return lines


async def live(caller: Caller) -> None:
    for day in ("2025-03-02", "2025-06-02", "2026-02-01", "2027-01-02"):
        await caller.post("/api/clock", {"advance_to": f"{day}T00:00:00Z"})


@pytest.mark.parametrize("touched", [False, True])
async def test_a_history_moves_with_its_checkpoints(
    empty_url: str, server: Server, tmp_path: Path, session: aiohttp.ClientSession, touched: bool
) -> None:
    """Standings are equal, both ledgers are sound, and two years later both told the same."""
    other_url = await server.create()
    async with upgraded(empty_url) as source, upgraded(other_url) as target:
        for table in FORGET:
            await target.database.pool.execute(f"DELETE FROM {table}")  # noqa: S608
        if touched:
            async with served(source, session) as caller, served(target, session) as there:
                for clock in (caller, there):
                    await clock.post("/api/clock", {"advance_to": "2025-03-01T00:00:00Z"})
                late = {"customer": "s-ann", "kind": "earn", "points": 3}
                await caller.post("/api/programs/since-join/activities", late)
        await move(source, target, tmp_path / "shop.jsonl")
        assert await standings(target) == await standings(source)
        assert await unsound(source) == []
        assert await unsound(target) == []

        async with served(source, session) as caller:
            past = len(await caller.feed())
        feeds = []
        for installation in (source, target):
            async with served(installation, session) as caller:
                await live(caller)
                feeds.append(moves(await caller.feed()))
            assert await unsound(installation) == []
        for place, lines in feeds[1].items():
            assert feeds[0][place][-len(lines) :] == lines
        new = sum(len(lines) for lines in feeds[1].values())
        assert 0 < new == sum(len(lines) for lines in feeds[0].values()) - past
    await server.drop(other_url)


async def test_a_history_that_is_announced_is_told_as_it_is_read_there(
    empty_url: str, server: Server, tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    """Events are numbered anew, up to the checkpoint and on from it; the ledger is sound."""
    other_url = await server.create()
    async with upgraded(empty_url) as source, upgraded(other_url) as target:
        for table in FORGET:
            await target.database.pool.execute(f"DELETE FROM {table}")  # noqa: S608
        async with served(source, session) as caller, served(target, session) as there:
            for clock in (caller, there):
                await clock.post("/api/clock", {"advance_to": "2025-03-01T00:00:00Z"})
        await move(source, target, tmp_path / "shop.jsonl", quiet=False)
        assert await unsound(target) == []
        async with served(target, session) as caller:
            await live(caller)
        assert await unsound(target) == []
    await server.drop(other_url)
