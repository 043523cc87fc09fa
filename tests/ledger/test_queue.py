"""The queue before a writer: bounded, fair between projects, online before bulk."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from tierline.errors import Busy
from tierline.ledger.commands import Assertion, ProgramRef, command
from tierline.ledger.queue import Queue, QueuedCommand
from tierline.model.tenant import Project


async def waiting(project: int, size: int = 1) -> QueuedCommand:
    program_ref = ProgramRef(Project(id=f"p{project}", name="", number=project), 1)
    made = command(program_ref, "earn", "ada", Assertion(points=1), size=size)
    return QueuedCommand(made, asyncio.get_running_loop().create_future())


def projects(taken: list[QueuedCommand]) -> Counter[int]:
    return Counter(one.command.project for one in taken)


async def test_projects_take_turns() -> None:
    """A project with much to do leaves room for one with little."""
    queue = Queue()
    for project, count in ((1, 100), (2, 3), (3, 50)):
        for _ in range(count):
            queue.put(await waiting(project))
    assert projects(queue.take(30)) == {1: 14, 2: 3, 3: 13}
    assert queue.rows == 123
    assert len(queue.take(1000)) == 123
    assert (queue.rows, queue.bytes) == (0, 0)


async def test_order_is_kept_within_a_project() -> None:
    """First come, first served."""
    queue = Queue()
    sent = [await waiting(1) for _ in range(20)]
    for one in sent:
        queue.put(one)
    assert [*queue.take(7), *queue.take(7), *queue.take(7)] == sent


async def test_bulk_gets_half_while_online_requests_wait() -> None:
    """And all of it when nobody else does."""
    queue = Queue()
    for _ in range(100):
        queue.put(await waiting(1), bulk=True)
    for _ in range(30):
        queue.put(await waiting(2))
    assert projects(queue.take(20)) == {1: 10, 2: 10}
    assert projects(queue.take(100)) == {1: 50, 2: 20}
    assert projects(queue.take(100)) == {1: 40}


async def test_the_greedy_project_is_sent_away_first() -> None:
    """Full is full for who fills it; another still gets its share, up to twice the bound."""
    queue = Queue(rows_max=10)
    for _ in range(10):
        queue.put(await waiting(1))
    with pytest.raises(Busy):
        queue.put(await waiting(1))
    for _ in range(5):
        queue.put(await waiting(2))
    with pytest.raises(Busy):
        queue.put(await waiting(2))
    queue.take(10)
    queue.put(await waiting(1))


async def test_bytes_are_bounded_too() -> None:
    """A few huge commands fill the queue as well."""
    queue = Queue(bytes_max=1000)
    queue.put(await waiting(1, size=600))
    queue.put(await waiting(1, size=600))
    assert not queue.has_room
    with pytest.raises(Busy):
        queue.put(await waiting(1, size=1))
