"""Customers who were erased, or half of them, in a copy with other shards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.ledger.conftest import Club
from tests.reshard.test_reshard import club
from tierline.ledger.erasure.erasures import Erasures
from tierline.ledger.rebuild import verify
from tierline.ledger.sweep.sweeper import Sweeper
from tierline.ledger.writer import Writer
from tierline.reshard import copy_installation
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.secret_box import SecretBox
from tierline.store.database import Database

__all__ = ["club"]


async def test_who_was_erased_is_so_in_the_copy(club: Club, fresh: Callable[[int], Any]) -> None:
    """Half of the way, too: it goes on there. A name of theirs is refused as it was, and a command
    that was sent before is answered as it was: the key of hashes came along."""
    sent = club.activity(customer="c2", points=1, key="again")
    async with club.writer() as writer:
        await writer.submit(sent)
        erasures = Erasures(club.database, club.catalog, writer)
        await erasures.erase(club.project, "c0")
        await erasures.erase(club.project, "c1")
    await club.database.pool.execute("UPDATE erasure SET step = 'emptied', due_at = 0")
    url = await fresh(5)
    await copy_installation(club.database, url, shards=5, page=7)
    async with await Database.open(url) as copy:
        catalog = await Catalog.open(copy, SecretBox(bytes(32)))
        await Sweeper(copy, catalog, lambda _: None).run_due()
        steps = await copy.pool.fetch("SELECT DISTINCT step FROM erasure")
        assert [row["step"] for row in steps] == ["cleared"]
        assert [str(d) async for d in verify(copy, catalog)] == []
        writer = Writer(copy, catalog, lambda _: None)
        await writer.start()
        try:
            assert (await writer.submit(sent)).repeated
            await Erasures(copy, catalog, writer).erase(club.project, "c0")  # by the fingerprint
        finally:
            await writer.stop()
