"""An installation of an older Tierline, with a year of history, under this one's rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.data.upgrade.stories import PROGRAMS, STEPS
from tests.e2e.caller import Caller, Json, all_told, check_seqs
from tests.receiver import Receiver
from tests.upgrade.older import (
    UPGRADED,
    checkpoints,
    log,
    members,
    opened,
    redirect,
    restore,
    served,
    unsound,
    upgraded,
)
from tierline.ledger.rebuild import repair, verify
from tierline.ledger.sweep.sweeper import Sweeper
from tierline.model.calendar import parse_instant
from tierline.model.encoding import decode_standing
from tierline.reshard import copy_installation
from tierline.vendors.registry import FORMATS

YEARS_AHEAD = ("2025-03-01", "2025-04-02", "2025-06-02", "2025-10-01", "2026-02-01", "2027-01-02")


async def advance(caller: Caller, day: str) -> None:
    await caller.post("/api/clock", {"advance_to": f"{day}T00:00:00Z"})


async def send(caller: Caller, program: str, customer: str, **fields: object) -> Json:
    """An activity; `kind` is earn where it is not given."""
    body = {"customer": customer, "kind": "earn", **fields}
    answer: Json = await caller.post(f"/api/programs/{program}/activities", body)
    return answer


async def member(caller: Caller, program: str, customer: str) -> Json:
    answer: Json = await caller.get(f"/api/programs/{program}/members/{customer}")
    return answer


def tier(answer: Json) -> str | None:
    """The id of a member's tier."""
    return answer["tier"] and str(answer["tier"]["id"])


async def test_nothing_is_decided_anew_before_anybody_is_touched(
    empty_url: str, session: aiohttp.ClientSession
) -> None:
    """Standings, explanations and the log say what they said; the ledgers are sound."""
    async with upgraded(empty_url) as installation:
        database = installation.database
        assert await unsound(installation) == []
        shop = [row for row in await members(database) if row["program_id"] != "club"]
        events = await log(database)
        async with served(installation, session) as caller:
            for row in shop:
                path = f"/api/programs/{row['program_id']}/members/{row['source_id']}"
                now, why = await caller.get(path), await caller.get(f"{path}/explain")
                assert tier(now) == why["tier"] == row["tier"], path
                assert now["points"]["balance"] == row["balance"], path
                assert why["checkpoint"] <= UPGRADED
            feed = await caller.feed()
        assert {event["id"] for event in feed} <= {id_ for _, _, id_, _, _ in events}
        assert set(events) <= set(await log(database))


async def test_who_is_swept_first_and_who_acts_first_tell_nothing_past_again(
    empty_url: str, session: aiohttp.ClientSession
) -> None:
    """Some are touched by time, the others by an activity: one checkpoint each, the old events as
    they were, the new ones from the upgrade on, and a ledger that is sound at every stop."""
    async with upgraded(empty_url) as installation:
        database = installation.database
        events, shop = await log(database), await members(database)
        async with served(installation, session) as caller:
            await advance(caller, YEARS_AHEAD[0])
            swept = await checkpoints(database)
            assert 5 < len(swept) < len(shop) - 5
            assert await unsound(installation) == []
            for row in shop:
                if row["program_id"] != "club":
                    await send(caller, row["program_id"], row["source_id"], points=1)
            assert await unsound(installation) == []
            for day in YEARS_AHEAD[1:]:
                await advance(caller, day)
            assert await unsound(installation) == []
            check_seqs(await caller.feed())
        times = await checkpoints(database)
        assert set(times.values()) == {1}
        assert swept.keys() < times.keys()
        now = await log(database)
        assert set(events) < set(now)
        new = [msgspec.json.decode(body) for *_, body in set(now) - set(events)]
        assert len(new) > 40
        assert min(event["at"] for event in new) > parse_instant(UPGRADED)


async def test_the_first_touch_may_be_the_sweep_of_a_server_that_starts(
    empty_url: str,
) -> None:
    """Wanda's points expired while nobody was there: told once, at that instant."""
    async with upgraded(empty_url) as installation:
        database = installation.database
        for _ in range(2):
            await Sweeper(database, installation.catalog, lambda _: None).run_due()

        (wanda,) = [row for row in await members(database) if row["source_id"] == "wanda"]
        assert (wanda["tier"], wanda["balance"], wanda["seq"]) == ("silver", 0, 2)
        assert (await checkpoints(database))["wanda"] == 1
        assert await unsound(installation) == []
        last = msgspec.json.decode((await log(database))[-1][-1])
        seqs = [msgspec.json.decode(body) for *_, body in await log(database)]
        ends = [e for e in seqs if e["cause"] == "expiry" and e["at"] > parse_instant(UPGRADED)]
        assert [(e["seq"], e["kind"]) for e in ends] == [(2, "downgraded")], last


async def test_a_repetition_gets_the_older_codes_answer(
    empty_url: str, session: aiohttp.ClientSession
) -> None:
    """The same key with the same body, whatever kind of activity. Neither that, nor what is
    refused, nor what changes nothing writes anything."""
    async with upgraded(empty_url) as installation, served(installation, session) as caller:
        activities = [(path, body) for _, method, path, body in STEPS if method == "POST"]
        for path, body in activities:
            answer = await caller.post(path, body)
            assert answer["repeated"], (body, answer)
        assert len(activities) > 60
        refused = {"customer": "d-ann", "kind": "redeem", "points": 10_000}
        assert (await caller.call("POST", "/api/programs/drop/activities", refused)).status == 422
        enrolled = await caller.call("PUT", "/api/programs/drop/members/d-ann", {})
        assert enrolled.status == 200
        assert (await checkpoints(installation.database)).keys() <= {"wanda"}


async def test_new_rules_for_all_note_everybodys_standing_first(
    empty_url: str, session: aiohttp.ClientSession
) -> None:
    """A PUT that judges everybody anew is the first touch of many."""
    async with upgraded(empty_url) as installation, served(installation, session) as caller:
        for program in ("years", "since-join", "yearly"):
            body = PROGRAMS[program] | {"name": "Anew", "on_change": "rejudge"}
            await caller.put(f"/api/programs/{program}", body)
        await advance(caller, "2025-02-19")
        assert {"l-ann", "l-ben", "s-ann", "y-ann"} <= (
            await checkpoints(installation.database)
        ).keys()
        assert tier(await member(caller, "since-join", "s-ann")) == "silver"
        assert await unsound(installation) == []


async def test_a_repair_before_the_first_touch_keeps_what_was_decided(empty_url: str) -> None:
    """A wrong column is put right; the standing waits for its checkpoint as before."""
    async with upgraded(empty_url) as installation:
        database = installation.database
        await database.pool.execute("UPDATE member SET balance = 7 WHERE balance = 620")
        before = {
            row["source_id"]: decode_standing(row["standing"]) for row in await members(database)
        }
        (fault,) = [d async for d in verify(database, installation.catalog)]
        assert await repair(database, installation.catalog, fault)
        after = {
            row["source_id"]: decode_standing(row["standing"]) for row in await members(database)
        }
        assert after == before
        assert await unsound(installation) == []


# What the older code read otherwise: what it decided stays, what comes is decided as today.


async def test_a_period_that_earned_something_speaks_at_the_next_expiry(
    empty_url: str, session: aiohttp.ClientSession
) -> None:
    """Silver until 31 May; what the second quarter earns prolongs it (it would have been lost)."""
    async with upgraded(empty_url) as installation, served(installation, session) as caller:
        assert tier(await member(caller, "quarters", "q-ann")) is None  # lost under the old reading
        assert (await member(caller, "quarters", "q-cas"))["last_valid_day"] == "2025-05-31"
        await advance(caller, "2025-05-01")
        await send(caller, "quarters", "q-cas", points=130)
        await advance(caller, "2025-06-01")

        now = await member(caller, "quarters", "q-cas")
        assert (tier(now), now["last_valid_day"]) == ("silver", "2025-11-30")


async def test_an_end_that_was_moved_early_stays_and_others_wait(
    empty_url: str, session: aiohttp.ClientSession
) -> None:
    """The older code moved ann's end to 2027 in January: that is a fact, and a refund does not
    take it. Ben, who earns Gold again now, keeps his end until it comes."""
    async with upgraded(empty_url) as installation, served(installation, session) as caller:
        path = "/api/programs/years/activities"
        await caller.post(path, {"customer": "l-ann", "kind": "refund", "of": "l-2", "key": "back"})
        ann = await member(caller, "years", "l-ann")
        assert (tier(ann), ann["last_valid_day"]) == ("gold", "2026-12-31")

        await send(caller, "years", "l-ben", kind="order", amount=50_000)
        ben = await member(caller, "years", "l-ben")
        assert (tier(ben), ben["last_valid_day"]) == ("gold", "2025-12-31")
        await advance(caller, "2026-01-02")
        ben = await member(caller, "years", "l-ben")
        assert (tier(ben), ben["last_valid_day"]) == ("gold", "2026-12-31")


async def test_a_refund_takes_no_points_that_had_expired_before(
    empty_url: str, session: aiohttp.ClientSession
) -> None:
    """Ann's first order expired long ago: its refund takes nothing. Ben's was refunded by the
    older code, which made a debt: that stays."""
    async with upgraded(empty_url) as installation, served(installation, session) as caller:
        before = await member(caller, "expiring", "e-ann")
        path = "/api/programs/expiring/activities"
        refund = {"customer": "e-ann", "kind": "refund", "of": "e-1", "key": "back"}
        assert before["points"]["balance"] == 50
        assert (await caller.post(path, refund))["balance"] == 50
        assert (await send(caller, "expiring", "e-ben", points=10))["balance"] == -40
        assert await unsound(installation) == []


async def test_points_and_tiers_that_were_given_stay_given(
    empty_url: str, session: aiohttp.ClientSession
) -> None:
    """At the base tier's single rate, or for an activity of before the joining; what comes now is
    read as today."""
    async with upgraded(empty_url) as installation, served(installation, session) as caller:
        assert (await member(caller, "base-rate", "b-ann"))["points"]["balance"] == 5
        first = await send(caller, "base-rate", "b-new", kind="order", amount=500)
        assert first["points"] == 10

        early = "2024-03-02T09:00:00Z"
        late = await send(caller, "since-join", "s-ann", points=500, occurred_at=early)
        assert (late["tier"], late["counted"]) == ("silver", False)
        assert late["reason"].startswith("It happened before the membership began")
        former = "2024-05-16T09:00:00Z"
        late = await send(caller, "since-join", "s-ben", points=500, occurred_at=former)
        assert (late["tier"], late["counted"]) == ("silver", False)


async def test_a_row_of_terms_begins_where_the_older_code_left_the_end(
    empty_url: str, session: aiohttp.ClientSession
) -> None:
    """It had drifted by a day, to 16 December; from there on it keeps its day."""
    async with upgraded(empty_url) as installation, served(installation, session) as caller:
        days = []
        for year in (2025, 2026, 2027):
            await advance(caller, f"{year}-02-18" if year > 2025 else "2025-02-19")
            days.append((await member(caller, "yearly", "y-ann"))["last_valid_day"])
        assert days == ["2025-12-16", "2026-12-16", "2027-12-16"]


async def test_vendors_durations_keep_their_vendors_formula(
    empty_url: str, session: aiohttp.ClientSession
) -> None:
    """Settings saved before say so now: nobody needs to save them again, and who does changes no
    rule. A native duration keeps what it says."""
    async with upgraded(empty_url) as installation, served(installation, session) as caller:
        for program, basis in (("custom", "now"), ("rolling", "now"), ("yearly", "term_end")):
            path = f"/api/programs/{program}"
            stored = await caller.get(path)
            assert stored["policy"].get("renewal", {"basis": "term_end"})["basis"] == basis
            saved = await caller.put(path, PROGRAMS[program])
            assert saved["policy"] == stored["policy"]
        for tiers in (await caller.get("/api/programs/custom"))["presentations"].values():
            assert list(tiers) == ["campaign", "loyalty_tiers", "loyalty_tiers_expiration"]


# Corrections, and what they say.


@pytest.mark.parametrize("first", ["activity", "sweep"])
async def test_a_retroactive_correction_stops_at_the_checkpoint_and_says_so(
    empty_url: str, session: aiohttp.ClientSession, first: str
) -> None:
    """Whoever noted it: the voided points go, the tier that they brought stays to its end. Who came
    after the upgrade is corrected from the beginning, and nothing is said."""
    async with upgraded(empty_url) as installation, served(installation, session) as caller:
        if first == "sweep":
            await advance(caller, "2025-12-31")
        path = "/api/programs/retro/activities"
        void = {"customer": "r-ann", "kind": "void", "of": "r-1", "key": "v"}
        answer = await caller.post(path, void)
        why = await caller.get("/api/programs/retro/members/r-ann/explain")
        assert (answer["tier"], answer["balance"]) == ("gold", 0)
        assert answer["correction_start"] == why["checkpoint"]
        again = await caller.post(path, void)
        assert again == answer | {"repeated": True}

        happened = "2024-03-05T09:00:00Z"
        late = await send(caller, "retro", "r-cas", points=600, occurred_at=happened)
        assert late["correction_start"] <= UPGRADED

        await send(caller, "retro", "r-new", points=600, key="n")
        new = await caller.post(path, {"customer": "r-new", "kind": "void", "of": "n"})
        assert (new["tier"], "correction_start" in new) == ("base", False)
        assert await unsound(installation) == []


async def test_what_is_known_later_leaves_a_checkpoint_as_it_is(
    empty_url: str, session: aiohttp.ClientSession
) -> None:
    """By what is known today, gold was not earned in June; the checkpoint holds gold all the same,
    and a void of what it holds takes the points once."""
    async with upgraded(empty_url) as installation, served(installation, session) as caller:
        path = "/api/programs/retro/members/r-ann/explain"
        void = {"customer": "r-ann", "kind": "void", "of": "r-1", "key": "v"}
        await advance(caller, "2025-03-01")
        await caller.post("/api/programs/retro/activities", void)
        query = "known_at=2025-03-01T00:00:00Z"
        after = await caller.get(f"{path}?at=2025-02-20T00:00:00Z&{query}")
        before = await caller.get(f"{path}?at=2024-06-01T00:00:00Z&{query}")
        assert (after["tier"], before["tier"]) == ("gold", "base")
        assert after["checkpoint"] == before["checkpoint"]


async def test_a_preview_starts_from_what_was_decided(
    empty_url: str, session: aiohttp.ClientSession
) -> None:
    """Rules that count something new ask the ledger; it is read from the standing on that nobody
    has touched yet, in the matrix and in the samples."""
    rules = PROGRAMS["since-join"]["policy"] | {"metric": {"source": "count"}}
    body = {"name": "Native", "policy": rules}
    async with upgraded(empty_url) as installation, served(installation, session) as caller:
        report = await caller.post("/api/programs/since-join/preview", body)
        cells = [(cell["from"], cell["to"], cell["members"]) for cell in report["matrix"]]
        assert (cells, report["reread"]) == ([("silver", "silver", 2)], 2)
        tiers = [sample["explanation"]["tier"] for sample in report["samples"]]
        assert tiers == ["silver", "silver"]


# Elsewhere: another database, and the endpoints.


@pytest.mark.parametrize("touched", [False, True])
async def test_a_copy_is_as_sound(
    empty_url: str,
    session: aiohttp.ClientSession,
    fresh: Callable[[int], Any],
    touched: bool,
) -> None:
    """Copied before the first touch, or when some were touched: nothing past is told there."""
    async with upgraded(empty_url) as installation:
        if touched:
            async with served(installation, session) as caller:
                await advance(caller, YEARS_AHEAD[0])
        events = {id_ for _, _, id_, _, _ in await log(installation.database)}
        url = await fresh(3)
        await copy_installation(installation.database, url, shards=3)
    async with opened(url) as copy:
        assert await unsound(copy) == []
        async with served(copy, session) as caller:
            for day in YEARS_AHEAD:
                await advance(caller, day)
            check_seqs(await caller.feed())
        assert await unsound(copy) == []
        assert set((await checkpoints(copy.database)).values()) == {1}
        new = [e for _, _, id_, _, e in await log(copy.database) if id_ not in events]
        ats = [msgspec.json.decode(body)["at"] for body in new]
        assert min(ats) > parse_instant(UPGRADED)


async def test_endpoints_go_on_where_they_stopped(
    empty_url: str, session: aiohttp.ClientSession, receiver: Receiver
) -> None:
    """What was delivered is not sent again; what waited is, and what is new."""
    await restore(empty_url)
    async with opened(empty_url) as installation:
        await redirect(installation.database, receiver.url)
        past = [id_ for _, _, id_, _, _ in await log(installation.database)]
    async with opened(empty_url) as installation, served(installation, session) as caller:
        await advance(caller, "2025-04-02")
        endpoints = (await caller.get("/api/endpoints"))["endpoints"]
        ids = {e["url"].rpartition("/")[2]: e["id"] for e in endpoints}
        new = [e for e in await caller.feed() if e["at"] > UPGRADED]
        await all_told(receiver, new, ids["standard"])
        delivered = {FORMATS["standard"].delivery_id(id_, ids["standard"]) for id_ in past}
        assert delivered.isdisjoint(request.headers["webhook-id"] for request in receiver)
