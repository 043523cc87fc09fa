"""One run: a database, a receiver, two senders, a writer; and a hand that kills them."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from time import monotonic, sleep

from tests.sender.chaos.checker import Verdict, check, committed, exposed
from tests.sender.chaos.processes import close, kill, kill_postgres, spawn
from tests.sender.chaos.receiver import ChaosReceiver
from tests.sender.rough import Authority
from tests.sender.world import SECRET, make_world
from tierline.clock import wall
from tierline.sender.endpoint import Dated, EndpointSecrets
from tierline.store.database import Database
from tierline.store.embedded import EmbeddedServer

HOST = "receiver.example"
SETTLE_S_MAX = 120
PATIENT = {"schedule": [0.1, 0.2, 0.4, *[0.8] * 60], "jitter": 0.2}


class Run:
    """`go` for so many seconds; then everything is calm, and `verdict` is what the checker says."""

    def __init__(
        self, folder: Path, seed: int, say: Callable[[str], None] = lambda _: None
    ) -> None:
        self.folder = folder
        self.random = Random(seed)
        self.receiver = ChaosReceiver(seed)
        self.say = say
        self.hosts = folder / "hosts.json"
        self.endpoints: dict[str, str] = {}  # path -> id
        self.senders: list[subprocess.Popen[str]] = []
        self.writer: subprocess.Popen[str] | None = None
        self.bound = 0
        self.kills = {"sender": 0, "writer": 0, "postgres": 0}
        self.recoveries: list[float] = []
        self._writers = 0

    async def go(self, seconds: float) -> Verdict:
        self.server = await asyncio.to_thread(EmbeddedServer.attach_or_start, self.folder / "data")
        try:
            self.database = await Database.open(self.server.url, shards=2)
            await self._prepare()
            await self._chaos(seconds)
            return await self._calm_down()
        finally:
            for process in (*self.senders, self.writer):
                if process is not None and process.poll() is None:
                    kill(process)
            await self.receiver.stop()
            await self.database.close()
            await asyncio.to_thread(self.server.close)

    async def _prepare(self) -> None:
        authority = Authority(self.folder)
        contexts = authority.server(HOST), authority.server("other.example")
        plain, right, wrong = await self.receiver.start(*contexts)
        self.hosts.write_text(json.dumps({HOST: ["127.0.0.1"]}))
        self.world = await make_world(self.database)
        secrets = EndpointSecrets(standard=(Dated(SECRET),), ca=authority.pem)
        self.certified = (wrong, right)
        for path, url, fields in (
            ("/plain", f"http://127.0.0.1:{plain}", {}),
            ("/named", f"http://{HOST}:{plain}", {"in_flight_max": 8}),
            ("/secure", f"https://{HOST}:{right}", {}),
            ("/wrong", f"https://{HOST}:{wrong}", {}),
            ("/fifo", f"http://127.0.0.1:{plain}", {"mode": "fifo"}),
        ):
            row = await self.world.endpoint(
                url + path, secrets=secrets, retry=PATIENT, timeout_ms=2_000, connect_ms=1_000,
                **fields,
            )  # fmt: skip
            self.endpoints[path] = row.id
        self.senders = [await self._start_sender() for _ in range(2)]
        self.writer = await self._start_writer()

    async def _chaos(self, seconds: float) -> None:
        deeds = [self._kill_sender] * 5 + [self._kill_writer] * 2 + [self._move_name] * 3
        end, started = monotonic() + seconds, monotonic()
        sure = [self._kill_sender, self._kill_postgres, self._move_name, self._kill_writer]
        while monotonic() < end:
            await asyncio.sleep(self.random.uniform(0.5, 2.5))
            deed = sure.pop(0) if sure else self.random.choice(deeds)
            if not sure and self.random.random() < 0.08:
                deed = self._kill_postgres
            await deed()
            if monotonic() - started > seconds / 2:
                await self._right_certificate()

    async def _calm_down(self) -> Verdict:
        """The writer stops, everything is answered, and all that was committed must arrive."""
        assert self.writer is not None
        kill(self.writer)
        self.receiver.calm = True
        self.hosts.write_text(json.dumps({HOST: ["127.0.0.1"]}))
        await self._right_certificate()
        log = await committed(self.database)
        verdict = check(log, self.receiver, self.endpoints, self.bound)
        end = monotonic() + SETTLE_S_MAX
        while verdict.lost and monotonic() < end:
            await asyncio.sleep(0.2)
            verdict = check(log, self.receiver, self.endpoints, self.bound)
        for process in self.senders:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(20)
            close(process)
        verdict = check(await committed(self.database), self.receiver, self.endpoints, self.bound)
        self.say(f"kills {self.kills}, answers {dict(self.receiver.answers)}")
        self.say(str(verdict))
        if self.recoveries:
            found = sorted(self.recoveries)
            middle, worst = found[len(found) // 2], found[-1]
            self.say(f"first receipt after a kill: median {middle:.2f} s, worst {worst:.2f} s")
        return verdict

    # Deeds

    async def _kill_sender(self) -> None:
        self.kills["sender"] += 1
        victim = self.senders.pop(self.random.randrange(len(self.senders)))
        kill(victim)
        await asyncio.sleep(0.3)  # what it sent is still in the receiver's sockets
        self.bound += await exposed(self.database, self.receiver, self.endpoints)
        watching = asyncio.create_task(self._recovered("/plain"))
        await asyncio.sleep(self.random.uniform(0, 1))
        self.senders.append(await self._start_sender())
        self.recoveries.append(await watching)

    async def _recovered(self, path: str) -> float:
        """Seconds until something new arrives there; it may not have been the victim's."""
        died = monotonic()
        before = len(self.receiver.endpoints.get(path, {}))
        while len(self.receiver.endpoints.get(path, {})) == before and monotonic() < died + 30:
            await asyncio.sleep(0.01)
        return monotonic() - died

    async def _kill_writer(self) -> None:
        self.kills["writer"] += 1
        assert self.writer is not None
        kill(self.writer)
        self.writer = await self._start_writer()

    async def _kill_postgres(self) -> None:
        """Senders live on; what they know and could not write, they write later."""
        self.kills["postgres"] += 1
        kill_postgres(self.folder / "data")
        await asyncio.sleep(self.random.uniform(0.1, 0.5))
        old = self.server
        self.server = await asyncio.to_thread(_again, self.folder / "data")
        await asyncio.to_thread(old.close)
        self.bound += await self._exposed_again()

    async def _exposed_again(self) -> int:
        """As soon as the database answers: a sender that could not beat for too long gives up."""
        for _ in range(200):
            try:
                return await exposed(self.database, self.receiver, self.endpoints)
            except Exception:  # noqa: BLE001  # it is being killed
                await asyncio.sleep(0.05)
        raise AssertionError("PostgreSQL did not come back")

    async def _move_name(self) -> None:
        known = self.random.choice([["127.0.0.1"], [], ["10.0.0.1"], ["127.0.0.2", "127.0.0.1"]])
        self.hosts.write_text(json.dumps({HOST: known}))

    async def _right_certificate(self) -> None:
        row = self.world.catalog.endpoint(self.world.project, self.endpoints["/wrong"])
        assert row is not None
        body = json.loads(row.body)
        wrong, right = self.certified
        if str(wrong) in body["url"]:
            body["url"] = body["url"].replace(str(wrong), str(right))
            await self.world.catalog.change_endpoint(row.number, now=wall(), body=json.dumps(body))

    async def _start_sender(self) -> subprocess.Popen[str]:
        return await asyncio.to_thread(_ready, "sender", self.server.url, str(self.hosts))

    async def _start_writer(self) -> subprocess.Popen[str]:
        self._writers += 1
        place = (str(self.world.project), str(self.world.program))
        return await asyncio.to_thread(
            _ready, "writer", self.server.url, str(self._writers), *place
        )


def _again(data: Path) -> EmbeddedServer:
    """Start PostgreSQL over what the killed one left; its last backends may need a moment."""
    for _ in range(50):
        with suppress(Exception):
            return EmbeddedServer.attach_or_start(data)
        sleep(0.1)
    return EmbeddedServer.attach_or_start(data)


def _ready(*arguments: str) -> subprocess.Popen[str]:
    process = spawn(*arguments)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    return process
