"""After an outage: lanes that wait for their schedule are due at once, each of them once. Pure.

A request that was under way at that moment tells of the outage, not of what came after it: if it
fails, its lane is released as well. Who takes an endpoint over does not know of an outage that
began before, so the first success releases the lanes that were waiting then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tierline.delivery.delivery import Delivery
from tierline.delivery.lanes import Lane
from tierline.delivery.subscription import Subscription
from tierline.store.event_log import LogEvent

Plan = Callable[[Subscription, Lane[LogEvent]], None]


class LaneRelease:
    """One endpoint's. `inherited`: lanes wait from before this process owned it."""

    __slots__ = ("_at", "inherited", "retried_at")

    def __init__(self) -> None:
        self._at = 0  # the latest release
        self.retried_at = 0  # the latest one by a hand, which starts parked lanes anew, too
        self.inherited = False

    def release(self, now: int, subscriptions: Iterable[Subscription], plan: Plan) -> int:
        """Returns how many lanes were waiting."""
        self._at, self.inherited, count = now, False, 0
        for subscription in subscriptions:
            lanes = subscription.cursor.release(now)
            for lane in lanes:
                plan(subscription, lane)
            if lanes:
                subscription.touch()
            count += len(lanes)
        return count

    def release_late(
        self,
        subscription: Subscription,
        delivery: Delivery[LogEvent],
        lane: Lane[LogEvent],
        now: int,
    ) -> None:
        """The lane of a delivery that has failed, if that was under way during a release."""
        if delivery.started_at < self._at:
            subscription.cursor.release(now, lane)
