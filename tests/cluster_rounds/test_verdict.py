"""The rounds' own checker: it must see each kind of harm, and nothing where there is none."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from tests.cluster_rounds.hook import Hook
from tests.cluster_rounds.record import POINTS, Record
from tests.cluster_rounds.verdict import (
    Feed,
    Verdict,
    check_deliveries,
    check_events,
    delivery_id,
    judge_balances,
    judge_entries,
    judge_logs,
)
from tests.e2e.caller import Json

SECRET = "whsec_" + "A" * 32
PATH, ENDPOINT = "/a", "end_1"
EVENTS = [
    {"id": f"evt_{n}", "program": "stairs", "customer": "anna", "seq": n} for n in range(1, 4)
]
IDS = [str(event["id"]) for event in EVENTS]


@pytest.fixture
def record() -> Record:
    """Two activities of one customer: up, and down again."""
    made = Record()
    for n, balance in ((2, POINTS), (3, 0)):
        activity = made.activity(f"k{n}", "anna")
        made.add(activity, {"entry": n, "balance": balance})
    return made


def test_a_whole_ledger_has_no_fault(record: Record) -> None:
    verdict = Verdict()
    judge_entries(verdict, [("k2", 2), ("k3", 3)], record)
    judge_balances(verdict, [("anna", 0, 0)], record)
    judge_logs(verdict, [(0, 2, 2, 2, 2), (1, 0, 0, None, 0)])

    assert verdict.faults == {}
    assert (verdict.activities, verdict.events) == (2, 2)


@pytest.mark.parametrize(
    ("entries", "faults"),
    [
        ([("k2", 2)], {"lost": 1}),
        ([("k2", 2), ("k3", 4)], {"lost": 1}),
        ([("k2", 2), ("k3", 3), ("k3", 4)], {"doubled": 1}),
        ([("k2", 2), ("k3", 3), ("stranger", 4)], {"doubled": 1}),
    ],
)
def test_entries_that_are_missing_or_too_many_are_seen(
    record: Record, entries: list[tuple[str, int]], faults: dict[str, int]
) -> None:
    verdict = Verdict()
    judge_entries(verdict, entries, record)

    assert verdict.faults == faults


@pytest.mark.parametrize("members", [[], [("anna", 60, 0)], [("anna", 60, 60)]])
def test_balances_that_are_not_the_sum_are_seen(
    record: Record, members: list[tuple[str, int, int]]
) -> None:
    verdict = Verdict()
    judge_balances(verdict, members, record)

    assert verdict.faults == {"balances_wrong": 1}


@pytest.mark.parametrize("log", [(0, 3, 2, 3, 2), (0, 3, 3, 4, 3), (0, 3, 3, 3, 2)])
def test_offsets_with_a_gap_are_seen(log: tuple[int, int, int, int, int]) -> None:
    verdict = Verdict()
    judge_logs(verdict, [log])

    assert verdict.faults == {"gaps": 1}


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (0, 1, 1, 2), (0, 1)])
def test_a_feed_out_of_order_is_seen(order: tuple[int, ...]) -> None:
    feed, verdict = Feed(), Verdict(events=3)
    feed.add(EVENTS[n] for n in order)
    check_events(verdict, feed)

    assert bool(verdict.faults) == (order != (0, 1, 2))


def webhook(
    event: Json, *, secret: str = SECRET, body: bytes = b""
) -> tuple[dict[str, str], bytes]:
    """Headers and body as a sender makes them."""
    name, now = delivery_id(event["id"], ENDPOINT), datetime.now(UTC)
    body = body or json.dumps({"data": event}).encode()
    signature = Webhook(secret).sign(name, now, body.decode())
    return {
        "webhook-id": name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }, body


def heard(*requests: tuple[dict[str, str], bytes]) -> Verdict:
    hook, verdict = Hook(), Verdict()
    hook.secrets[PATH] = SECRET
    for request in requests:
        hook.receive(PATH, *request)
    check_deliveries(verdict, hook, IDS, {PATH: ENDPOINT})
    return verdict


def test_webhooks_once_in_order_have_no_fault() -> None:
    """And one that comes again in the same bytes is only counted."""
    verdict = heard(*map(webhook, EVENTS), webhook(EVENTS[0]))

    assert verdict.faults == {}
    assert verdict.repeated == 1


def test_each_harm_of_webhooks_is_seen() -> None:
    one, two, three = map(webhook, EVENTS)
    other = webhook(EVENTS[0], body=json.dumps({"data": EVENTS[0], "x": 1}).encode())
    stranger = webhook(EVENTS[0] | {"id": "evt_9", "seq": 9})
    forged = webhook(EVENTS[0], secret="whsec_" + "B" * 32)

    assert heard(one, two).faults == {"undelivered": 1}
    assert heard(one, three, two).faults == {"disordered": 1}
    assert heard(one, other, two, three).faults == {"changed": 1}
    assert heard(one, two, three, stranger).faults == {"forged": 1}
    assert heard(forged, one, two, three).faults == {"forged": 1}
