"""`make contract`: everything in this folder at once, with as many cases as wanted.

python -m tests.contract --cases 1000000 --workers 2
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import tempfile
import time
from pathlib import Path

from tests.contract import tools
from tests.e2e.process import Served

EXAMPLES = 20  # random requests of schemathesis to each operation; 0: schemathesis is left out
# Requests of our own to one server. They make keys, programs and endpoints by the thousand, and the
# next ones would mostly wait for lists of them.
PART = 20_000
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
            cases = _made_up(server, options)
        began, seed = time.monotonic(), options.seed
        while cases < options.cases:
            cases += _random(directory, min(PART, options.cases - cases), seed)
            seconds = time.monotonic() - began
            print(f"{cases:,} cases in {seconds:,.0f} s, none failed; the last seed was {seed}")
            seed += 1


def _apis(server: Served) -> tuple[tuple[tuple[str, ...], str], ...]:
    """The headers and the document of each API."""
    return (
        ((f"Authorization: Bearer {server.key}",), tools.NATIVE),
        (tools.vendor_headers(server.url, server.key, "voucherify"), tools.VOUCHERIFY),
    )


def _made_up(server: Served, options: argparse.Namespace) -> int:
    """One run of each API by schemathesis; returns how many cases it had. A failure ends it."""
    cases = 0
    for headers, path in _apis(server) if options.examples else ():
        text = tools.try_requests(
            server.url, headers, options.examples, options.seed, options.workers, path
        )
        cases += sum(int(count) for count in CASES.findall(text))
    return cases


def _random(directory: Path, count: int, seed: int) -> int:
    """Requests of our own to a new server, to one API and then to the other; returns how many.
    A failure ends it."""
    with Served(directory / "part") as server:
        apis = _apis(server)
        each = max(1, count // len(apis))
        for headers, path in apis:
            file = tools.document(server.url, directory, path)
            print(tools.random_requests(file, server.url, headers, each, seed).strip(), flush=True)
    shutil.rmtree(directory / "part")
    return each * len(apis)


if __name__ == "__main__":
    main()
