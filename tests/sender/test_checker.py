"""The chaos run's own checker: it must see each kind of harm, and nothing where there is none."""

from __future__ import annotations

import pytest

from tests.sender.chaos.checker import Committed, Place, Takeovers, Verdict, check, delivery_id
from tests.sender.chaos.receiver import Acceptance, Arrival, ChaosReceiver
from tests.sender.chaos.witness import Takeover

PLACE = Place("/hook", "end_1", 7, fifo=False)
LOG = [Committed(0, offset, 50 + offset % 2, f"evt_{offset}") for offset in range(1, 9)]
OLD, NEW = "111", "222"  # senders


class Story:
    """What reached one endpoint, request by request; `whole` is a story without harm."""

    def __init__(self) -> None:
        self.receiver = ChaosReceiver(0)
        self.takeovers: Takeovers = {}
        self._seen: dict[str, Arrival] = self.receiver.endpoints.setdefault(PLACE.path, {})

    def request(
        self,
        offset: int,
        at: int = 0,
        *,
        sender: str = OLD,
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
            arrival.accepted.append(Acceptance(at or 10 * offset, sender, attempt))
        return self

    def requests(self, *offsets: int) -> Story:
        for offset in offsets:
            self.request(offset)
        return self

    def takeover(self, at: int, mark: int, done: bytes = b"") -> Story:
        self.takeovers.setdefault((0, PLACE.number), []).append(Takeover(at, NEW, mark, done, {}))
        return self

    def told(self) -> Verdict:
        return check(LOG, self.receiver, [PLACE], self.takeovers)


def whole() -> Story:
    return Story().requests(*range(1, 9))


def test_all_is_well() -> None:
    """Everything once, in order; customers may overtake each other; refusals are no harm."""
    assert whole().told().sound
    assert Story().requests(2, 1, 4, 3, 5, 6, 8, 7).told().sound
    refused = Story().requests(1, 2, 3, 4, 5, 6).request(8, accepted=False).requests(7)
    assert refused.request(8, 999, attempt=2).told().sound


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
        (whole().takeover(400, mark=4).request(4, 500, sender=NEW), "reckless"),
        (whole().takeover(400, mark=1, done=b"\x04").request(4, 500, sender=NEW), "reckless"),
    ],
)
def test_each_harm_is_seen(story: Story, harm: str) -> None:
    """A lost event, two swapped, other bytes, an id from nowhere, one sent twice without excuse:
    also by a new owner to whom the database said that it was settled."""
    told = story.told()

    assert (1, False) == (getattr(told, harm), told.sound)


def test_what_was_unsettled_at_a_change_of_owner_may_come_twice() -> None:
    """Once, and only that; and what was answered in vain by whoever did not hear the answer."""
    changed = whole().takeover(400, mark=3).request(4, 500, sender=NEW)
    unheard = whole().request(4, 500, attempt=2)

    assert (1, 5, True) == (changed.told().repeated, changed.told().exposed, changed.told().sound)
    assert (1, 1, True) == (unheard.told().repeated, unheard.told().unheard, unheard.told().sound)
    for request in unheard.receiver.endpoints[PLACE.path].values():
        request.accepted = [each._replace(attempt=1, heard=False) for each in request.accepted]
    assert (1, 0) == (unheard.told().unheard, unheard.told().reckless)
    assert not changed.request(4, 600, sender=NEW).told().sound
