"""People are erased in the middle of random histories: what is left is sound, and others go on."""

from __future__ import annotations

from random import Random

import pytest

from tests.ledger.conftest import Club
from tests.ledger.erasing import erasing
from tests.ledger.test_export_worlds import (
    DAY,
    HOUR,
    PEOPLE,
    START,
    Shop,
    random_command,
    random_rules,
)
from tierline.errors import TierlineError
from tierline.ledger.rebuild import verify
from tierline.store import diagnostics

STEPS = 4


@pytest.mark.parametrize("seed", [20, 22])
async def test_worlds_with_erasures_stay_sound(club: Club, seed: int) -> None:
    """Eight people in two programs of random rules do anything; now and then one of them is erased,
    and may come back as somebody else. Time goes on, a newer version of the rules too."""
    chance = Random(seed)
    rules = {program: random_rules(chance) for program in ("club", "other")}
    shop = Shop(club, rules, START)
    await shop.open()
    keys: list[tuple[str, str, str]] = []
    erased: dict[int, tuple[str | None, int, int]] = {}
    pool = club.database.pool
    columns = "SELECT tier, balance, seq FROM member WHERE customer = $1 ORDER BY program LIMIT 1"
    async with erasing(club) as erasures:
        for _ in range(STEPS):
            for _ in range(25):
                try:
                    await erasures.writer.submit(random_command(chance, shop, keys))
                except TierlineError:
                    continue
            name = chance.choice(PEOPLE)
            try:
                customer = (await erasures.erase(shop.project, name)).customer
            except TierlineError:
                continue  # nobody was ever named so
            if (row := await pool.fetchrow(columns, customer)) is not None:
                erased.setdefault(customer, tuple(row))
            await shop.advance(chance.choice((HOUR, 9 * DAY, 40 * DAY, 100 * DAY)))
    assert erased
    for customer, numbers in erased.items():
        assert [tuple(row) for row in await pool.fetch(columns, customer)] == [numbers]
    assert [str(d) async for d in verify(club.database, club.catalog)] == []
    findings = await diagnostics.findings(club.database, club.catalog, shop.now)
    assert [f for f in findings if not f.well and "due since" not in f.text] == []
    heads = await pool.fetch("SELECT shard, head FROM shard_head")
    for row in heads:  # no gap in any log
        query = 'SELECT count(*), max("offset") FROM event WHERE shard = $1'
        (places,) = await pool.fetch(query, row["shard"])
        assert (places["count"], places["max"] or 0) == (row["head"], row["head"])
