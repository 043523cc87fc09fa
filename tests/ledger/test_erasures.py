"""Erasing a customer: stopped at every step, asked for by several, and while they are busy."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress

import pytest

from tests.ledger.conftest import LADDER, Club, first_half, wall
from tests.ledger.erasing import ANN, erasing, gone, sweep, traces, with_ann
from tierline.errors import NotFound, TierlineError
from tierline.ledger.commands import Answer
from tierline.ledger.erasure.erasures import STEPS, Erased, Erasures
from tierline.rules.metric import Filter, Metric
from tierline.rules.policy import Policy
from tierline.rules.program import Rules
from tierline.store import profiles
from tierline.store.erasures import CLEARED, StoredErasure
from tierline.store.ledger_transaction import LedgerTx
from tierline.store.profiles import Profile


class Stopped(Exception):
    """The process is gone."""


class Stopping(Erasures):
    """Is gone right after a step did its work, before that is noted."""

    last = ""

    async def _do(self, tx: LedgerTx, erasure: StoredErasure, step: str) -> None:
        await super()._do(tx, erasure, step)
        if step == self.last:
            raise Stopped


@pytest.mark.parametrize("noted", [False, True])
@pytest.mark.parametrize("step", STEPS[1:-1])
async def test_it_ends_wherever_its_process_was_gone(club: Club, step: str, noted: bool) -> None:
    """After each step, whether that was noted or not: a sweep goes on, to the same end."""
    await with_ann(club)
    async with club.writer() as writer:
        erasures = Stopping(club.database, club.catalog, writer)
        erasures.last = step
        with pytest.raises(Stopped):
            await erasures.erase(club.project, ANN)
    if not noted:
        before = STEPS[STEPS.index(step) - 1]
        await club.database.pool.execute("UPDATE erasure SET step = $1, due_at = begun_at", before)
    await sweep(club, sweepers=2)
    if step != CLEARED or not noted:
        await gone(club)
    async with erasing(club) as again:
        assert isinstance(await again.erase(club.project, ANN), Erased)
    await gone(club)


async def test_two_processes_erase_at_once(club: Club) -> None:
    """One answer, one line in the log and one in the audit log."""
    await with_ann(club)
    async with erasing(club) as one, erasing(club) as other:
        answers = await asyncio.gather(
            *(each.erase(club.project, ANN) for each in (one, other, one, other))
        )
    pool = club.database.pool
    assert len(set(answers)) == 1
    assert await pool.fetchval("SELECT count(*) FROM event WHERE class = 'ops'") == 1
    assert await pool.fetchval("SELECT count(*) FROM member_audit") == 1
    await gone(club)


async def test_activities_of_the_person_arrive_meanwhile(club: Club) -> None:
    """Each is of the one or of the other: none is lost, and the new customer has the rest."""
    await with_ann(club)
    async with club.writer() as writer, erasing(club) as erasures:
        sent = [
            writer.submit(club.activity(customer=ANN, points=1, key=f"{ANN}-m{n}"))
            for n in range(40)
        ]
        erased = asyncio.create_task(erasures.erase(club.project, ANN))
        for n in range(40, 80):
            await asyncio.sleep(0)
            sent.append(writer.submit(club.activity(customer=ANN, points=1, key=f"{ANN}-m{n}")))
        answers = await asyncio.gather(*sent, return_exceptions=True)
        customer = (await erased).customer
    kinds = [type(answer) for answer in answers]
    assert all(kind in (Answer, NotFound) for kind in kinds)
    pool, recorded = club.database.pool, sum(kind is Answer for kind in kinds)
    first = await pool.fetchval(
        "SELECT count(*) FROM entry WHERE customer = $1 AND points = 1", customer
    )
    other = await pool.fetchval(
        "SELECT count(*) FROM entry WHERE customer <> $1 AND points = 1", customer
    )
    assert first + other == recorded
    left = [each for each in await traces(club) if f"{ANN}-m" not in each]
    assert all((ANN in each and "alias" in each) or "profile" in each for each in left)
    async with erasing(club) as erasures:
        if other:
            await erasures.erase(club.project, ANN)
    await gone(club)


@pytest.mark.parametrize("sends", [True, False])
async def test_points_under_way_arrive_first(club: Club, sends: bool) -> None:
    """Of a transfer whose first half alone was durable, either way."""
    await with_ann(club)
    sender, recipient = (ANN, "bob") if sends else ("bob", ANN)
    await first_half(
        club, club.activity("transfer", sender, to=recipient, points=7, key=f"{sender}-w")
    )
    async with erasing(club) as erasures:
        erased = await erasures.erase(club.project, ANN)
    balance = await club.database.pool.fetchval(
        "SELECT balance FROM member WHERE customer = $1", erased.customer
    )
    assert balance == 300 - 20 + 5 + 50 + (-7 if sends else 7)
    assert await club.count("intent") == 0
    await gone(club)


async def test_others_whose_rules_read_the_words_stay_where_they_are(club: Club) -> None:
    """What bob got from ann counts by what she said of it; when that goes, a checkpoint notes what
    it counted."""
    gifts = Metric(source="count", filter=Filter(kinds=("transfer_in",), metadata={"note": ANN}))
    await club.create(Rules("Club", Policy(LADDER.policy.tiers, gifts)))
    async with club.writer() as writer:
        for name in (ANN, "bob"):
            await writer.submit(club.activity(customer=name, points=300, key=f"{name}-1"))
        said = {"metadata": {"note": ANN}}
        await writer.submit(
            club.activity("transfer", ANN, to="bob", points=20, key=f"{ANN}-t", **said)
        )
    before = await club.standing("bob")
    assert any(before.totals.values())
    async with erasing(club) as erasures:
        await erasures.erase(club.project, ANN)
    after = await club.standing("bob")
    assert (after.totals, after.tier, after.balance) == (before.totals, before.tier, before.balance)
    left = await traces(club)
    assert all("standing" in each or "program_version" in each or "detail" in each for each in left)


async def test_nobody_is_changed_by_what_they_were_called(club: Club) -> None:
    """By the id that we made nothing is recorded of an erased customer, and rules that change move
    nobody."""
    await with_ann(club)
    async with erasing(club) as erasures:
        erased = await erasures.erase(club.project, ANN)
        writer = erasures.writer
        name = f"cust_{erased.customer:014x}"
        for command in (
            club.activity(customer=name, points=1),
            club.activity("order", name, amount=1),
        ):
            with pytest.raises(TierlineError) as refused:
                await writer.record(command)
            assert refused.value.code == "not_found"
    await gone(club)


async def test_profiles_are_put_meanwhile(club: Club) -> None:
    """A name or a text that comes at that moment is of whoever is made anew, never of the erased
    customer, and no name is left of somebody who is not there."""
    await with_ann(club)

    async def put(n: int) -> None:
        profile = Profile(email=f"{ANN}{n}@shop.example", names={"card": (f"{ANN}-card-{n}",)})
        with suppress(TierlineError):
            await profiles.put(club.database, club.project, ANN, profile, wall())

    async with erasing(club) as erasures:
        erasure = asyncio.create_task(erasures.erase(club.project, ANN))
        await asyncio.gather(*(put(n) for n in range(5)))
        customer = (await erasure).customer
        pool = club.database.pool
        query = "SELECT count(*) FROM alias WHERE customer = $1"
        assert await pool.fetchval(query, customer) == 0
        profile = await pool.fetchval("SELECT profile FROM customer WHERE id = $1", customer)
        assert ANN not in profile
        with suppress(NotFound):
            await erasures.erase(club.project, ANN)
    await gone(club)


async def test_kill_9_while_many_are_erased(club: Club) -> None:
    """Whoever was begun is gone in the end, and nobody else."""
    await with_ann(club)
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.ledger.erasure_worker", club.database.url,
        stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": "src:."},
    )  # fmt: skip
    assert worker.stdout is not None
    async with asyncio.timeout(60):
        for _ in range(5):
            await worker.stdout.readline()
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
    await sweep(club, sweepers=2)
    pool = club.database.pool
    begun = await pool.fetchval("SELECT count(*) FROM erasure")
    assert begun >= 5
    assert await pool.fetchval("SELECT count(*) FROM member WHERE erased_at IS NOT NULL") == begun
    assert await pool.fetchval("SELECT count(*) FROM event WHERE class = 'ops'") == begun
    assert ANN in str(await traces(club))
