"""Two versions by turns: what an activity costs in CPU, online and by NDJSON.

    git worktree add /tmp/before COMMIT
    python -m benchmarks.bench_versions /tmp/before [--rounds 5] [--rows online,bulk]

Each round measures either version's own rows, in its own checkout, on a database of its own, one
right after the other and each first every second time. Of the pairs the ratio counts.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median

HERE = Path(__file__).parents[1]
CPU = re.compile(r"^\| (?P<work>[^|]+?) \|.*server (?P<us>\d+) us CPU each", re.MULTILINE)


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_versions")
    parser.add_argument("before", type=Path, help="a checkout of the version to compare with")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", default="online,bulk")
    options = parser.parse_args()
    ratios: dict[str, list[float]] = defaultdict(list)
    for nth in range(options.rounds):
        for row in options.rows.split(","):
            folders = [options.before, HERE] if nth % 2 == 0 else [HERE, options.before]
            sides = {folder: await cpu(folder, row) for folder in folders}
            for work, us in sides[HERE].items():
                if former := sides[options.before].get(work):
                    ratios[work].append(us / former)
                    sys.stderr.write(f"round {nth + 1}, {work}: {us} us, before {former} us\n")
    for work, pairs in ratios.items():
        spread = f"{min(pairs):.2f} to {max(pairs):.2f}"
        sys.stdout.write(f"{work}: {median(pairs):.3f} of before (median of {spread})\n")


async def cpu(checkout: Path, row: str) -> dict[str, int]:
    """Microseconds of the server's CPU an activity, by what was measured."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks", row, "--markdown"),
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": f"{checkout / 'src'}:{checkout}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    printed, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"{row} in {checkout} ended with {process.returncode}")
    return {m["work"]: int(m["us"]) for m in CPU.finditer(printed.decode())}


if __name__ == "__main__":
    asyncio.run(main())
