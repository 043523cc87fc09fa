"""`python -m tests.fuzz --histories N [--seed S] [--processes P]`: random histories, in number.

Each is decided in one go, in pieces with the standing written and read between, and step by step,
and worked out anew by the slow evaluator. Prints the seeds on which they disagree, the first of
them made small, and a closing summary. Exits with 1 when there was any.
`--count` only counts how many of the histories bring each of the rarer things; `--reminders` has
every history decided by rules that remind, and nothing else, which takes ten times as long;
`--short` has of each of these only the beginning, so that six take no longer than one.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import re
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable

from tests.fuzz.check import differences
from tests.fuzz.erasures import erasure_differences
from tests.fuzz.features import LEAST, features
from tests.fuzz.order_worlds import order_differences
from tests.fuzz.reminders import differences as reminder_differences
from tests.fuzz.reminders import reminded
from tests.fuzz.shrink import described, smaller
from tests.fuzz.worlds import ENTRIES_SHORT, World, seeded, shortened

PROGRESS = 10_000  # a line after so many histories
PATIENCE = 120  # seconds of its own time for one world, of which most take a few hundredths


def one(seed: int) -> tuple[int, list[str], int]:
    """(seed, what differs, how many entries). Histories take turns in the ways in which they are
    decided beside in one go, and one in three is explained. One in ten meets an erasure, one in
    forty is decided again by rules that remind, and one in twenty has orders beside that are told
    whole, again and again."""
    return tried(seed, ordinary)


def only_reminders(seed: int) -> tuple[int, list[str], int]:
    """The same of a history that is decided by rules that remind."""
    return tried(seed, reminding)


def short_reminders(seed: int) -> tuple[int, list[str], int]:
    """The same of the beginning of such a history."""
    return tried(seed, reminding_shortly)


def tried(seed: int, way: Callable[[int], tuple[list[str], int]]) -> tuple[int, list[str], int]:
    patience(PATIENCE)
    try:
        return seed, *way(seed)
    except Exception as wrong:  # noqa: BLE001  (a crash is a finding like any other)
        where = traceback.extract_tb((wrong.__cause__ or wrong).__traceback__)[-1]
        place = f"{where.filename.rsplit('/', 1)[-1]}:{where.lineno}"
        return seed, [f"{type(wrong).__name__}: {wrong} ({place})"], 0
    finally:
        patience(0)


def reminding(seed: int) -> tuple[list[str], int]:
    made = reminded(seed)
    return reminder_differences(made), len(made.entries)


def reminding_shortly(seed: int) -> tuple[list[str], int]:
    made = shortened(reminded(seed, ENTRIES_SHORT), seed)
    return reminder_differences(made, ways=turn(seed)), len(made.entries)


def turn(seed: int) -> tuple[str]:
    """The way in which a history is decided beside in one go."""
    return (("pieces", "steps")[seed % 2],)


def ordinary(seed: int) -> tuple[list[str], int]:
    made = seeded(seed)
    problems = differences(made, ways=turn(seed), explains=seed % 3 == 0)
    if seed % 10 == 9:
        problems += erasure_differences(made, seed)
    if seed % 40 == 21:
        problems += reminder_differences(reminded(seed))
    if seed % 20 == 3:
        more, entries = order_differences(seed)
        return problems + more, len(made.entries) + entries
    return problems, len(made.entries)


def kind(problems: list[str]) -> str:
    """Of which sort the first of some problems is."""
    words = re.sub(r"\d+", "", problems[0])
    return words.split("!=")[0][:60] if "expected" not in words else words[:10]


def patience(seconds: int) -> None:
    """TimeoutError once this process has worked for so long, however busy the machine is."""
    signal.signal(signal.SIGVTALRM, too_long)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)


def too_long(*_: object) -> None:
    raise TimeoutError("a decision never ends")


def made_small(seed: int) -> str:
    """The seed's world, as small as it may be while it is still decided in two ways."""

    def wrong(made: World) -> bool:
        patience(PATIENCE)
        try:
            problems = differences(made)
            return bool(problems) and kind(problems) == sort
        except TimeoutError:
            return False
        finally:
            patience(0)

    made = seeded(seed)
    problems = differences(made)
    if not problems:
        return f"seed {seed}: decided in one go it agrees"
    sort = kind(problems)
    made = smaller(made, wrong)
    return "\n  ".join(
        [f"seed {seed}, made small:", *described(made).splitlines(), *differences(made)]
    )


def counted(seeds: range, processes: int) -> int:
    """Prints how many histories bring each of the rarer things; 1 where they are too few."""
    counts = Counter[str]()
    with multiprocessing.Pool(processes) as pool:
        for brought in pool.imap_unordered(features_of, seeds, 40):
            counts.update(brought)
    few = False
    for feature, least in LEAST.items():
        wants = least * len(seeds) / 10_000
        few |= counts[feature] < wants
        print(f"{counts[feature]:8}  {feature} (at least {wants:.0f})")
    return int(few)


def features_of(seed: int) -> set[str]:
    return features(seeded(seed))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--histories", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--count", action="store_true", help="only count what the worlds bring")
    parser.add_argument("--reminders", action="store_true", help="only with rules that remind")
    parser.add_argument("--short", action="store_true", help="with --reminders: their beginnings")
    parser.add_argument("--show", type=int, default=10, help="failures to print in full")
    arguments = parser.parse_args()
    seeds = range(arguments.seed, arguments.seed + arguments.histories)
    if arguments.count:
        return counted(seeds, arguments.processes)
    reminders = short_reminders if arguments.short else only_reminders
    way = reminders if arguments.reminders else one
    started = time.monotonic()
    entries, first, failed = 0, 0, Counter[str]()
    # A history leaves no cycles: to look for some after each costs a tenth.
    with multiprocessing.Pool(arguments.processes, gc.disable) as pool:
        for done, (seed, problems, count) in enumerate(pool.imap_unordered(way, seeds, 40), 1):
            entries += count
            if problems:
                if failed.total() < arguments.show:
                    print(f"seed {seed}:", *problems, sep="\n  ", flush=True)
                first = first or seed
                failed[kind(problems)] += 1
            if done % PROGRESS == 0:
                rate = done / (time.monotonic() - started)
                print(f"{done} histories, {failed.total()} disagree, {rate:.0f}/s", flush=True)
    took = time.monotonic() - started
    if first and not arguments.reminders:
        print(made_small(first))
    print(
        f"{len(seeds)} histories with {entries} entries from seed {arguments.seed}: "
        f"{failed.total()} disagree; {took:.0f} s, {len(seeds) / took:.0f} histories/s"
    )
    for what, times in failed.most_common(10):
        print(f"  {times} x {what}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
