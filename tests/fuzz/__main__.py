"""`python -m tests.fuzz --histories N [--seed S] [--processes P]`: random histories, in number.

Prints the seed of the first worlds on which engine and evaluator disagree, and a summary.
"""

from __future__ import annotations

import argparse
import multiprocessing
import signal
import sys
import time
import traceback
from collections import Counter
from random import Random

from tests.fuzz.check import differences
from tests.fuzz.worlds import world

PATIENCE = 30  # seconds for one world, of which most take a few hundredths


def one(seed: int) -> tuple[int, list[str], int, int]:
    """(seed, what differs, how many entries, how many events)."""
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(PATIENCE)
    try:
        made = world(Random(seed))
        return seed, differences(made), len(made.entries), 0
    except Exception as wrong:  # noqa: BLE001  (a crash is a finding like any other)
        where = traceback.extract_tb(wrong.__traceback__)[-1]
        place = f"{where.filename.rsplit('/', 1)[-1]}:{where.lineno}"
        return seed, [f"{type(wrong).__name__}: {wrong} ({place})"], 0, 0
    finally:
        signal.alarm(0)


def too_long(*_: object) -> None:
    raise TimeoutError("a decision never ends")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--histories", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--show", type=int, default=10, help="failures to print in full")
    arguments = parser.parse_args()
    seeds = range(arguments.seed, arguments.seed + arguments.histories)
    started = time.monotonic()
    entries, failed = 0, Counter[str]()
    with multiprocessing.Pool(arguments.processes) as pool:
        for seed, problems, count, _ in pool.imap_unordered(one, seeds, chunksize=50):
            entries += count
            if problems:
                if failed.total() < arguments.show:
                    print(f"seed {seed}:", *problems, sep="\n  ")
                failed[problems[0].split(":")[0]] += 1
    took = time.monotonic() - started
    print(
        f"{len(seeds)} histories with {entries} entries from seed {arguments.seed}: "
        f"{failed.total()} disagree; {took:.0f} s, {len(seeds) / took:.0f} histories/s"
    )
    for what, times in failed.most_common(10):
        print(f"  {times} x {what}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
