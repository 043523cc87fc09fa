"""A receiver that misbehaves by dice, and remembers everything that reached it."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from contextlib import AsyncExitStack
from random import Random
from typing import NamedTuple

from tests.delivery.rough import OK, Conversation, serving

# What the dice may say, and how often per thousand.
ANSWERS = {
    "ok": 840, "late": 40, "500": 40, "503": 15, "429": 5, "410ish": 0, "reset": 15, "half": 10,
    "drip": 5, "huge": 10, "hang": 5, "garbage": 10, "close": 5,
}  # fmt: skip


class Acceptance(NamedTuple):
    """A whole 2xx was given, to which sender's request: under which generation of the cursor, and
    at which wall time (ms), it left; which attempt it was; and whether the sender was still there
    to hear the answer."""

    sender: str
    generation: int
    left: int
    attempt: int
    heard: bool = True


class Arrival:
    """The first time that an id reached an endpoint, and what came later."""

    __slots__ = ("accepted", "bodies", "order", "requests")

    def __init__(self, order: int, body: bytes) -> None:
        self.order = order
        self.bodies = {body}
        self.requests = 0
        self.accepted: list[Acceptance] = []


class ChaosReceiver:
    """Listens on two addresses, in the clear and with two certificates."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.calm = False  # everything is answered 200 at once
        self.endpoints: dict[str, dict[str, Arrival]] = {}
        self.answers: Counter[str] = Counter()
        self.count = 0
        self.port = 0
        self._stack = AsyncExitStack()

    async def start(self, tls: ssl.SSLContext, wrong: ssl.SSLContext) -> tuple[int, int, int]:
        """The ports: plain, with the right certificate, with a wrong one."""
        ports = [
            await self._stack.enter_async_context(serving(self.handle, context))
            for context in (None, tls, wrong)
        ]
        return ports[0], ports[1], ports[2]

    async def stop(self) -> None:
        await self._stack.aclose()

    async def handle(self, said: Conversation) -> None:
        while True:
            request = await said.request()
            head, _, body = request.partition(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode()
            webhook = _header(head, b"webhook-id")
            arrival = self._arrived(path, webhook, body)
            answer = "ok" if self.calm else self._dice()
            self.answers[answer] += 1
            if answer in ("ok", "late", "huge"):
                sender = _header(head, b"user-agent").removeprefix("chaos-")
                names = (b"chaos-generation", b"chaos-left", b"tierline-attempt")
                generation, left, attempt = (int(_header(head, name)) for name in names)
                accepted = arrival.accepted
                accepted.append(Acceptance(sender, generation, left, attempt))
                place = len(accepted) - 1
                if answer == "late":
                    await asyncio.sleep(self.random.random() * 0.2)
                if await said.hung_up():
                    accepted[place] = accepted[place]._replace(heard=False)
                    return
            if not await self._say(said, answer):
                return

    def _arrived(self, path: str, webhook: str, body: bytes) -> Arrival:
        seen = self.endpoints.setdefault(path, {})
        arrival = seen.get(webhook)
        if arrival is None:
            self.count += 1
            arrival = seen[webhook] = Arrival(self.count, body)
        arrival.requests += 1
        arrival.bodies.add(body)
        return arrival

    def _dice(self) -> str:
        [answer] = self.random.choices(list(ANSWERS), list(ANSWERS.values()))
        return answer

    async def _say(self, said: Conversation, answer: str) -> bool:
        """False when the connection is no longer of use."""
        match answer:
            case "ok" | "late":
                await said.say(OK)
            case "500" | "503" | "429":
                more = "retry-after: 1\r\n" if answer == "429" else ""
                text = f"HTTP/1.1 {answer} No\r\n{more}content-length: 0\r\n\r\n"
                await said.say(text.encode())
            case "huge":
                await said.say(b"HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\n")
                await said.say(bytes(1 << 18))
                # The sender hangs up. To be the first would be to unsay it: a reset may overtake
                # what was said, and the delivery counts as accepted here.
                await said.reader.read()
                return False
            case "half":
                await said.say(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
                said.reset()
                return False
            case "drip":
                await said.say(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
                for _ in range(40):
                    await said.say(b"x")
                    await asyncio.sleep(0.1)
                return False
            case "hang":
                await asyncio.sleep(5)
                return False
            case "garbage":
                await said.say(b"\x00\xff" * 50)
                return False
            case _:
                said.reset()
                return False
        return True


def _header(head: bytes, name: bytes) -> str:
    for line in head.split(b"\r\n"):
        key, _, value = line.partition(b": ")
        if key.lower() == name:
            return value.decode()
    return ""
