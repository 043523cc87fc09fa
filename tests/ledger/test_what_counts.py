"""What the ledger records of activities: what they count for, earn, and take back."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.ledger.conftest import LADDER, Club, wall
from tierline.errors import Invalid
from tierline.ledger import commands
from tierline.ledger.commands import Answer
from tierline.ledger.files.importer import Importer
from tierline.ledger.rebuild import verify
from tierline.model.calendar import parse_instant
from tierline.rules.expiry import AfterPeriod
from tierline.rules.ladder import Earning, Tier
from tierline.rules.metric import Filter, Metric
from tierline.rules.points import PerAmount, Points
from tierline.rules.policy import Measure, Policy
from tierline.rules.program import Rules
from tierline.rules.window import Since
from tierline.store.catalog.programs import NewVersion

START = parse_instant("2024-05-01T09:00:00Z")
DOUBLE = (Tier("base", "Base", from_=0, earning=Earning(200)), Tier("silver", "Silver", from_=900))
NIGHTS = Policy(
    tiers=(Tier("silver", "Silver", from_=10),),
    metric=Metric("sum", of="nights"),
    measures={"vip": Measure(Metric("count", filter=Filter(("order",), metadata={"vip": True})))},
)


async def send(club: Club, *sent: commands.Command) -> list[Answer | BaseException]:
    async with club.writer() as writer:
        return [await _outcome(writer.submit(command)) for command in sent]


async def _outcome(answer: Awaitable[Answer]) -> Answer | BaseException:
    try:
        return await answer
    except Exception as refused:  # noqa: BLE001
        return refused


async def test_a_first_order_earns_the_same_whether_enrolled_by_it_or_before(club: Club) -> None:
    """Base earns double, and who orders for the first time is in Base a moment before."""
    points = Points(orders=PerAmount(every=100, points=1))
    await club.create(Rules("Club", Policy(tiers=DOUBLE), points))
    enrolled = commands.enrol(club.parser.program_ref, "bob")
    answers = await send(
        club,
        club.activity("order", "ada", amount=1000, key="a"),
        enrolled,
        club.activity("order", "bob", amount=1000, key="b"),
    )

    assert [a.balance for a in answers if isinstance(a, Answer)] == [20, 0, 20]
    told_twice = ["joined -->base activity", "joined -->base enrolment"]
    assert sorted(await club.announcements()) == told_twice


async def test_a_refund_takes_nothing_that_has_expired(club: Club) -> None:
    """100 points of an order are gone, 50 of another are there: those stay."""
    points = Points(expiry=AfterPeriod("P1M"))
    await club.create(replace(LADDER, points=points), clock=START)
    late = {"occurred_at": "2024-02-01T09:00:00Z"}
    answers = await send(
        club,
        club.activity("order", amount=1000, points=100, key="a", **late),
        club.activity("earn", points=50, key="b"),
        club.activity("refund", of="a", key="c"),
    )

    assert [a.balance for a in answers if isinstance(a, Answer)] == [0, 50, 50]
    assert (await club.standing()).debt == 0
    assert [d async for d in verify(club.database, club.catalog)] == []


async def test_an_answer_says_when_nothing_counts_and_why(club: Club) -> None:
    """Before the membership, and again when the same key is repeated."""
    policy = Policy(tiers=LADDER.policy.tiers, metric=Metric("earned"), window=Since("join"))
    await club.create(Rules("Club", policy), clock=START)
    late = club.activity("earn", points=200, key="a", occurred_at="2024-03-01T09:00:00Z")
    answers = await send(
        club,
        commands.enrol(club.parser.program_ref, "ada", enrolled_at=START),
        late,
        late,
        club.activity("earn", points=1, key="b"),
    )

    reasons = [a.uncounted for a in answers if isinstance(a, Answer)]
    before = "It happened before the membership began, from which the metric counts."
    assert reasons == [None, before, before, None]
    assert (await club.standing()).tier == "bronze"


@pytest.mark.parametrize(
    ("metadata", "path"),
    [
        ({"nights": 12.5}, "metadata.nights"),
        ({"nights": "12"}, "metadata.nights"),
        ({"nights": True}, "metadata.nights"),
        ({"nights": 10**17}, "metadata.nights"),
        ({"vip": "true"}, "metadata.vip"),
        ({"vip": 1}, "metadata.vip"),
    ],
)
async def test_what_a_metric_needs_and_cannot_use_is_refused(
    club: Club, metadata: dict[str, object], path: str
) -> None:
    """With the field; what nobody asks for may be anything, and what is absent may be."""
    await club.create(Rules("Club", NIGHTS))
    answers = await send(
        club,
        club.activity("order", amount=1, key="a", metadata=metadata),
        club.activity("order", amount=1, key="b", metadata={"nights": None, "other": 1.5}),
    )

    refused = answers[0]
    assert isinstance(refused, Invalid)
    assert refused.path == path
    assert isinstance(answers[1], Answer)


@pytest.mark.parametrize("suffix", ["csv", "txt"])
async def test_a_csv_file_counts_numbers_and_booleans(
    club: Club, tmp_path: Path, suffix: str
) -> None:
    """Its cells are what the metric and the filter need, and text where nothing does."""
    await club.create(Rules("Club", NIGHTS))
    path = tmp_path / f"stays.{suffix}"
    path.write_text(
        "kind,key,customer,amount,metadata.nights,metadata.vip,metadata.zip\n"
        "order,a,ada,1,12,true,01234\norder,b,ada,1,1.5,true,\n"
    )
    async with club.writer() as writer:
        importer = Importer(club.database, club.catalog, writer, club.project, club.program)
        done = await importer.run(path)

    assert (done.commands, done.refused) == (1, 1)
    assert (await club.standing()).tier == "silver"
    stored = await club.database.pool.fetchval("SELECT detail FROM entry WHERE kind = 'order'")
    assert '"metadata":{"nights":12,"vip":true,"zip":"01234"}' in stored


async def test_scheduled_rules_make_nobody_unsound(club: Club) -> None:
    """A standing that was stored before they were written is as good as one after."""
    await club.create()
    await send(club, club.activity(points=120, key="a"))
    dearer = replace(LADDER, points=Points())
    later = NewVersion(rules=dearer, request="{}", effective_at=wall() + 86_400_000)
    await club.catalog.put_program(club.project.number, "club", later, wall())

    assert [d async for d in verify(club.database, club.catalog)] == []
