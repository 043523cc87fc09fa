"""Pools of kept connections, dialling with the address guard, and deadlines.

`send` never waits: it answers by callback, exactly once, and usually touches no task at all (a kept
connection is written to at once). How many requests run is not decided here.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from time import monotonic

from msgspec import Struct

from tierline.transport.address_guard import Guard, literal_address
from tierline.transport.connection import ClientConnection
from tierline.transport.dialer import DialRefused, connect, name_of, tunnel
from tierline.transport.exchange import Fault, HttpExchange, HttpReply, Target, milliseconds
from tierline.transport.resolver import Resolver

TICK_S = 0.05


class PoolLimits(Struct, frozen=True):
    """Of connections, not of requests."""

    idle_s: float = 20.0  # shorter than the usual 60 to 75 s of a receiver's keep-alive
    idle_per_pool: int = (
        512  # as many as may be in flight: closing one that is due again costs a dial
    )
    addresses: int = 3  # tried one after the other within the connect deadline


class Client:
    """Sends to guarded addresses over kept connections."""

    def __init__(
        self, guard: Guard, names: Resolver | None = None, limits: PoolLimits | None = None
    ) -> None:
        self.guard = guard
        self.names = names or Resolver()
        self.limits = limits or PoolLimits()
        self._loop = asyncio.get_running_loop()
        self._pools: dict[str, Pool] = {}
        self._flying: set[HttpExchange] = set()
        self._dials: set[asyncio.Task[None]] = set()
        self._ticker: asyncio.TimerHandle | None = None
        self._tick_at = 0.0
        self._spared = False  # the last tick cut nothing, for it came late itself

    def send(
        self, target: Target, request: bytes, answer: Callable[[HttpReply], None]
    ) -> HttpExchange:
        """Send one complete request; `answer` is called once, never from inside this call."""
        exchange = HttpExchange(self._flying, target, request, monotonic(), answer)
        self._flying.add(exchange)
        if self._ticker is None:
            self._tick_in(TICK_S)
        pool = self._pools.get(target.pool)
        if pool is None:
            pool = self._pools[target.pool] = Pool(self, target)
        pool.send(exchange)
        return exchange

    @property
    def in_flight(self) -> int:
        return len(self._flying)

    @property
    def connections(self) -> int:
        return sum(len(pool.all) for pool in self._pools.values())

    def cancel(self, exchange: HttpExchange) -> None:
        """Give up on a request: it is answered with the fault `stopped`."""
        self.abandon(exchange, "stopped", "the sender gave it up")

    async def close(self) -> None:
        """Cut every connection; requests under way are answered with the fault `stopped`."""
        for exchange in list(self._flying):
            self.cancel(exchange)
        for task in list(self._dials):
            task.cancel()
        await asyncio.gather(*self._dials, return_exceptions=True)
        for pool in self._pools.values():
            for connection in list(pool.all):
                connection.close()
        if self._ticker is not None:
            self._ticker.cancel()
        await self.names.close()

    # What pools call

    def dial(self, pool: Pool, exchange: HttpExchange) -> None:
        task = self._loop.create_task(self._dial(pool, exchange))
        self._dials.add(task)
        task.add_done_callback(self._dials.discard)

    def resolve_again(self, pool: Pool) -> None:
        task = self._loop.create_task(self._follow(pool))
        self._dials.add(task)
        task.add_done_callback(self._dials.discard)

    async def _follow(self, pool: Pool) -> None:
        """Close what leads to addresses that the name no longer has."""
        try:
            pool.retire(await self.names.addresses(pool.host, pool.project))
        except OSError:
            pass  # a zone that fails for a while does not cut working connections
        finally:
            pool.following = False

    async def _dial(self, pool: Pool, exchange: HttpExchange) -> None:
        target = exchange.target
        until = self._loop.time() + target.connect_ms / 1000
        fault: Fault = "connect"
        address: str | None = None
        try:
            async with asyncio.timeout_at(until):
                fault = "dns"
                began = monotonic()
                host, port = target.proxy or (target.host, target.port)
                addresses = await self._checked(target, host)
                exchange.timings.dns = _since(began)
                fault = "connect"
                began = monotonic()
                tried = addresses[: self.limits.addresses]
                sock, address = await connect(self._loop, tried, port, until)
                exchange.timings.connect = _since(began)
                fault = "proxy" if target.proxy and target.tls else "tls"
                connection = await self._open(pool, exchange, sock, address)
        except DialRefused as error:
            self.abandon(exchange, "refused", str(error), address)
        except TimeoutError:
            self.abandon(exchange, "timeout", f"no connection in {target.connect_ms} ms", address)
        except (OSError, ssl.SSLError, EOFError) as error:
            where = "tls" if isinstance(error, ssl.SSLError) else fault
            self.abandon(exchange, where, _reason(error), address)
        else:
            pool.dialled(connection, exchange)
        finally:
            pool.dialling -= 1

    async def _checked(self, target: Target, host: str) -> list[str]:
        """Addresses to dial, every one of them allowed; Refused as soon as one is not."""
        literal = literal_address(host) is not None
        addresses = [host] if literal else await self.names.addresses(host, target.project)
        if target.proxy is not None:
            behind = literal_address(target.host)
            if behind is not None:
                self._check(str(behind), target.scheme)
            if target.proxy_trusted:
                return addresses
        for address in addresses:
            # A proxy is spoken to in the clear; what counts is the scheme of the endpoint behind.
            self._check(address, "https" if target.proxy else target.scheme)
        return addresses

    def _check(self, address: str, scheme: str) -> None:
        why = self.guard.refusal(address, scheme)
        if why is not None:
            raise DialRefused(why)

    async def _open(
        self, pool: Pool, exchange: HttpExchange, sock: socket.socket, address: str
    ) -> ClientConnection:
        target = exchange.target
        began = monotonic()
        try:
            if target.proxy is not None and target.tls is not None:
                await tunnel(self._loop, sock, target)
                began = monotonic()
            _, connection = await self._loop.create_connection(
                lambda: ClientConnection(pool, address),
                sock=sock,
                ssl=target.tls,
                server_hostname=name_of(target) if target.tls is not None else None,
            )
        except BaseException:
            sock.close()
            raise
        if target.tls is not None:
            exchange.timings.tls = _since(began)
        return connection

    def abandon(
        self, exchange: HttpExchange, fault: Fault, reason: str, address: str | None = None
    ) -> None:
        if exchange.done:
            return
        connection = exchange.connection
        if connection is not None:
            address = connection.address
            connection.abort()
        exchange.failed(fault, reason, monotonic(), address)

    def _tick(self) -> None:
        now = monotonic()
        # When this process could not run for a while, answers may lie here that nobody has read:
        # to give these requests up would be to send them again. So they have one tick more.
        self._spared = not self._spared and now - self._tick_at > TICK_S
        late = [] if self._spared else [e for e in self._flying if e.deadline <= now]
        for exchange in late:
            self.abandon(exchange, "timeout", f"no answer in {exchange.target.total_ms} ms")
        connected = False
        for name, pool in list(self._pools.items()):
            pool.trim(now - self.limits.idle_s)
            connected = connected or bool(pool.all)
            if not pool.all and not pool.dialling:
                del self._pools[name]
        again = self._flying or connected
        self._ticker = None
        if again:
            self._tick_in(TICK_S if self._flying else 1.0)

    def _tick_in(self, seconds: float) -> None:
        self._tick_at = monotonic() + seconds
        self._ticker = self._loop.call_later(seconds, self._tick)


class Pool:
    """The connections of one (scheme, host, port, client certificate, proxy)."""

    def __init__(self, client: Client, target: Target) -> None:
        self.client = client
        self.host = target.proxy[0] if target.proxy else target.host
        self.project = target.project
        self.named = literal_address(self.host) is None
        self.all: set[ClientConnection] = set()
        self.dialling = 0
        self.following = False
        self._idle: list[ClientConnection] = []

    def send(self, exchange: HttpExchange) -> None:
        must_know = self.named and self.all and not self.following
        if must_know and not self.client.names.fresh(self.host):
            self.following = True
            self.client.resolve_again(self)
        while self._idle and not exchange.fresh:
            connection = self._idle.pop()
            if not connection.closed:
                connection.start(exchange, exchange.began)
                return
        self.dialling += 1
        self.client.dial(self, exchange)

    def dialled(self, connection: ClientConnection, exchange: HttpExchange) -> None:
        self.all.add(connection)
        if exchange.done or connection.closed:
            if not exchange.done:
                self.client.abandon(exchange, "reset", "closed at once", connection.address)
            connection.abort()
            return
        connection.start(exchange, monotonic())

    def idle(self, connection: ClientConnection, now: float) -> None:
        """An exchange ended well: keep the connection, if there is room."""
        if len(self._idle) >= self.client.limits.idle_per_pool:
            self.all.discard(connection)
            connection.close()
            return
        connection.idle_since = now
        self._idle.append(connection)

    def dropped(self, connection: ClientConnection) -> None:
        self.all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def trim(self, idle_since: float) -> None:
        while self._idle and self._idle[0].idle_since < idle_since:
            connection = self._idle.pop(0)
            self.all.discard(connection)
            connection.close()

    def retire(self, addresses: list[str]) -> None:
        """Use no more what leads elsewhere than to `addresses`."""
        for connection in list(self.all):
            if connection.address not in addresses:
                connection.retired = True
                if connection.exchange is None:
                    connection.abort()


def _since(began: float) -> float:
    return milliseconds(monotonic() - began)


def _reason(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:200]
