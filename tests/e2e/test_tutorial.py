"""docs/tutorial.md: its commands, from an own program to rules in git, as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests.e2e.process import ROOT, Served
from tests.e2e.test_readme import free_port

BLOCK = re.compile(r"(<!-- not run: .+? -->\n)?^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands() -> str:
    """Every block that does not say why it is not run."""
    page = (ROOT / "docs" / "tutorial.md").read_text()
    return "".join(block for reason, block in BLOCK.findall(page) if not reason)


def test_the_first_half_works_as_it_is_written(data_dir: Path, tmp_path: Path) -> None:
    """In one shell, which ends at the first command that fails."""
    for name in ("examples", ".venv"):
        (tmp_path / name).symlink_to(ROOT / name)
    with Served(data_dir) as served:
        port = free_port()
        script = commands()
        for said, meant in {
            "http://localhost:8080": served.url,
            "127.0.0.1:9000": f"127.0.0.1:{port}",
            "receiver.py 9000": f"receiver.py {port}",
            "sleep 2; cat received.txt": "until grep -q verified received.txt; do sleep 0.1; done",
        }.items():
            assert said in script
            script = script.replace(said, meant)
        environment = os.environ | {
            "TIERLINE_DATA_DIR": str(data_dir), "TIERLINE_URL": served.url
        }  # fmt: skip
        # Into a file: the receiver would hold a pipe open after a command that failed.
        with (tmp_path / "output.txt").open("w+") as file:
            stopped = "trap 'kill $receiver 2>&1 || true' EXIT; receiver=;"
            done = subprocess.run(
                ["sh", "-euc", stopped + script], cwd=tmp_path, env=environment, stdout=file,
                stderr=subprocess.STDOUT, timeout=120, check=False,
            )  # fmt: skip
            file.seek(0)
            output = file.read()

    assert done.returncode == 0, output
    assert '"tier":"silver"' in output
    assert '"grace_until":"2026-04' in output
    assert "tier.joined" in (tmp_path / "received.txt").read_text()
    assert '"from": 20000' in (tmp_path / "loyalty/programs/club.json").read_text()
