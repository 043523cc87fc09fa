"""The chaos run's own checker: it must see each kind of harm, and nothing where there is none."""

from __future__ import annotations

import pytest

from tests.delivery.chaos.checker import (
    Committed,
    Place,
    Takeovers,
    Unheard,
    Verdict,
    check,
    delivery_id,
)
from tests.delivery.chaos.receiver import Acceptance, Arrival, ChaosReceiver
from tests.delivery.chaos.witness import Takeover

PLACE = Place("/hook", "end_1", 7, fifo=False)
LOG = [Committed(0, offset, 50 + offset % 2, f"evt_{offset}") for offset in range(1, 9)]
OLD, NEW = "111", "222"  # senders


class Story:
    """What reached one endpoint, request by request; `whole` is a story without harm."""

    def __init__(self) -> None:
        self.receiver = ChaosReceiver(0)
        self.takeovers: Takeovers = {}
        self.unheard: Unheard = set()
        self._seen: dict[str, Arrival] = self.receiver.endpoints.setdefault(PLACE.path, {})

    def request(
        self,
        offset: int,
        left: int = 0,
        *,
        generation: int = 1,
        attempt: int = 1,
        accepted: bool = True,
        body: bytes = b"{}",
    ) -> Story:
        name = delivery_id(f"evt_{offset}", PLACE.id)
        arrival = self._seen.get(name)
        if arrival is None:
            arrival = self._seen[name] = Arrival(len(self._seen) + 1, body)
        arrival.requests += 1
        arrival.bodies.add(body)
        if accepted:
            sender = OLD if generation % 2 else NEW
            accepted_ = Acceptance(sender, generation, left or 10 * offset, attempt)
            arrival.accepted.append(accepted_)
        return self

    def requests(self, *offsets: int) -> Story:
        for offset in offsets:
            self.request(offset)
        return self

    def takeover(self, mark: int, done: bytes = b"") -> Story:
        """The two senders take turns, from generation 1 on."""
        changes = self.takeovers.setdefault((0, PLACE.number), [])
        generation = len(changes) + 2
        changes.append(Takeover(generation, OLD if generation % 2 else NEW, mark, done, {}))
        return self

    def probe_failed(self, offset: int, left: int) -> Story:
        """By the sender's own log."""
        self.unheard.add((PLACE.number, delivery_id(f"evt_{offset}", PLACE.id), left))
        return self

    def check(self) -> Verdict:
        return check(LOG, self.receiver, [PLACE], self.takeovers, self.unheard)


def whole() -> Story:
    return Story().requests(*range(1, 9))


def test_all_is_well() -> None:
    """Everything once, in order; customers may overtake each other; refusals are no harm."""
    assert whole().check().sound
    assert Story().requests(2, 1, 4, 3, 5, 6, 8, 7).check().sound
    refused = Story().requests(1, 2, 3, 4, 5, 6).request(8, accepted=False).requests(7)
    assert refused.request(8, 999, attempt=2).check().sound


@pytest.mark.parametrize(
    ("story", "harm"),
    [
        (Story().requests(1, 2, 3, 4, 5, 6, 7), "lost"),
        (Story().requests(1, 2, 3, 4, 5, 6, 7).request(8, accepted=False), "lost"),
        (Story().requests(3, 1, 2, 4, 5, 6, 7, 8), "disordered"),
        (Story().request(3, accepted=False).requests(1, 2, 3, 4, 5, 6, 7, 8), "disordered"),
        (whole().request(4, 500, accepted=False, body=b"{ }"), "changed"),
        (whole().request(99), "unknown"),
        (whole().request(4, 500), "reckless"),
        (whole().takeover(mark=4).request(4, generation=2), "reckless"),
        (whole().takeover(mark=1, done=b"\x04").request(4, generation=2), "reckless"),
        (whole().takeover(mark=3).takeover(mark=4).request(4, generation=3), "reckless"),
        (
            whole().takeover(mark=3).request(4, 500, generation=2).request(4, 600, generation=2),
            "reckless",
        ),
        (whole().request(4, 500).probe_failed(4, 500), "reckless"),
    ],
)
def test_each_harm_is_seen(story: Story, harm: str) -> None:
    """A lost event, two swapped, other bytes, an id from nowhere, one sent twice without excuse:
    also by a new owner to whom the database said that it was settled, whoever owned it between;
    twice by one owner; after a probe that did not fail."""
    verdict = story.check()

    assert (1, False) == (getattr(verdict, harm), verdict.sound)


def test_what_was_unsettled_at_a_change_of_owner_may_come_twice() -> None:
    """Once, and only that."""
    changed = whole().takeover(mark=3).request(4, generation=2)

    assert (1, 5, True) == (
        changed.check().repeated,
        changed.check().exposed,
        changed.check().sound,
    )
    assert not changed.request(4, 600, generation=2).check().sound


def test_a_request_on_its_way_may_arrive_after_its_successors() -> None:
    """When it left decides, also for a sender that lost the endpoint and has it again."""
    some = Story().requests(1, 2, 3, 4, 5, 6, 7)
    late = some.takeover(mark=7).request(8, 500, generation=2).request(8, 80)
    assert (1, 1, True) == (late.check().repeated, late.check().exposed, late.check().sound)

    regained = Story().requests(1, 2, 3, 4, 5, 6, 7).takeover(mark=7).takeover(mark=7)
    regained.request(8, 500, generation=3).request(8, 80, generation=1)
    assert (1, 2, True) == (
        regained.check().repeated, regained.check().exposed, regained.check().sound
    )  # fmt: skip
    assert not regained.request(8, 90, generation=1).check().sound


def test_what_was_answered_in_vain_may_come_again() -> None:
    """The sender tried again, had hung up, or made a probe of it that failed."""
    again = whole().request(4, 500, attempt=2)
    probed = whole().request(4, 500).probe_failed(4, 40)
    assert (1, 1, True) == (
        again.check().repeated,
        again.check().unheard,
        again.check().sound,
    )
    assert (1, 1, True) == (
        probed.check().repeated,
        probed.check().unheard,
        probed.check().sound,
    )

    for request in again.receiver.endpoints[PLACE.path].values():
        request.accepted = [each._replace(attempt=1, heard=False) for each in request.accepted]
    assert (1, 0) == (again.check().unheard, again.check().reckless)
