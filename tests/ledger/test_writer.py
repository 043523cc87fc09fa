"""The path of a command: from intake to a durable entry, and what its sender is told."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from tests.ledger.conftest import LADDER, Club, wall
from tierline.errors import (
    Busy,
    InsufficientPoints,
    KeyReused,
    NotAMember,
    Refused,
    TierlineError,
    UnknownOriginal,
)
from tierline.ledger import commands
from tierline.ledger.command_parsing import CommandParser
from tierline.store.catalog.programs import NewVersion


async def test_first_activity_enrols_straight_into_the_tier_reached(club: Club) -> None:
    """An unknown customer's first activity makes one move, into the tier that it reaches."""
    await club.create()
    async with club.writer() as writer:
        answer = await writer.submit(club.activity(points=600))
    assert (answer.tier, answer.balance, answer.entry) == ("gold", 600, 2)
    assert await club.announcements() == ["joined -->gold activity"]
    assert club.committed == [await club.database.pool.fetchval("SELECT max(shard) FROM event")]


async def test_same_key_answers_the_same_again(club: Club) -> None:
    """A repeated key with the same body gets the first answer, and nothing happens twice."""
    await club.create()
    async with club.writer() as writer:
        first = await writer.submit(club.activity(points=60, key="k1"))
        await writer.submit(club.activity(points=60, key="k2"))
        again = await writer.submit(club.activity(points=60, key="k1"))
    assert again.repeated
    assert (again.balance, again.entry, again.tier, again.events) == (
        first.balance,
        first.entry,
        first.tier,
        first.events,
    )
    assert (await club.standing()).balance == 120


async def test_same_key_with_another_body_is_a_conflict(club: Club) -> None:
    """A key stands for one body, also within one batch."""
    await club.create()
    async with club.writer() as writer:
        one = writer.submit(club.activity(points=60, key="k1"))
        two = writer.submit(club.activity(points=61, key="k1"))
        await one
        with pytest.raises(KeyReused):
            await two
        with pytest.raises(KeyReused):
            await writer.submit(club.activity("custom", name="visit", key="k1"))
    assert (await club.standing()).balance == 60


async def test_a_key_belongs_to_a_customer_in_a_program(club: Club) -> None:
    """The same key in a second program, or for another customer, is an activity of its own: also
    of one shard, in one batch, and for an activity that takes another back."""
    await club.create()
    version = NewVersion(rules=LADDER, request="{}")
    second = await club.catalog.put_program(club.project.number, "second", version, wall())
    other = CommandParser(club.project, second.program)
    body = b'{"kind": "earn", "customer": "ada", "points": 60, "key": "k1"}'
    void = b'{"kind": "void", "customer": "ada", "of": "k1", "key": "k2"}'
    async with club.writer() as writer:
        answers = await asyncio.gather(
            writer.submit(club.activity(points=60, key="k1")),
            writer.submit(club.activity(points=60, key="k1", customer="bob")),
            writer.submit(other.activity(body, wall())),
        )
        again = await writer.submit(other.activity(body, wall()))
        back = await writer.submit(other.activity(void, wall()))

    assert [(answer.balance, answer.repeated) for answer in answers] == [(60, False)] * 3
    assert (again.balance, again.repeated) == (60, True)
    assert (back.balance, back.points) == (0, -60)
    assert (await club.standing()).balance == 60


async def test_the_same_activity_ten_times_at_once_over_two_writers(club: Club) -> None:
    """However often and through whichever writer it comes in: it counts once."""
    await club.create()
    activity = club.activity(points=60, key="k1")
    async with club.writer() as one, club.writer() as two:
        answers = await asyncio.gather(
            *(writer.submit(activity) for _ in range(5) for writer in (one, two))
        )
    assert [answer.balance for answer in answers] == [60] * 10
    assert sum(not answer.repeated for answer in answers) == 1
    assert await club.count("entry") == 2
    assert len(await club.events()) == 1


async def test_two_writers_share_members_and_new_customers(club: Club) -> None:
    """Two processes on one database lose and double nothing, and offsets stay gapless."""
    await club.create()
    async with club.writer() as one, club.writer() as two:
        sent = [
            (one, two)[i % 2].submit(club.activity(customer=f"c{i % 7}", points=30))
            for i in range(210)
        ]
        await asyncio.gather(*sent)
    for i in range(7):
        assert (await club.standing(f"c{i}")).balance == 900
    heads = await club.database.pool.fetch(
        'SELECT h.head, count(e.*) n, max(e."offset") last FROM shard_head h'
        " LEFT JOIN event e ON e.shard = h.shard GROUP BY h.shard, h.head"
    )
    assert all(row["head"] == row["n"] == (row["last"] or 0) for row in heads)
    assert sum(row["n"] for row in heads) == 21


async def test_a_refusal_leaves_strangers_and_the_key_alone(club: Club) -> None:
    """One member's lack of points fails nobody else in the batch, and the key may be used again."""
    await club.create()
    async with club.writer() as writer:
        outcomes = await asyncio.gather(
            writer.submit(club.activity(points=50)),
            writer.submit(club.activity("redeem", points=80, key="spend")),
            writer.submit(club.activity(customer="bob", points=5)),
            return_exceptions=True,
        )
        assert isinstance(outcomes[1], InsufficientPoints)
        assert outcomes[1].facts == {"balance": 50, "needed": 80}
        assert not isinstance(outcomes[2], BaseException)
        await writer.submit(club.activity(points=50))
        spent = await writer.submit(club.activity("redeem", points=80, key="spend"))
    assert (spent.balance, spent.repeated) == (20, False)


async def test_reversals_together_never_exceed_the_original(club: Club) -> None:
    """Partial refunds take points in the ratio of the money; the last takes the rest."""
    await club.create()
    async with club.writer() as writer:
        order = await writer.submit(club.activity("order", amount=1000, key="o1"))
        assert order.points == 10
        part = await writer.submit(club.activity("refund", of="o1", amount=333))
        assert (part.points, part.amount) == (-3, -333)
        with pytest.raises(Refused):
            await writer.submit(club.activity("refund", of="o1", amount=700))
        rest = await writer.submit(club.activity("refund", of="o1"))
        assert (rest.points, rest.amount, rest.balance) == (-7, -667, 0)
        with pytest.raises(Refused):
            await writer.submit(club.activity("void", of="o1"))


async def test_reversals_in_one_batch_see_each_other(club: Club) -> None:
    """An order and its refunds may arrive together, and the cap still holds."""
    await club.create()
    async with club.writer() as writer:
        outcomes = await writer.submit_all(
            [
                club.activity("order", amount=1000, key="o1"),
                club.activity("refund", of="o1", amount=600),
                club.activity("refund", of="o1", amount=600),
                club.activity("refund", of="o1", amount=400),
            ]
        )
    assert [type(o) for o in outcomes[2:3]] == [Refused]
    assert (await club.standing()).balance == 0


async def test_a_bad_original_is_refused_as_retryable(club: Club) -> None:
    """What is taken back must exist; it may still come."""
    await club.create()
    async with club.writer() as writer:
        await writer.submit(club.activity(points=10, key="mine"))
        with pytest.raises(UnknownOriginal):
            await writer.submit(club.activity("refund", of="nothing"))
        with pytest.raises(UnknownOriginal):
            await writer.submit(club.activity("void", customer="bob", of="mine"))
    assert await club.count("customer") == 1


async def test_a_void_of_a_redemption_gives_the_points_back(club: Club) -> None:
    """Voided spending returns to the balance."""
    await club.create()
    async with club.writer() as writer:
        await writer.submit(club.activity(points=100))
        await writer.submit(club.activity("redeem", points=60, key="r1"))
        back = await writer.submit(club.activity("void", of="r1"))
    assert (back.points, back.balance) == (60, 100)


async def test_without_auto_join_strangers_are_refused(club: Club) -> None:
    """Who is no member can do nothing but enrol; and leaving ends it."""
    await club.create(replace(LADDER, auto_join=False))
    async with club.writer() as writer:
        with pytest.raises(NotAMember):
            await writer.submit(club.activity(points=10))
        enrolled = await writer.submit(commands.enrol(club.parser.program_ref, "ada"))
        assert enrolled.tier == "bronze"
        assert (await writer.submit(commands.enrol(club.parser.program_ref, "ada"))).repeated
        await writer.submit(club.activity(points=10))
        await writer.submit(commands.leave(club.parser.program_ref, "ada"))
        with pytest.raises(NotAMember):
            await writer.submit(club.activity(points=10))
        back = await writer.submit(commands.enrol(club.parser.program_ref, "ada"))
    assert back.balance == 10
    assert await club.announcements() == [
        "joined -->bronze enrolment",
        "left bronze->- leaving",
        "joined -->bronze enrolment",
    ]


async def test_a_full_queue_sends_the_greedy_project_away(club: Club) -> None:
    """Past the bound a project is told to come back, while another still gets in."""
    await club.create()
    greedy = [club.activity(customer=f"c{i}", points=1) for i in range(40)]
    await club.create()
    modest = club.activity(customer="c0", points=1)
    async with club.writer(rows_max=8) as writer:
        outcomes: list[object] = []
        for command in greedy:
            try:
                outcomes.append(writer.submit(command))
            except Busy:
                outcomes.append(None)
        accepted = [o for o in outcomes if o is not None]
        assert 8 <= len(accepted) < 40
        shard = next(s for s in writer.shards if s.queue.rows >= 8)
        assert shard is not None
        await writer.submit(modest)
        await asyncio.gather(*accepted)  # type: ignore[call-overload]


async def test_a_moment_after_the_last_answer_counts_as_active(
    club: Club, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Callers who were all answered at once come again: nobody takes the floor between."""
    await club.create()
    async with club.writer() as writer:
        monkeypatch.setattr("tierline.ledger.writer.IDLE_AFTER_SECONDS", 3_600)
        assert not writer.active()
        await writer.submit(club.activity(points=1))
        while any(shard.under_way for shard in writer.shards):
            await asyncio.sleep(0)
        assert writer.active()
        monkeypatch.setattr("tierline.ledger.writer.IDLE_AFTER_SECONDS", -3_600)
        assert not writer.active()


async def test_a_poison_command_fails_alone(club: Club) -> None:
    """A command whose data the database cannot take fails alone, its batch goes through."""
    await club.create()
    poison = commands.command(
        club.parser.program_ref, "earn", "ada", commands.Assertion(points=1), key="nul\0inside"
    )
    async with club.writer() as writer:
        outcomes = await asyncio.gather(
            *(writer.submit(club.activity(customer=f"c{i}", points=5)) for i in range(9)),
            writer.submit(poison),
            *(writer.submit(club.activity(customer=f"d{i}", points=5)) for i in range(9)),
            return_exceptions=True,
        )
    failed = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert len(failed) == 1
    assert isinstance(failed[0], TierlineError)
    assert await club.count("entry") == 36


async def test_several_commands_of_one_member_in_one_batch_evolve_together(club: Club) -> None:
    """In one batch each command sees what the one before it did."""
    await club.create()
    async with club.writer() as writer:
        answers = await asyncio.gather(
            *(writer.submit(club.activity(points=50)) for _ in range(12))
        )
    assert [answer.balance for answer in answers] == list(range(50, 601, 50))
    assert await club.announcements() == [
        "joined -->bronze activity",
        "upgraded bronze->silver activity",
        "upgraded silver->gold activity",
    ]
    assert [event.seq for event in await club.events()] == [1, 2, 3]


async def test_a_lost_connection_is_survived_with_the_same_keys(club: Club) -> None:
    """The database drops every connection in between: everything is answered, once."""
    await club.create()
    async with club.writer() as writer:
        await writer.submit(club.activity(points=1))
        for _ in range(3):
            sent = [writer.submit(club.activity(points=1)) for _ in range(20)]
            await club.database.pool.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            await asyncio.gather(*sent)
    assert (await club.standing()).balance == 61


async def test_a_number_that_cannot_be_kept_is_refused_alone(club: Club) -> None:
    """The standing has no room for it: its sender is told, the batch goes through."""
    await club.create()
    async with club.writer() as writer:
        await writer.submit(club.activity(points=1))
        outcomes = await asyncio.gather(
            writer.submit(club.activity(customer="bob", points=5)),
            writer.submit(commands.attributes(club.parser.program_ref, "ada", {"x": 10**30})),
            writer.submit(club.activity(customer="cleo", points=5)),
            return_exceptions=True,
        )
    assert [type(outcome) for outcome in outcomes] == [commands.Answer, Refused, commands.Answer]
    assert (await club.standing()).attributes == {}
