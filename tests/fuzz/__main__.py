"""`python -m tests.fuzz --histories N [--seed S] [--processes P]`: random histories, in number.

Each is decided in one go, in pieces with the standing written and read between, and step by step,
and worked out anew by the slow evaluator. Prints the seeds on which they disagree, the first of
them made small, and a closing summary. Exits with 1 when there was any.
"""

from __future__ import annotations

import argparse
import multiprocessing
import signal
import sys
import time
import traceback
from collections import Counter
from functools import partial
from random import Random

from tests.fuzz.check import differences
from tests.fuzz.shrink import described, smaller
from tests.fuzz.worlds import World, world

PATIENCE = 30  # seconds for one world, of which most take a few hundredths


def one(seed: int, *, wide: bool) -> tuple[int, list[str], int]:
    """(seed, what differs, how many entries)."""
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(PATIENCE)
    try:
        made = world(Random(seed), wide=wide)
        return seed, differences(made), len(made.entries)
    except Exception as wrong:  # noqa: BLE001  (a crash is a finding like any other)
        where = traceback.extract_tb(wrong.__traceback__)[-1]
        place = f"{where.filename.rsplit('/', 1)[-1]}:{where.lineno}"
        return seed, [f"{type(wrong).__name__}: {wrong} ({place})"], 0
    finally:
        signal.alarm(0)


def too_long(*_: object) -> None:
    raise TimeoutError("a decision never ends")


def made_small(seed: int, *, wide: bool) -> str:
    """The seed's world, as small as it may be while it is still decided in two ways."""

    def wrong(made: World) -> bool:
        signal.alarm(PATIENCE)
        try:
            return bool(differences(made))
        except TimeoutError:
            return False
        finally:
            signal.alarm(0)

    signal.signal(signal.SIGALRM, too_long)
    made = smaller(world(Random(seed), wide=wide), wrong)
    return "\n  ".join(
        [f"seed {seed}, made small:", *described(made).splitlines(), *differences(made)]
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--histories", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--wide", action="store_true", help="rarer rules too, see worlds.world")
    parser.add_argument("--show", type=int, default=10, help="failures to print in full")
    arguments = parser.parse_args()
    seeds = range(arguments.seed, arguments.seed + arguments.histories)
    started = time.monotonic()
    entries, first, failed = 0, 0, Counter[str]()
    with multiprocessing.Pool(arguments.processes) as pool:
        for seed, problems, count in pool.imap_unordered(
            partial(one, wide=arguments.wide), seeds, 20
        ):
            entries += count
            if problems:
                if failed.total() < arguments.show:
                    print(f"seed {seed}:", *problems, sep="\n  ", flush=True)
                first = first or seed
                failed[problems[0].split(":")[0]] += 1
    took = time.monotonic() - started
    if first:
        print(made_small(first, wide=arguments.wide))
    print(
        f"{len(seeds)} histories with {entries} entries from seed {arguments.seed}: "
        f"{failed.total()} disagree; {took:.0f} s, {len(seeds) / took:.0f} histories/s"
    )
    for what, times in failed.most_common(10):
        print(f"  {times} x {what}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
