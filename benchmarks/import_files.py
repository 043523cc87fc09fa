"""Files to import: a history, and one whose lines are dirty in one of twenty ways now and then."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from msgspec import Struct

from benchmarks.costs import database_cpu
from tierline.ledger.files.importer import BATCH, Importer
from tierline.ledger.files.progress import Imported
from tierline.ledger.writer import Writer
from tierline.model.tenant import Project
from tierline.store.catalog.catalog import Catalog
from tierline.store.database import Database

EVERY = 100  # lines to one dirty one
HEADING = b"customer,kind,points,amount,key,of,occurred_at,metadata.country\n"
_CLEAN = "c%d,earn,10,,%s%d,,2024-01-01T00:00:00Z,DE\n"
# Each with the number of its line, for its key.
DIRT = (
    b",earn,10,,d%d,,,DE\n",
    b" ada,earn,10,,d%d,,,DE\n",
    b"a\0da,earn,10,,d%d,,,DE\n",
    b"%s,earn,10,,d%%d,,,DE\n" % (b"x" * 300),
    b"..,earn,10,,d%d,,,DE\n",
    b"ada,Earn,10,,d%d,,,DE\n",
    b"ada,,10,,d%d,,,DE\n",
    b"ada,earn,,,d%d,,,DE\n",
    b"ada,earn,0,,d%d,,,DE\n",
    b"ada,earn,five,,d%d,,,DE\n",
    b"ada,earn,1e3,,d%d,,,DE\n",
    b'ada,earn,"12,50",,d%d,,,DE\n',
    b"ada,order,,,d%d,,,DE\n",
    b"ada,earn,10,,d%d,,01/02/2024,DE\n",
    b"ada,earn,10,,d%d,,2099-01-01T00:00:00Z,DE\n",
    b'ada,earn,10,,d%d,,,"DE\n',
    b'ada,earn,10,,d%d,,,"D"E\n',
    b"ada,earn,10,,d%d,,,J\xf6\n",
    b"ada,earn,10,,d%d\n",
    b"nobody,redeem,1000000,,d%d,,,DE\n",
)
_LINE = re.compile(r"\bline (\d+)")


class Place(Struct, frozen=True):
    """The program that a file goes into."""

    database: Database
    catalog: Catalog
    project: Project
    program: int


class Ran(Struct, frozen=True):
    """One run. `cpu`: seconds, PostgreSQL's included, which other work on the machine lengthens
    less than the time. `memory`: resident bytes at the tenths of the file."""

    done: Imported
    rate: float
    cpu: float
    memory: tuple[int, ...]

    @property
    def cpu_us(self) -> float:
        """Of a record."""
        return self.cpu / self.done.records * 1e6

    def note(self, *, exact: bool) -> str:
        memory = " ".join(f"{each / 2**20:.0f}" for each in self.memory)
        which = "exactly" if exact else "NOT"
        return f"{self.done.refused:,} refused, {which} the dirty ones; MB at the tenths: {memory}"


def write(path: Path, count: int, people: int, prefix: str, *, dirty: bool) -> set[int]:
    """Writes so many records; returns the numbers of the dirty lines."""
    lines = set()
    with path.open("wb") as file:
        file.write(HEADING)
        for i in range(count):
            if dirty and i % EVERY == EVERY // 2:
                lines.add(i + 2)
                file.write(DIRT[i // EVERY % len(DIRT)] % i)
            else:
                file.write((_CLEAN % (i * 7919 % people, prefix, i)).encode())
    return lines


class Compared(Struct, frozen=True):
    """A dirty run between two clean ones: each finds more entries than the one before, and is
    slower for that alone. `exact`: the dirty lines were refused, and no other."""

    before: Ran
    dirty: Ran
    after: Ran
    exact: bool

    @property
    def rate(self) -> float:
        """Of the clean runs, a second."""
        return 2 / (1 / self.before.rate + 1 / self.after.rate)

    @property
    def cpu_us(self) -> float:
        """Of a record of the clean runs."""
        return (self.before.cpu_us + self.after.cpu_us) / 2


async def compare(place: Place, count: int, people: int) -> Compared:
    with TemporaryDirectory() as folder:
        path, rejects = Path(folder) / "history.csv", Path(folder) / "rejects.csv"
        await asyncio.to_thread(write, path, count, people, "c", dirty=False)
        before = await run(place, path, rejects)
        lines = await asyncio.to_thread(write, path, count, people, "k", dirty=True)
        ran = await run(place, path, rejects)
        exact = ran.done.refused == len(lines) and refused_lines(rejects) == lines
        await asyncio.to_thread(write, path, count, people, "z", dirty=False)
        after = await run(place, path, Path(folder) / "none.csv")
    return Compared(before, ran, after, exact)


async def run(place: Place, path: Path, rejects: Path) -> Ran:
    """Imports a file as the command does."""
    memory: list[int] = []
    process = psutil.Process()

    def note(done: Imported) -> None:
        if done.records >= (len(memory) + 1) * total // 10:
            memory.append(process.memory_info().rss)

    with path.open("rb") as file:
        total = sum(1 for _ in file) - 1
    writer = Writer(place.database, place.catalog, lambda _: None, batch_max=BATCH)
    await writer.start()
    began, before = time.perf_counter(), await _cpu(place)
    importer = Importer(place.database, place.catalog, writer, place.project, place.program)
    done = await importer.run(path, note, rejects=rejects)
    rate = done.records / (time.perf_counter() - began)
    cpu = await _cpu(place) - before
    await writer.stop()
    return Ran(done, rate, cpu, tuple(memory))


async def _cpu(place: Place) -> float:
    return time.process_time() + await database_cpu(place.database)


def write_history(path: Path, count: int, people: int) -> None:
    with path.open("w") as file:
        for i in range(count):
            file.write(f'{{"customer":"c{i * 7919 % people}","kind":"earn","points":10}}\n')


def refused_lines(rejects: Path) -> set[int]:
    """The lines that the file of rejects names."""
    text = rejects.read_text(encoding="utf-8", errors="replace")
    return {int(match[1]) for match in _LINE.finditer(text)}
