"""docs/tutorial.md: its commands, as they stand there.

The first half goes from an own program to rules in git. The second half sets up PostgreSQL, makes a
backup and restores it; what needs root or systemd there says so.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

from tests.conftest import scratch
from tests.e2e.process import ROOT, Served
from tests.e2e.test_readme import free_port
from tierline.store.embedded_postgres import cluster
from tierline.store.embedded_postgres.server import EmbeddedServer

BLOCK = re.compile(r"(<!-- not run: .+? -->\n)?^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# What the first half leaves to the second one: its folder of rules and an endpoint.
FIRST_HALF = """
AUTH="authorization: Bearer {key}"
api() {{ path=$1; shift; curl -sS -f "http://localhost:8080/api/$path" -H "$AUTH" "$@"; }}
api programs/club -X PUT --json @{examples}/programs/spend.json
api endpoints --json '{{"url": "http://127.0.0.1:9000/hooks"}}'
TIERLINE_KEY={key} /opt/tierline/bin/tierline save -f loyalty
"""


def commands(half: int) -> list[str]:
    """Every block that does not say why it is not run."""
    page = (ROOT / "docs" / "tutorial.md").read_text().split("## 7. Production")[half]
    return [block for reason, block in BLOCK.findall(page) if not reason]


def picture(first: str) -> list[str]:
    """The lines of an output that the page shows, which begins so."""
    page = (ROOT / "docs" / "tutorial.md").read_text()
    block = next(part for part in page.split("```") if part.lstrip().startswith(first))
    return block.strip().splitlines()


def test_the_first_half_works_as_it_is_written(data_dir: Path, tmp_path: Path) -> None:
    """In one shell, which ends at the first command that fails."""
    for name in ("examples", ".venv"):
        (tmp_path / name).symlink_to(ROOT / name)
    with Served(data_dir) as served:
        port = free_port()
        script = "".join(commands(0))
        for said, meant in {
            "http://localhost:8080": served.url,
            "127.0.0.1:9000": f"127.0.0.1:{port}",
            "receiver.py 9000": f"receiver.py {port}",
        }.items():
            assert said in script
            script = script.replace(said, meant)
        environment = os.environ | {
            "TIERLINE_DATA_DIR": str(data_dir), "TIERLINE_URL": served.url,
            "PYTHONPATH": str(ROOT / "src"),
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
    for line in picture("1 member of club; 1 would move"):
        assert line.rstrip("…").rstrip() in output
    assert "\n  0 of 4 members would move at once; at their next assessment" in output
    assert "1 silver → basic\n" in output
    assert "ann: basic → silver, spend 34,900 since 2024-06-02 from 1 entry;" in output
    received = (tmp_path / "received.txt").read_text()
    assert "(verified)" in received
    assert "tier.joined" in received
    assert '"length": "P24M"' in (tmp_path / "loyalty/programs/club.json").read_text()


def test_the_second_half_works_as_it_is_written(data_dir: Path, tmp_path: Path) -> None:
    """On a PostgreSQL of its own, whose programs come first; root's folders lie elsewhere."""
    prepare, apply, order, back_up, monitor, rotate, reseal = commands(1)
    settings = tmp_path / "tierline.env"
    with scratch() as home, EmbeddedServer.attach_or_start(home):
        host = str(cluster.socket_dir(home / "postgres"))
        environment = {
            "PATH": f"{cluster.binaries()}:{os.environ['PATH']}", "PGHOST": host,
            "PGUSER": cluster.SUPERUSER, "PYTHONPATH": str(ROOT / "src"),
        }  # fmt: skip

        def run(block: str, server: str = "") -> str:
            for said, meant in {
                "runuser -u postgres -- ": "",
                "/opt/tierline/bin/tierline": f"{sys.executable} -m tierline",
                "/etc/tierline.env": str(settings),
                "/backup": str(tmp_path / "backup"),
                "@127.0.0.1/": f"@{quote(host, safe='')}/",
                "https://your-shop.com/": "http://127.0.0.1:9000/",
                "http://localhost:8080": server,
            }.items():
                block = block.replace(said, meant)
            done = subprocess.run(
                ["sh", "-euc", block], cwd=tmp_path, env=environment, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout
            return done.stdout

        run(prepare)
        assert settings.stat().st_mode & 0o777 == 0o600
        first = run(f". {settings}; echo $TIERLINE_SECRET_KEY")
        url = run(f". {settings}; echo $TIERLINE_DATABASE_URL").strip()
        (data_dir / "secret.key").write_text(first)
        with Served(data_dir, "--database-url", url) as served:
            environment["TIERLINE_URL"] = served.url
            run(FIRST_HALF.format(key=served.key, examples=ROOT / "examples"), served.url)
            output = run(apply + order, served.url)
            assert "programs/club: new" in output
            assert ", secret whsec_" in output
            assert '"tier":"silver"' in output
            assert "All equal." in run(back_up)
            assert '"scopes": ["read_metrics"]' in run(monitor)
        run(rotate)
        output = run(reseal)
        assert " secrets sealed anew.\n" in output
        assert "; sealed with a former key: 0\n" in output
        assert run(f". {settings}; echo $TIERLINE_SECRET_KEY").endswith(f" {first}")
