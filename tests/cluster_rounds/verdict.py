"""What the ledger, the log and the receiver hold, against what clients were answered.

All is asked behind the servers' back but for the feed, which is read as any consumer does, on from
where it was read before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import asyncpg
from msgspec import Struct

from tests.cluster_rounds.hook import Hook
from tests.cluster_rounds.record import Record
from tests.e2e.caller import Caller, Json
from tierline.vendors.registry import FORMATS

REPEATED = 500  # keys in one request
EXAMPLES = 3


class Verdict(Struct):
    """Counts over all rounds so far. The first ones must be 0; `repeated` may be more: a webhook
    whose sender or node was killed before it was written down is sent again, with the same id."""

    lost: int = 0  # keys that were answered and have no entry, or not the one that was answered
    doubled: int = 0  # entries beyond one per key, and of keys that nobody was answered
    answered_otherwise: int = 0  # keys that were repeated, and got another answer than at first
    balances_wrong: int = 0  # members whose balance is not the sum of their entries and of answers
    gaps: int = 0  # shards whose offsets are not 1, 2, 3 … up to the head
    events_wrong: int = 0  # of the feed: out of order, missing, doubled, or not in the log
    undelivered: int = 0  # events that an endpoint did not get
    disordered: int = 0  # first receipts behind a later event of the same member
    changed: int = 0  # repetitions in other bytes
    forged: int = 0  # requests that do not verify, or tell of no event
    prepared: int = 0  # prepared transactions that are left on any node
    unsound: int = 0  # 1: `tierline rebuild --verify` found something
    activities: int = 0
    events: int = 0
    repeated: int = 0
    examples: list[str] = []

    @property
    def faults(self) -> dict[str, int]:
        """What is not as it must be, by name."""
        names = self.__struct_fields__[:12]
        return {name: getattr(self, name) for name in names if getattr(self, name)}

    def example(self, what: str, things: Iterable[object]) -> None:
        self.examples += [f"{what}: {thing}" for thing in list(things)[:EXAMPLES]]


class Findings(Struct):
    """What there is to say of a round, and what is wrong."""

    notes: list[str] = []
    faults: list[str] = []

    def check(self, what: str, *, good: bool) -> None:
        (self.notes if good else self.faults).append(what)


class Feed:
    """The pull feed of a caller's project, read to its end again and again."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.wrong = 0
        self._cursor = ""
        self._seqs: Counter[tuple[str, str]] = Counter()

    async def read(self, caller: Caller) -> None:
        more = True
        while more:
            page = await caller.get(f"/api/events?limit=1000&after={self._cursor}")
            self.add(page["events"])
            self._cursor, more = page["next"], page["more"]

    def add(self, events: Iterable[Json]) -> None:
        """Each member's events are numbered 1, 2, 3 … in the order in which they come."""
        for event in events:
            member = event["program"], event["customer"]
            self.wrong += event["seq"] != self._seqs[member] + 1
            self._seqs[member] = event["seq"]
            self.ids.append(event["id"])


async def check_ledger(verdict: Verdict, url: str, record: Record) -> None:
    """Entries, balances and offsets, as the database has them."""
    connection = await asyncpg.connect(url)
    try:
        entries = await connection.fetch("SELECT key, n FROM entry WHERE kind <> 'enrol'")
        sums = await connection.fetch(
            "SELECT a.name, m.balance, e.points FROM alias a"
            " JOIN member m ON m.shard = a.shard AND m.customer = a.customer"
            " JOIN (SELECT shard, customer, sum(points) AS points FROM entry GROUP BY 1, 2) e"
            " ON e.shard = m.shard AND e.customer = m.customer WHERE a.kind = 'source'"
        )
        logs = await connection.fetch(
            'SELECT h.shard, h.head, count(e."offset") AS events, max(e."offset") AS last,'
            ' count(DISTINCT e."offset") AS offsets FROM shard_head h'
            " LEFT JOIN event e ON e.shard = h.shard GROUP BY h.shard, h.head"
        )
    finally:
        await connection.close()
    judge_entries(verdict, [tuple(row) for row in entries], record)
    judge_balances(verdict, [tuple(row) for row in sums], record)
    judge_logs(verdict, [tuple(row) for row in logs])


def judge_entries(verdict: Verdict, entries: list[tuple[str, int]], record: Record) -> None:
    """`entries`: key and number of each."""
    there = set(entries)
    lost = [key for key, reply in record.answers.items() if (key, reply.entry) not in there]
    keys = Counter(key for key, _ in entries)
    doubled = [key for key, count in keys.items() if count > 1 or key not in record.answers]
    verdict.activities = len(record.answers)
    verdict.lost = len(lost)
    verdict.doubled = keys.total() - len(record.answers.keys() & keys.keys())
    verdict.example("lost", lost)
    verdict.example("doubled", doubled)


def judge_balances(verdict: Verdict, members: list[tuple[str, int, int]], record: Record) -> None:
    """`members`: name, balance, and the sum of entries of each."""
    balances = {name: (balance, int(points)) for name, balance, points in members}
    wrong = [
        (name, balances.get(name), expected)
        for name, expected in record.balances.items()
        if balances.get(name) != (expected, expected)
    ]
    verdict.balances_wrong = len(wrong)
    verdict.example("balance", wrong)


def judge_logs(verdict: Verdict, logs: list[tuple[int, int, int, int | None, int]]) -> None:
    """`logs`: shard, head, how many events, the last offset, how many offsets."""
    wrong = [log for log in logs if not log[1] == log[2] == (log[3] or 0) == log[4]]
    verdict.gaps = len(wrong)
    verdict.events = sum(log[2] for log in logs)
    verdict.example("log", wrong)


async def check_repeated(verdict: Verdict, caller: Caller, record: Record, path: str) -> None:
    """Every key again: the first answer, and nothing is done."""
    keys = list(record.answers)
    wrong = []
    for start in range(0, len(keys), REPEATED):
        some = keys[start : start + REPEATED]
        answers = await caller.post(path, [record.activities[key] for key in some])
        for key, answer in zip(some, answers, strict=True):
            first = record.answers[key]
            same = answer.get("repeated") and answer["entry"] == first.entry
            if not same or answer["balance"] != first.balance:
                wrong.append((key, first, answer))
    verdict.answered_otherwise = len(wrong)
    verdict.example("answer", wrong)


def check_events(verdict: Verdict, feed: Feed) -> None:
    """Against the log, which `check_ledger` counted."""
    doubled = len(feed.ids) - len(set(feed.ids))
    verdict.events_wrong = feed.wrong + doubled + abs(len(feed.ids) - verdict.events)


def owed(hook: Hook, events: Iterable[str], endpoints: dict[str, str]) -> dict[str, int]:
    """How many events each endpoint (by its path) did not get."""
    events = list(events)
    left = {
        path: sum(delivery_id(event, endpoint) not in hook.times[path] for event in events)
        for path, endpoint in endpoints.items()
    }
    return {path: count for path, count in left.items() if count}


def check_deliveries(
    verdict: Verdict, hook: Hook, events: Iterable[str], endpoints: dict[str, str]
) -> None:
    events = list(events)
    verdict.undelivered = sum(owed(hook, events, endpoints).values())
    unknown = sum(
        len(hook.times[path].keys() - {delivery_id(event, endpoint) for event in events})
        for path, endpoint in endpoints.items()
    )
    verdict.disordered, verdict.changed = hook.disordered, hook.changed
    verdict.forged = hook.forged + unknown
    verdict.repeated = sum(map(hook.repeated, endpoints))


def delivery_id(event: str, endpoint: str) -> str:
    return FORMATS["standard"].delivery_id(event, endpoint)
