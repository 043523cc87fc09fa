"""Commands of pages beside the first ones, as they stand there, in one shell a page."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.conftest import scratch
from tests.e2e.process import ROOT, Served
from tierline.store.embedded_postgres import cluster
from tierline.store.embedded_postgres.server import EmbeddedServer

BLOCK = re.compile(r"(<!-- not run: .+? -->\n)?^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(page: str) -> list[str]:
    """Every block that does not say why it is not run."""
    text = (ROOT / "docs" / page).read_text()
    return [block for reason, block in BLOCK.findall(text) if not reason]


def run(script: str, folder: Path, /, **variables: str) -> str:
    """What a shell prints that ends at the first command that fails."""
    path = f"{ROOT / '.venv' / 'bin'}:{cluster.binaries()}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-euc", script], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={"PATH": path, "PYTHONPATH": str(ROOT / "src")} | variables, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("cookbook.md", ['"name":"Spend in twelve months"']),
        (
            "loyaltylion.md",
            [
                '{"customers":[],"cursor":{"prev":null,"next":null}}',
                '":["https://app.example.com/callback"]}',
            ],
        ),
        ("voucherify.md", ['"target_url":"https://example.com/hook"']),
    ],
)
def test_a_page_beside_a_server(
    page: str, said: list[str], standing_server: Served, tmp_path: Path
) -> None:
    """Their answers are those that the page is for, the last one's among them."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    script = "".join(commands(page)).replace("curl ", "curl -sS --fail-with-body ")
    assert "localhost:8080" in script

    output = run(
        script.replace("localhost:8080", standing_server.url.removeprefix("http://")),
        tmp_path,
        AUTH=f"authorization: Bearer {standing_server.key}",
        TIERLINE_DATA_DIR=str(standing_server.data_dir),
    )

    assert [each for each in said if each not in output] == []
    assert said[-1] in output.splitlines()[-1]


def test_a_backup_by_operating_md_is_restored(data_dir: Path, tmp_path: Path) -> None:
    """While it runs by `pg_dump`, while it is stopped by a copy; elsewhere it is found whole. And
    `copy` takes it into a database of its own."""
    dump_own, copy, dump_embedded, restore, look, move = (
        block.replace("/var/lib/tierline-restored", str(tmp_path / "restored"))
        .replace("/var/lib/tierline", str(data_dir))
        .replace("/backup", str(tmp_path / "backup"))
        .replace("runuser -u postgres -- ", "")
        for block in commands("operating.md")
    )
    dump = tmp_path / "backup" / "tierline.dump"
    with Served(data_dir):
        with EmbeddedServer.attach_or_start(data_dir) as embedded:
            run(dump_own, tmp_path, TIERLINE_DATABASE_URL=embedded.url)
        assert dump.read_bytes().startswith(b"PGDMP")
        dump.unlink()
        run(dump_embedded, tmp_path)
    run(copy, tmp_path)
    assert (tmp_path / "backup" / "tierline" / "secret.key").exists()
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o700

    with scratch() as home, EmbeddedServer.attach_or_start(home):
        host = str(cluster.socket_dir(home / "postgres"))

        def there(script: str) -> str:
            script = script.replace("@127.0.0.1/", f"@{quote(host, safe='')}/")
            return run(script, tmp_path, PGHOST=host, PGUSER=cluster.SUPERUSER)

        there("psql -c \"CREATE ROLE tierline LOGIN PASSWORD 'PASSWORD'\"")
        there(restore)
        whole = there(look)
        there("createdb --owner tierline tierline")
        moved = there(move)

    assert "ok  secrets: the key opens them, projects: 1" in whole
    assert whole.endswith("All equal.\n")
    assert "counted and compared" in moved
    assert "ok  secrets: the key opens them, projects: 1" in moved
