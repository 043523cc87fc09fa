"""The processes that are killed: senders, the API, and PostgreSQL.

`python -m tests.delivery.chaos.processes URL HOSTS` is a sender; the API is `tierline serve`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import uvloop
from msgspec.structs import replace

from tests.delivery.world import BOX, LOOPBACK
from tierline.delivery import dispatcher as sending
from tierline.delivery.delivery import Delivery
from tierline.delivery.endpoint_worker import EndpointWorker
from tierline.delivery.subscription import Subscription
from tierline.endpoints import compiled_endpoint
from tierline.endpoints.compiled_endpoint import SignedRequest
from tierline.endpoints.settings import SenderSettings
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.secret_box import KEY_VARIABLE
from tierline.store.database import Database
from tierline.store.event_log import LogEvent
from tierline.transport.resolver import Resolver
from tierline.vendors.registry import FORMATS

ROOT = Path(__file__).parents[3]
SETTINGS = SenderSettings(
    allow=LOOPBACK,
    beat_ms=400,
    dead_ms=2_000,
    flush_ms=5,
    stop_ms=5_000,
    slots=128,
    probe_again_ms=1_000,
)
KEY = base64.b64encode(bytes(32)).decode()  # of tests.delivery.world.BOX


def spawn_sender(url: str, hosts: Path) -> subprocess.Popen[str]:
    """It lives until it is killed, or its stdin closes."""
    return _spawn("tests.delivery.chaos.processes", url, str(hosts))


def spawn_api(url: str, data_dir: Path) -> subprocess.Popen[str]:
    """The API and the sweeper, as people start them; events are the senders' work."""
    place = ("--database-url", url, "--data-dir", str(data_dir), "--port", "0")
    return _spawn("tierline", "serve", *place, "--roles", "api,sweeper")


def _spawn(module: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", KEY_VARIABLE: KEY},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def heard(process: subprocess.Popen[str]) -> str:
    """Its next line; "" when it has ended."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


class Marked(EndpointWorker):
    """Its requests say under which generation they left, and when: that decides what a repetition
    means, and the time of their arrival cannot tell it."""

    def _request(
        self, subscription: Subscription, delivery: Delivery[LogEvent], now: int
    ) -> SignedRequest | None:
        request = super()._request(subscription, delivery, now)
        if request is None:
            return None
        first, _, rest = request.wire.partition(b"\r\n")
        mark = b"chaos-generation: %d\r\nchaos-left: %d" % (subscription.generation, now)
        return replace(request, wire=b"\r\n".join((first, mark, rest)))


async def sender(url: str, hosts: str) -> None:
    """Sends until stdin closes. Names are looked up in a file that the test rewrites. Receiver and
    database are told which process speaks."""

    async def lookup(host: str) -> list[str]:
        names: dict[str, list[str]] = json.loads(Path(hosts).read_text())
        if not names.get(host):
            raise OSError(f"no address for {host}")
        return names[host]

    compiled_endpoint.USER_AGENT = f"chaos-{os.getpid()}"
    sending.EndpointWorker = Marked  # type: ignore[attr-defined]
    database = await _opened(f"{url}{'&' if '?' in url else '?'}chaos.process={os.getpid()}")
    catalog = await Catalog.open(database, BOX)
    names = Resolver(lookup, ttl_s=0.2)
    made = sending.Dispatcher(database, catalog, FORMATS, SETTINGS, names=names)
    await made.start()
    watch = asyncio.create_task(catalog.watch())
    say("ready")
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    watch.cancel()
    await made.stop()
    await database.close()


async def _opened(url: str) -> Database:
    """While PostgreSQL starts again, its server says so; anything else is an error."""
    for _ in range(100):
        with contextlib.suppress(Exception):
            return await Database.open(url)
        await asyncio.sleep(0.1)
    return await Database.open(url)


def say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
    close(process)


def close(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def kill_postgres(data_dir: Path) -> None:
    """The postmaster and, with it, every backend."""
    pid = int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    uvloop.run(sender(*sys.argv[1:]))
