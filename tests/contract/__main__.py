"""`make contract`: everything in this folder at once, with as many cases as wanted.

python -m tests.contract --cases 1000000 --workers 2
"""

from __future__ import annotations

import argparse
import random
import re
import tempfile
import time
from pathlib import Path

from tests.contract import tools
from tests.e2e.process import Served

EXAMPLES = 20  # random requests of schemathesis to each operation; 0: schemathesis is left out
PART = 50_000  # requests of our own to one API, before it is the other's turn
CASES = re.compile(r"^  (\d+) generated", re.MULTILINE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=5_000, help="stop when so many were tried")
    parser.add_argument("--examples", type=int, default=EXAMPLES)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tierline-contract-") as name:
        directory = Path(name)
        with Served(directory / "data") as server:
            file = tools.document(server.url, directory)
            for path in (tools.NATIVE, tools.VOUCHERIFY):
                print(tools.validate(tools.document(server.url, directory, path)).strip())
            print("Python:", tools.call_from_python(file, server.url, server.key).strip())
            print("TypeScript:", tools.call_from_typescript(file, server.url, server.key).strip())
            _cases(server, directory, options)


def _cases(server: Served, directory: Path, options: argparse.Namespace) -> None:
    """One run of each API by schemathesis; then requests of our own in number, with other seeds,
    until there were enough. A failure ends it."""
    cases, began, seed = 0, time.monotonic(), options.seed
    apis = (
        ((f"Authorization: Bearer {server.key}",), tools.NATIVE),
        (tools.vendor_headers(server.url, server.key, "voucherify"), tools.VOUCHERIFY),
    )
    for headers, path in apis if options.examples else ():
        text = tools.try_requests(
            server.url, headers, options.examples, seed, options.workers, path
        )
        cases += sum(int(count) for count in CASES.findall(text))
    while cases < options.cases:
        more = max(1, min(PART, (options.cases - cases) // len(apis)))
        for headers, path in apis:
            file = tools.document(server.url, directory, path)
            print(tools.random_requests(file, server.url, headers, more, seed).strip())
            cases += more
        seconds = time.monotonic() - began
        print(f"{cases:,} cases in {seconds:,.0f} s, none failed; the last seed was {seed}")
        seed += 1


if __name__ == "__main__":
    main()
