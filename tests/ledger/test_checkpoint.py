"""A member whose standing was decided under another reading of the rules."""

from __future__ import annotations

from msgspec.structs import replace

from tests.ledger.conftest import LADDER, Club
from tierline.ledger.rebuild import verify
from tierline.model.encoding import encode_standing
from tierline.rules.metric import Metric
from tierline.rules.policy import Policy
from tierline.rules.program import Rules


async def kinds(club: Club) -> list[str]:
    rows = await club.database.pool.fetch("SELECT kind FROM entry ORDER BY customer, n")
    return [row["kind"] for row in rows]


async def set_back(club: Club) -> None:
    """As older code left it: an edition before, in a tier that today's rules would not give."""
    standing = replace(await club.standing(), edition=1, held="silver", tier="silver")
    pool = club.database.pool
    await pool.execute(
        "UPDATE member SET standing = $1, tier = 'silver'", encode_standing(standing)
    )
    await pool.execute("UPDATE tier_count SET tier = 'silver'")


async def test_the_first_touch_notes_the_standing_as_a_fact(club: Club) -> None:
    """Nothing past is told again, and the ledger is sound before it, by it and after it."""
    await club.create()
    async with club.writer() as writer:
        await writer.submit(club.activity(points=50, key="a"))
    await set_back(club)
    assert [d async for d in verify(club.database, club.catalog)] == []

    async with club.writer() as writer:
        await writer.submit(club.activity(points=60, key="b"))
    assert await kinds(club) == ["enrol", "earn", "checkpoint", "earn"]
    assert await club.announcements() == ["joined -->bronze activity"]
    assert (await club.standing()).tier == "silver"
    assert [d async for d in verify(club.database, club.catalog)] == []


async def test_a_retroactive_correction_does_not_reach_behind_it(club: Club) -> None:
    """What was granted before stays; what is taken back afterwards is judged from there."""
    policy = Policy(LADDER.policy.tiers, Metric("earned"), corrections="retroactive")
    await club.create(Rules("Club", policy))
    async with club.writer() as writer:
        await writer.submit(club.activity(points=50, key="a"))
    await set_back(club)
    async with club.writer() as writer:
        await writer.submit(club.activity("void", of="a", key="b"))
        await writer.submit(club.activity(points=700, key="c"))

    assert await kinds(club) == ["enrol", "earn", "checkpoint", "void", "earn"]
    assert (await club.standing()).balance == 700
    assert (await club.standing()).tier == "gold"
    assert [d async for d in verify(club.database, club.catalog)] == []
