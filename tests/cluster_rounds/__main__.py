"""`python -m tests.cluster_rounds --citus-bin DIR [--rounds N] [--seed S]`: nodes are killed.

It starts a coordinator and three workers of its own on loopback, in a temporary folder, makes a
distributed installation, and lets two whole servers work on it while clients post to all nodes. In
each round one node's whole PostgreSQL is killed by `kill -9`, or halted: a worker, the coordinator,
either while a shard is moved, either while `tierline copy` fills another database of the cluster.
When it is back and all is quiet, everything since the beginning is compared with what the clients
were answered. Exits with 1 when something was lost, doubled or out of order.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from random import Random
from time import monotonic

from tests.cluster_rounds.copying import Copies
from tests.cluster_rounds.rounds import Outcome, Rounds
from tests.cluster_rounds.stage import Stage, say
from tests.cluster_rounds.verdict import Verdict
from tests.postgres_nodes import LocalCluster, PostgresNode, free_ports, owned

WORKERS = 3
KINDS = (
    *("worker", "coordinator", "silent", "move-worker"),
    *("copy-worker", "move-coordinator", "copy-coordinator"),
)
PACE_MIN = 0.9  # of before, at nodes that are there


def describe(number: int, kind: str, outcome: Outcome) -> float:
    """Says what happened; the lowest share of its pace that a node kept that was there."""
    say(f"round {number}, {kind}: {outcome.killed}, away {outcome.away:.0f} s")
    least = 1.0 if not outcome.before else float("inf")
    for place, before in outcome.before.items():
        during = outcome.during[place]
        share = during.rate / before.rate if before.rate else 0.0
        there = place not in outcome.affected
        least = min(least, share) if there else least
        say(f"  {place:<16} {'there' if there else 'hit  '} before {before}")
        say(f"  {'':<22} during {during}: {share:.2f}")
    for place, count in outcome.webhooks_before.items():
        rates = f"before {count:.1f}/s, during {outcome.webhooks_during[place]:.1f}/s"
        say(f"  webhooks about {place}: {rates}")
    if outcome.before:
        say("  CPU of the machine: before {:.0f} %, during {:.0f} %".format(*outcome.cpu))
    say(f"  servers ready {outcome.ready_after:.1f} s after it was back")
    refusals = ", ".join(f"{count} {code}" for code, count in outcome.refusals.items()) or "none"
    say(f"  refused, then repeated: {refusals}; the slowest activity took {outcome.worst_s:.1f} s")
    for note in outcome.findings.notes:
        say(f"  {note}")
    return least


def judge(verdict: Verdict, repeated: int) -> None:
    faults = ", ".join(f"{n} {name}" for name, n in verdict.faults.items())
    lost = "0 lost, 0 doubled, 0 out of order" if not faults else f"FAULTS: {faults}"
    say(f"  {verdict.activities} activities, {verdict.events} events: {lost}")
    say(f"  webhooks sent again with the same id: {verdict.repeated - repeated}")
    for example in verdict.examples:
        say(f"    {example}")


async def play(stage: Stage, plain: PostgresNode, options: argparse.Namespace) -> int:
    faults, slow, verdict = Counter[str](), 0, Verdict()
    async with stage.set():
        copies = Copies(stage, plain)
        rounds = Rounds(stage, copies, options.away, options.briefly)
        say(f"shards by node: {await stage.places()}")
        for number in range(1, options.rounds + 1):
            kind = options.kinds[(number - 1) % len(options.kinds)]
            if kind.startswith("copy"):
                await copies.prepare()
            began = monotonic()
            outcome = await rounds.play(kind, number)
            least = describe(number, kind, outcome)
            slow += least < PACE_MIN
            for fault in outcome.findings.faults:
                say(f"  FAULT: {fault}")
                faults["in a round"] += 1
            repeated = verdict.repeated
            verdict = await stage.verify()
            judge(verdict, repeated)
            faults |= Counter(verdict.faults)
            say(f"  round {number} took {monotonic() - began:.0f} s")
    say(
        f"{options.rounds} rounds, {verdict.activities} activities, {verdict.events} events,"
        f" {verdict.repeated} webhooks sent twice: "
        + (f"NOT SOUND {dict(faults)}" if faults else "0 lost, 0 doubled, 0 out of order")
        + f"; slower than {PACE_MIN} at a node that was there: {slow} rounds"
    )
    return 1 if faults else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster_rounds", description=__doc__)
    parser.add_argument("--citus-bin", type=Path, help="the folder of a `postgres` that has Citus")
    parser.add_argument("--rounds", type=int, default=len(KINDS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", default=",".join(KINDS), help="which, in which order")
    parser.add_argument("--shards", type=int, default=16)
    parser.add_argument("--rate", type=float, default=10.0, help="activities/s at each node")
    parser.add_argument("--away", type=float, default=20.0, help="seconds, where pace is measured")
    parser.add_argument("--briefly", type=float, default=5.0, help="seconds, in all other rounds")
    parser.add_argument("--port", type=int, help="the first of five; default: free ones")
    parser.add_argument("--keep", action="store_true", help="leave the folder, with all logs")
    options = parser.parse_args()
    # However we are stopped, what we started is stopped, too; a shell's `&` has us ignore Ctrl-C.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    options.kinds = options.kinds.split(",")
    programs = options.citus_bin or Path(shutil.which("postgres") or "missing").parent
    count = WORKERS + 2
    ports = list(range(options.port, options.port + count)) if options.port else free_ports(count)
    folder = Path(tempfile.mkdtemp(prefix="tierline-rounds-"))
    servers = folder / "servers"
    servers.mkdir()
    folder.chmod(0o755)
    owned(servers)
    plain = PostgresNode(programs, servers, ports.pop(), {})
    say(f"{options.rounds} rounds from seed {options.seed} in {folder}")
    try:
        with LocalCluster(programs, servers, ports) as nodes:
            stage = Stage(folder, nodes, options.shards, options.rate, Random(options.seed), say)
            return asyncio.run(play(stage, plain, options))
    finally:
        plain.stop()
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
