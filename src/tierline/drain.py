"""A process gives up its work while it runs, so that it can be stopped and nobody notices.

`tierline drain` asks for it. Then these rules hold:

1. What others can take over goes first: leases of the sweep are given back, endpoints are given up
   in order, so that nothing is sent twice.
2. Only then the process's signs of life leave out what it has given up, and others take it.
3. Requests are answered until it is stopped. `/readyz` says no from the beginning, so that a load
   balancer sends no more of them.
4. It can be asked to go on: then it joins the others anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from tierline.delivery.dispatcher import Dispatcher
from tierline.ledger.sweep.sweeper import Sweeper
from tierline.logging import RecurringFaults
from tierline.store.heartbeat import Presence

AGAIN_SECONDS: Final = 0.5
GIVEN_UP: Final = frozenset({"sender", "sweeper"})
Announce = Callable[[], Awaitable[None]]
_log = structlog.get_logger("tierline.process")
_again = RecurringFaults(_log)


class Drain:
    """One process's; `run` until it ends."""

    def __init__(
        self,
        presence: Presence,
        sender: Dispatcher | None,
        sweeper: Sweeper | None,
        announce: Announce,
    ) -> None:
        self._announce = announce  # that others see what the process says of itself now
        self._presence = presence
        self._sender = sender
        self._sweeper = sweeper
        self._roles = presence.roles

    async def run(self) -> None:
        """Do what is asked, as often as it is another thing than before."""
        changes = self._presence.changes
        while True:
            await changes.wait()
            changes.clear()
            try:
                await (self._give_up() if self._presence.draining else self._take_up())
            except Exception as error:  # noqa: BLE001  # logged, and tried again
                _again.warning("drain_failed", error=repr(error))
                await asyncio.sleep(AGAIN_SECONDS)
                changes.set()

    async def _give_up(self) -> None:
        _log.info("draining", process=self._presence.id)
        if self._sweeper is not None:
            await self._sweeper.stop()
        sender = self._sender
        if sender is not None:
            sender.membership.rests = True
            await sender.caught_up()
            while sender.workers:  # without its database it cannot end in order
                await asyncio.sleep(AGAIN_SECONDS)
                await sender.caught_up()
        rest = [role for role in self._roles.split(",") if role not in GIVEN_UP]
        self._presence.roles = ",".join(rest)
        await self._announce()
        _log.info("drained", process=self._presence.id)

    async def _take_up(self) -> None:
        self._presence.roles = self._roles
        if self._sender is not None:
            self._sender.membership.rests = False
        await self._announce()
        if self._sender is not None:
            await self._sender.membership.arrive()
            self._sender.poke()
        if self._sweeper is not None:
            await self._sweeper.start()
        _log.info("working_again", process=self._presence.id)
