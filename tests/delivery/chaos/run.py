"""One run: a database, a receiver, two senders, the API and its clients; and a hand that kills."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from time import monotonic, sleep

from tests.delivery.chaos.checker import (
    Owed,
    Place,
    Verdict,
    broken,
    check,
    committed,
    probes_failed,
)
from tests.delivery.chaos.clients import Clients
from tests.delivery.chaos.processes import (
    close,
    heard,
    kill,
    kill_postgres,
    spawn_api,
    spawn_sender,
)
from tests.delivery.chaos.receiver import ChaosReceiver
from tests.delivery.chaos.witness import takeovers, watch
from tests.delivery.rough import Authority
from tests.delivery.world import SECRET, make_world
from tierline.clock import wall
from tierline.endpoints.endpoint import Dated, EndpointSecrets
from tierline.store.database import Database
from tierline.store.embedded_postgres.server import EmbeddedServer

HOST = "receiver.example"
SETTLE_S_MAX = 360  # longer than a breaker waits for its next probe at most
PATIENT = {"schedule": [0.1, 0.2, 0.4, *[0.8] * 60], "jitter": 0.2}


class Run:
    """`go` for so many seconds; then all is calm, and the verdict is what the checker says."""

    def __init__(
        self, folder: Path, seed: int, say: Callable[[str], None] = lambda _: None
    ) -> None:
        self.folder = folder
        self.random = Random(seed)
        self.receiver = ChaosReceiver(seed)
        self.say = say
        self.hosts = folder / "hosts.json"
        self.places: list[Place] = []
        self.senders: list[subprocess.Popen[str]] = []
        self.api: subprocess.Popen[str] | None = None
        self.url = ""
        self.kills = {"sender": 0, "api": 0, "postgres": 0}
        self.recoveries: list[float] = []

    async def go(self, seconds: float) -> Verdict:
        self.server = await asyncio.to_thread(EmbeddedServer.attach_or_start, self.folder / "data")
        try:
            self.database = await Database.open(self.server.url, shards=2)
            await self._prepare()
            await self._chaos(seconds)
            return await self._calm_down()
        finally:
            await self.clients.stop()
            for process in (*self.senders, self.api):
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
        await watch(self.database)
        key = await self.world.catalog.add_key(self.world.project, "native", (), "chaos", wall())
        self.clients = Clients(lambda: self.url, key["key"], self.random.randrange(1 << 30))
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
            self.places.append(Place(path, row.id, row.number, path == "/fifo"))
        self.senders = [await self._start_sender() for _ in range(2)]
        await self._start_api()
        self.clients.start()

    async def _chaos(self, seconds: float) -> None:
        deeds = [self._kill_sender] * 5 + [self._kill_api] * 2 + [self._move_name] * 3
        end, started = monotonic() + seconds, monotonic()
        sure = [self._kill_sender, self._kill_postgres, self._move_name, self._kill_api]
        while sure or monotonic() < end:
            await asyncio.sleep(self.random.uniform(0.5, 2.5))
            deed = sure.pop(0) if sure else self.random.choice(deeds)
            if not sure and self.random.random() < 0.08:
                deed = self._kill_postgres
            await deed()
            if monotonic() - started > seconds / 2:
                await self._right_certificate()

    async def _calm_down(self) -> Verdict:
        """Nobody acts any more, everything is answered, and all that was committed must arrive."""
        await self.clients.stop()
        assert self.api is not None
        kill(self.api)
        self.receiver.calm = True
        self.hosts.write_text(json.dumps({HOST: ["127.0.0.1"]}))
        await self._right_certificate()
        log = await committed(self.database)
        began = monotonic()
        owed = Owed(log, self.places)
        while left := owed.left(self.receiver):
            if monotonic() > began + SETTLE_S_MAX:
                break
            await asyncio.sleep(0.2)
        self.say(f"all calm; after {monotonic() - began:.1f} s these are owed: {left or 'none'}")
        for process in self.senders:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(20)
            close(process)
        takeover_log = await takeovers(self.database), await probes_failed(self.database)
        verdict = check(log, self.receiver, self.places, *takeover_log)
        verdict.broken = await broken(self.database, self.clients.answered)
        self._tell(verdict)
        return verdict

    def _tell(self, verdict: Verdict) -> None:
        answers = dict(self.receiver.answers)
        self.say(f"kills {self.kills}, answers of the receiver {answers}")
        answered, repeated = len(self.clients.answered), self.clients.repeated
        self.say(f"activities answered {answered}, posted again {repeated} times")
        self.say(str(verdict))
        if self.recoveries:
            results = sorted(self.recoveries)
            middle, worst = results[len(results) // 2], results[-1]
            self.say(f"first receipt after a kill: median {middle:.2f} s, worst {worst:.2f} s")

    # Deeds

    async def _kill_sender(self) -> None:
        self.kills["sender"] += 1
        victim = self.senders.pop(self.random.randrange(len(self.senders)))
        kill(victim)
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

    async def _kill_api(self) -> None:
        """In the middle of whatever its clients ask for; they ask again."""
        self.kills["api"] += 1
        assert self.api is not None
        kill(self.api)
        await self._start_api()

    async def _kill_postgres(self) -> None:
        """Senders and the API live on; what they know and could not write, they write later."""
        self.kills["postgres"] += 1
        kill_postgres(self.folder / "data")
        await asyncio.sleep(self.random.uniform(0.1, 0.5))
        old = self.server
        self.server = await asyncio.to_thread(_again, self.folder / "data")
        await asyncio.to_thread(old.close)

    async def _move_name(self) -> None:
        names = self.random.choice([["127.0.0.1"], [], ["10.0.0.1"], ["127.0.0.2", "127.0.0.1"]])
        self.hosts.write_text(json.dumps({HOST: names}))

    async def _right_certificate(self) -> None:
        [place] = [place for place in self.places if place.path == "/wrong"]
        row = self.world.catalog.endpoint(self.world.project, place.id)
        assert row is not None
        body = json.loads(row.body)
        wrong, right = self.certified
        if str(wrong) in body["url"]:
            body["url"] = body["url"].replace(str(wrong), str(right))
            await self.world.catalog.change_endpoint(row.number, now=wall(), body=json.dumps(body))

    async def _start_sender(self) -> subprocess.Popen[str]:
        process = spawn_sender(self.server.url, self.hosts)
        assert await asyncio.to_thread(heard, process) == "ready"
        return process

    async def _start_api(self) -> None:
        """Until it is ready; it gives up itself while PostgreSQL is away, so once more then."""
        line = ""
        while not line:
            self.api = await asyncio.to_thread(spawn_api, self.server.url, self.folder / "api")
            line = await asyncio.to_thread(heard, self.api)
        self.url = json.loads(line)["url"]


def _again(data: Path) -> EmbeddedServer:
    """Start PostgreSQL over what the killed one left; its last backends may need a moment."""
    for _ in range(50):
        with suppress(Exception):
            return EmbeddedServer.attach_or_start(data)
        sleep(0.1)
    return EmbeddedServer.attach_or_start(data)
