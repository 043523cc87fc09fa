"""One sender process; reports what it used. Commands come on stdin, answers go to stdout.

start               begin sending
wake                events were committed (what the writer does in one process)
report              CPU seconds, statements, deliveries, memory now and at most
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys

import psutil
import uvloop

from benchmarks.delivery.floor import peak_mb
from benchmarks.delivery.stock import BOX
from tierline import logging
from tierline.commands.installation_options import settle_memory
from tierline.delivery.dispatcher import Dispatcher
from tierline.endpoints.settings import SenderSettings
from tierline.store.catalog.catalog import Catalog
from tierline.store.database import Database
from tierline.vendors.registry import FORMATS


async def main(url: str, settings: str) -> None:
    logging.configure()  # to stderr: what is printed here is read
    database = await Database.open(url)
    catalog = await Catalog.open(database, BOX)
    options = json.loads(settings)
    # As the server does: most of what is made lives for one delivery and is in no cycle.
    settle_memory()
    sender = Dispatcher(database, catalog, FORMATS, SenderSettings(**options))
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print("ready", flush=True)
    while line := (await reader.readline()).decode().strip():
        if line == "start":
            await sender.start()
            print("started", flush=True)
        elif line == "wake":
            for shard in range(database.shards):
                sender.wake(shard)
        elif line == "report":
            print(json.dumps(report(sender)), flush=True)
    await sender.stop()
    await database.close()


def report(sender: Dispatcher) -> dict[str, float]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "cpu_s": used.ru_utime + used.ru_stime,
        "user_s": used.ru_utime,
        "statements": sender.log.statements,
        "deliveries": sender.metrics.deliveries,
        "flushes": sum(sender.metrics.flushes.counts),
        "rss_mb": psutil.Process().memory_info().rss / 1e6,
        "peak_mb": peak_mb(),
    }


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2]))
