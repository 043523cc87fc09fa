"""Who comes late with a transfer or an order that is over makes nobody of whom it was for."""

from __future__ import annotations

import asyncio

import pytest

from tests.ledger.conftest import Club, first_half, wall
from tests.ledger.erasing import ANN, gone, traces, with_ann
from tierline.errors import Busy
from tierline.ledger.commands import Answer, Command
from tierline.ledger.erasure.erasures import Erasures
from tierline.ledger.orders.statements import OrderStatements
from tierline.ledger.transfers.completion import Returned
from tierline.model import ids
from tierline.store import customers


@pytest.mark.parametrize("follower", [False, True])
@pytest.mark.parametrize("by_id", [False, True])
async def test_points_arrive_once(club: Club, by_id: bool, follower: bool) -> None:
    """Another process has ended the transfer, and its recipient was erased then; somebody else may
    have followed them under that name."""
    await with_ann(club)
    async with club.writer() as writer:
        async with club.database.pool.acquire() as connection:
            shards = club.database.shards
            number = await customers.find_by_name(connection, shards, club.project, ANN)
        to = ids.customer_id(number or 0) if by_id else ANN
        sent = club.activity("transfer", "bob", to=to, points=7, key="bob-w")
        late = await first_half(club, sent)
        erasures = Erasures(club.database, club.catalog, writer)
        erased = await erasures.erase(club.project, ANN)
        if follower:
            await writer.submit(club.activity(customer=ANN, points=1, key="f-1"))
        people = await club.count("customer")
        assert await writer.transfers.finish(late) is None
    assert await club.count("customer") == people
    query = "SELECT balance FROM member WHERE customer = $1"
    balance = await club.database.pool.fetchval(query, erased.customer)
    assert balance == 300 - 20 + 5 + 50 + 7
    assert (await club.standing("bob")).balance == 300 + 20 - 5 - 7
    if follower:
        assert (await club.standing(ANN)).balance == 1
    else:
        await gone(club)


async def test_points_come_back_once(club: Club) -> None:
    """Who comes late hears that they are back, and why."""
    await with_ann(club)
    async with club.writer() as writer:
        erased = await Erasures(club.database, club.catalog, writer).erase(club.project, ANN)
        to = ids.customer_id(erased.customer)
        sent = club.activity("transfer", "bob", to=to, points=7, key="bob-w")
        late = await first_half(club, sent)
        first = await writer.transfers.finish(late)
        again = await writer.transfers.finish(late)
        assert isinstance(first, Returned)
        assert isinstance(again, Returned)
        assert (again.why, again.answer.entry) == (first.why, first.answer.entry)
        assert again.answer.repeated
    assert (await club.standing("bob")).balance == 300 + 20 - 5
    assert await club.count("intent") == 0


@pytest.mark.parametrize("follower", [False, True])
async def test_an_order_is_booked_once(club: Club, follower: bool) -> None:
    """Another process has ended the statement, and the buyer was erased then: nobody is made, nor
    is it booked for who has the name by now; and who sends it again begins anew."""
    await club.create()
    reached, go_on = asyncio.Event(), asyncio.Event()
    async with club.writer() as writer:

        async def record(command: Command) -> Answer:
            reached.set()
            await go_on.wait()
            return await writer.go_on(command)

        sent = club.activity("order", ANN, order="o-1", paid=5000, key="s-1")
        late = asyncio.create_task(
            OrderStatements(club.database, club.catalog, record, wall).take(sent)
        )
        await reached.wait()
        await writer.orders.end(club.project, "o-1")
        await Erasures(club.database, club.catalog, writer).erase(club.project, ANN)
        if follower:
            await writer.submit(club.activity(customer=ANN, points=1, key="f-1"))
        go_on.set()
        with pytest.raises(Busy):
            await late
        assert await club.count("customer") == 1 + follower
        assert follower or await traces(club) == []
        await writer.record(sent)
        assert (await club.standing(ANN)).balance == 50 + follower
    assert await club.count("customer") == 2
