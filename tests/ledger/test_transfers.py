"""Points from one customer to another: two halves, maybe in two shards, and nothing in between is
lost or doubled."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from tests.ledger.circle import Circle, closed, with_ada
from tests.ledger.conftest import LADDER, Club, first_half, wall
from tests.ledger.test_sweep import EXPIRING, START
from tierline.errors import InsufficientPoints, Invalid, KeyReused, NotAMember
from tierline.ledger import commands, sandbox
from tierline.ledger.command_parsing import CommandParser
from tierline.ledger.commands import Assertion, ProgramRef, Transfer
from tierline.ledger.rebuild import verify
from tierline.ledger.sweep.sweeper import Sweeper
from tierline.ledger.transfers.legs import second_half
from tierline.model.entries import Detail
from tierline.store import customers
from tierline.store.catalog.programs import NewVersion
from tierline.store.profiles import Profile, put

DAY = 86_400_000
ARRIVED = Transfer("bob", "arrived")


@pytest.fixture(params=["same shard", "other shard"])
async def circle(club: Club, request: pytest.FixtureRequest) -> Circle:
    """Ada with 600 points; bob, still unknown, in her shard or in the other one."""
    await club.create()
    return await with_ada(club, other=request.param == "other shard")


async def test_points_go_from_one_to_the_other(circle: Circle) -> None:
    """Both are judged: who gives falls, who gets rises; the answer tells that they arrived."""
    async with circle.club.writer() as writer:
        answer = await writer.submit(circle.sent(reason="a gift"))
    assert (answer.points, answer.balance, answer.tier) == (-250, 350, "silver")
    assert answer.transfer == Transfer(circle.bob, "arrived")
    assert await circle.balances() == (350, 250)
    assert await circle.kinds(circle.bob) == ["enrol", "transfer_in"]
    bob = await circle.club.standing(circle.bob)
    assert (bob.tier, bob.earned) == ("silver", 250)
    assert (await circle.club.standing()).earned == 600
    await circle.settled()


async def test_the_same_key_ten_times_at_once(circle: Circle) -> None:
    """Through two writers: it counts once, and everybody hears that the points arrived."""
    async with circle.club.writer() as one, circle.club.writer() as two:
        answers = await asyncio.gather(
            *(writer.submit(circle.sent()) for _ in range(5) for writer in (one, two))
        )
        again = await one.submit(circle.sent())
        with pytest.raises(KeyReused):
            await one.submit(circle.sent(points=251))
    assert sum(not answer.repeated for answer in answers) == 1
    assert {(a.balance, a.transfer) for a in (*answers, again)} == {
        (350, Transfer(circle.bob, "arrived"))
    }
    assert await circle.balances() == (350, 250)
    await circle.settled()


async def test_a_crash_between_the_halves_is_taken_up_by_the_sweep(circle: Circle) -> None:
    """Until then the points are shown in transit; afterwards they arrived, once, though several
    processes took it up."""
    intent = await first_half(circle.club, circle.sent())
    assert await circle.in_transit(intent) == 250
    assert (await circle.club.standing()).balance == 350
    await circle.sweep(sweepers=3)
    assert await circle.in_transit(intent) == 0
    assert await circle.balances() == (350, 250)
    await circle.settled()


async def test_a_server_takes_up_what_another_left(circle: Circle) -> None:
    """The sweeper of a running server looks for it by itself."""
    await first_half(circle.club, circle.sent())
    sweeper = Sweeper(
        circle.club.database, circle.club.catalog, circle.club.committed.append,
        clock=lambda: wall() + 60_000,
    )  # fmt: skip
    await sweeper.start()
    try:
        async with asyncio.timeout(20):
            while await circle.club.count("intent"):
                await asyncio.sleep(0.02)
    finally:
        await sweeper.stop()
    assert await circle.balances() == (350, 250)
    await circle.settled()


async def test_a_transfer_that_began_twice_ends_once(circle: Circle) -> None:
    """Second half done, intent not yet taken away: the next one only does that."""
    intent = await first_half(circle.club, circle.sent())
    program_ref = ProgramRef(circle.club.project, circle.club.program)
    async with circle.club.writer() as writer:
        await writer.go_on(second_half(program_ref, intent))
        assert await circle.club.count("intent") == 1
    await circle.sweep()
    assert await circle.balances() == (350, 250)
    await circle.settled()


async def test_the_same_request_after_a_crash_goes_on_where_it_stopped(circle: Circle) -> None:
    """A client that got no answer sends it again: nothing is taken twice, and it arrives."""
    await first_half(circle.club, circle.sent())
    async with circle.club.writer() as writer:
        answer = await writer.submit(circle.sent())
    assert (answer.repeated, answer.transfer) == (True, Transfer(circle.bob, "arrived"))
    assert await circle.balances() == (350, 250)
    await circle.settled()


@pytest.mark.parametrize("other", [False, True], ids=["same shard", "other shard"])
async def test_a_stranger_gets_nothing_where_nobody_joins_by_themselves(
    club: Club, other: bool
) -> None:
    """The points come back by a void, and answer and ledger say why; the same key tells it again,
    also when the stranger has become a member since."""
    circle = await closed(club, other=other)
    async with club.writer() as writer:
        first = await writer.submit(circle.sent())
        await writer.submit(commands.enrol(club.parser.program_ref, circle.bob))
        again = await writer.submit(circle.sent())
        fresh = await writer.submit(circle.sent(key="t2"))
    assert first.transfer is not None
    assert (first.transfer.state, first.transfer.code) == ("returned", "not_a_member")
    assert circle.bob in (first.transfer.reason or "")
    assert (first.points, first.balance, first.tier) == (-250, 600, "gold")
    assert replace(again, repeated=False) == first
    assert fresh.transfer == Transfer(circle.bob, "arrived")
    assert await circle.kinds("ada") == ["enrol", "earn", "transfer_out", "void", "transfer_out"]
    assert await circle.balances() == (350, 250)
    await circle.settled()


async def test_who_left_or_was_erased_gets_nothing(circle: Circle) -> None:
    """Neither a membership that ended nor one whose customer is gone can be given points."""
    club = circle.club
    async with club.writer() as writer:
        await writer.submit(club.activity(customer=circle.bob, points=5))
        await writer.submit(commands.leave(club.parser.program_ref, circle.bob))
        left = await writer.submit(circle.sent())
        await writer.submit(commands.enrol(club.parser.program_ref, circle.bob))
        await club.database.pool.execute(
            "UPDATE customer SET erased_at = 1 WHERE profile LIKE $1", f'%"{circle.bob}"%'
        )
        erased = await writer.submit(circle.sent(key="t2"))
    assert [a.transfer and a.transfer.code for a in (left, erased)] == ["not_a_member", "not_found"]
    assert await circle.balances() == (600, 5)
    await circle.settled()


async def test_more_than_there_is_leaves_nothing(circle: Circle) -> None:
    """No entry, no intent, and the key can be used again."""
    async with circle.club.writer() as writer:
        with pytest.raises(InsufficientPoints):
            await writer.submit(circle.sent(points=601))
        assert await circle.club.count("intent") == 0
        with pytest.raises(InsufficientPoints):
            await writer.submit(circle.club.activity("transfer", "nobody", to="ada", points=1))
        answer = await writer.submit(circle.sent(points=600))
    assert answer.balance == 0
    assert await circle.balances() == (0, 600)
    await circle.settled()


async def test_who_never_was_a_member_sends_nothing(club: Club) -> None:
    """Where nobody joins by themselves, that is what is wrong."""
    circle = await closed(club)
    async with club.writer() as writer:
        with pytest.raises(NotAMember):
            await writer.submit(club.activity("transfer", circle.bob, to="ada", points=1))


async def test_nobody_sends_to_themselves(club: Club) -> None:
    """By the same name it is refused at the door; by another of theirs the points come back."""
    await club.create()
    circle = await with_ada(club, other=True)
    with pytest.raises(Invalid) as refused:
        club.activity("transfer", to="ada", points=1)
    assert refused.value.path == "to"
    async with club.writer() as writer:
        for i in range(6):  # in her shard and in the other one
            renamed = Profile(source_id=f"ada{i}")
            await put(club.database, club.project, "ada", renamed, wall())
            sent = club.activity("transfer", to=f"ada{i}", points=100, key=f"t{i}")
            answer = await writer.submit(sent)
            again = await writer.submit(sent)
            assert answer.transfer is not None
            assert (answer.balance, answer.transfer.code) == (600, "refused"), answer.transfer
            assert again.transfer == answer.transfer
    await circle.settled()


async def test_another_name_of_the_recipient_finds_them(circle: Circle) -> None:
    """Also where the name lies in another shard than its customer; and again after a crash."""
    club = circle.club
    await circle.enrol(circle.bob)
    for i in range(8):
        await put(club.database, club.project, circle.bob, Profile(source_id=f"rob{i}"), wall())
        name, key = f"rob{i}", f"t{i}"
        await first_half(club, club.activity("transfer", to=name, points=10, key=key))
    await circle.sweep(sweepers=2)
    async with club.writer() as writer:
        for i in range(8):
            sent = club.activity("transfer", to=f"rob{i}", points=10, key=f"t{i}")
            assert (await writer.submit(sent)).transfer == Transfer(f"rob{i}", "arrived")
    assert await circle.balances() == (520, 80)
    await circle.settled()


async def test_points_that_arrive_expire_anew_and_those_that_come_back_as_before(
    club: Club,
) -> None:
    """In a sandbox: ten days from the transfer for the recipient; each lot's own day at home."""
    await club.create(replace(EXPIRING, auto_join=False), clock=START)
    program_ref = club.parser.program_ref
    async with club.writer() as writer:
        for name in ("ada", "bob"):
            await writer.submit(commands.enrol(program_ref, name))
        await writer.submit(club.activity(points=100))
        await _advance(club, START + 4 * DAY)
        await writer.submit(club.activity(points=50))
        before = (await club.standing()).lots
        lost = await writer.submit(club.activity("transfer", to="nobody", points=120))
        after = (await club.standing()).lots
        sent = await writer.submit(club.activity("transfer", to="bob", points=120))
    assert lost.transfer is not None
    assert lost.transfer.state == "returned"
    assert sent.transfer == ARRIVED
    assert len(before) == 2
    assert after == before
    ((first, left),) = (await club.standing()).lots
    ((new, got),) = (await club.standing("bob")).lots
    assert (left, got, first) == (30, 120, before[1][0])
    assert new == before[1][0]  # ten days from today, as what was earned today
    await _advance(club, START + 30 * DAY)
    assert (await club.standing("bob")).expired == 120
    assert [d async for d in verify(club.database, club.catalog)] == []


async def _advance(club: Club, to: int) -> None:
    number = club.project.number
    await sandbox.advance(club.database, club.catalog, club.committed.append, number, to)


async def test_in_a_sandbox_a_transfer_happened_when_it_set_out(club: Club) -> None:
    """Also if the process was gone, and the clock has moved, before the second half."""
    await club.create(EXPIRING, clock=START)
    circle = await with_ada(club, other=True)
    await first_half(circle.club, circle.sent(points=600))
    await _advance(club, START + 3 * DAY)
    await circle.sweep()
    ((at_home, points),) = (await club.standing(circle.bob)).lots
    assert (points, at_home) == (600, START - START % DAY + 11 * DAY)
    await circle.settled()


async def test_an_import_of_transfers_is_announced_nowhere(circle: Circle) -> None:
    """What is quiet stays quiet on both sides."""
    before = len(await circle.club.announcements())
    async with circle.club.writer() as writer:
        await writer.submit(commands.quietly(circle.sent()))
    assert len(await circle.club.announcements()) == before
    assert await circle.balances() == (350, 250)
    await circle.settled()


async def test_a_recipient_may_be_given_by_id(circle: Circle) -> None:
    """As routes do that know them by a card or another name."""
    club = circle.club
    await circle.enrol(circle.bob)
    async with club.database.pool.acquire() as connection:
        bob = await customers.find(connection, club.database.shards, club.project, circle.bob)
    assert bob is not None
    assertion = Assertion(points=250, detail=Detail(reason="card"))
    sent = commands.transfer(club.parser.program_ref, "ada", "card 7", assertion, recipient=bob)
    async with club.writer() as writer:
        assert (await writer.submit(sent)).transfer == Transfer("card 7", "arrived")
    assert await circle.balances() == (350, 250)


@pytest.mark.parametrize("other", [False, True], ids=["same shard", "other shard"])
async def test_transfers_of_two_programs_share_a_key(club: Club, other: bool) -> None:
    """One is refused and its points come back, the other arrives: neither is taken for the
    other, also when both are left in the middle."""
    circle = await closed(club, other=other)
    version = NewVersion(rules=LADDER, request="{}")
    second = await club.catalog.put_program(club.project.number, "second", version, wall())
    parser = CommandParser(club.project, second.program)
    earn = b'{"kind": "earn", "customer": "ada", "points": 300}'
    send = b'{"kind": "transfer", "customer": "ada", "to": "%s", "points": 250, "key": "t1"}'
    twin = parser.activity(send % circle.bob.encode(), wall())
    async with club.writer() as writer:
        await writer.submit(parser.activity(earn, wall()))
    for transfer in (circle.sent(), twin):
        await first_half(club, transfer)
    assert await club.count("intent") == 2
    async with club.writer() as writer:
        refused, arrived = [await writer.submit(sent) for sent in (circle.sent(), twin)]

    assert refused.transfer is not None
    assert refused.transfer.state == "returned"
    assert arrived.transfer == Transfer(circle.bob, "arrived")
    assert (refused.balance, arrived.balance) == (600, 50)
    await circle.settled()
