"""`python -m tests.delivery.chaos --minutes 10 --seed 1`"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.delivery.chaos.processes import say
from tests.delivery.chaos.run import Run


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill and misbehave; then count.")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tl-chaos-") as folder:
        verdict = asyncio.run(Run(Path(folder), options.seed, say).go(options.minutes * 60))
    sys.stdout.write("sound\n" if verdict.sound else "NOT SOUND\n")
    sys.exit(not verdict.sound)


if __name__ == "__main__":
    main()
