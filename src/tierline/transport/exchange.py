"""What goes in and comes out of the client: a target, and the reply or the fault."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Literal, Protocol

from msgspec import Struct

# Why there is no answer. `refused`: the address guard said no, nothing was dialled.
Fault = Literal[
    "dns", "refused", "connect", "tls", "proxy", "timeout", "reset", "protocol", "stopped"
]


class Target(Struct, frozen=True, eq=False):
    """Where an endpoint's requests go. Made once per version of the endpoint, so that what does
    not change from one request to the next is worked out once."""

    scheme: Literal["https", "http"]
    host: str
    port: int
    start: bytes  # request line and the headers that never change
    pool: str  # equal names may share connections: the same place, client certificate and proxy
    project: int = 0  # whose it is: their lookups of names wait for one another
    tls: ssl.SSLContext | None = None
    proxy: tuple[str, int] | None = None
    proxy_authorization: str | None = None
    proxy_trusted: bool = False  # the operator's own: its address is not guarded
    total_ms: int = 15_000  # from the call to the last byte of the answer that we want
    connect_ms: int = 5_000  # name, connection and TLS together


class Timings(Struct, omit_defaults=True):
    """Milliseconds of each phase; None where a kept connection made it unnecessary."""

    dns: float | None = None
    connect: float | None = None
    tls: float | None = None
    first_byte: float | None = None  # from the last byte sent to the first one received
    total: float = 0.0


class HttpReply(Struct):
    """An answer, or the fault that kept it away. `body` is the first KiB."""

    status: int | None
    headers: dict[str, str]
    body: bytes
    fault: Fault | None
    reason: str | None
    address: str | None
    reused: bool
    timings: Timings

    @property
    def ok(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def milliseconds(seconds: float) -> float:
    """Returns milliseconds in hundredths, the precision of an attempt's timings."""
    return int(seconds * 100_000 + 0.5) / 100


class Carrier(Protocol):
    """The connection that an exchange travels on."""

    @property
    def address(self) -> str: ...

    def abort(self) -> None:
        """Close at once and leave the pool. The exchange is not answered from here."""
        ...


class HttpExchange:
    """One request under way."""

    __slots__ = (
        "answer", "began", "connection", "deadline", "done", "flying", "fresh", "request", "sent",
        "target", "timings",
    )  # fmt: skip

    def __init__(
        self,
        flying: set[HttpExchange],
        target: Target,
        request: bytes,
        began: float,
        answer: Callable[[HttpReply], None],
    ) -> None:
        self.flying = flying
        self.target = target
        self.request = request
        self.began = began
        self.deadline = began + target.total_ms / 1000
        self.answer = answer
        self.timings = Timings()
        self.sent = began
        self.connection: Carrier | None = None
        self.done = False
        self.fresh = False  # insists on a new connection: a kept one just failed it

    def finish(self, reply: HttpReply, now: float) -> None:
        """Exactly one answer, whatever arrives later."""
        if not self.done:
            self.done = True
            self.connection = None
            self.flying.discard(self)
            self.timings.total = milliseconds(now - self.began)
            self.answer(reply)

    def failed(
        self, fault: Fault, reason: str, now: float, address: str | None, *, reused: bool = False
    ) -> None:
        self.finish(HttpReply(None, {}, b"", fault, reason, address, reused, self.timings), now)
