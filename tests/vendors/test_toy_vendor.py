"""The vendor of docs/architecture.md, added as it is written there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.tidy.repository import DOCS, ROOT

REGISTRY = Path("tierline", "vendors", "registry.py")


def blocks() -> list[str]:
    """The section's code: the vendor, its routes, its line of the registry."""
    section = (DOCS / "architecture.md").read_text().partition("## Adding a vendor")[2]
    code = re.findall(r"^   ```(?:python|text)\n(.*?)^   ```$", section, re.MULTILINE | re.DOTALL)
    return [re.sub(r"^   ", "", code, flags=re.MULTILINE) for code in code]


def files(root: Path) -> dict[Path, bytes]:
    return {
        path.relative_to(root): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def test_a_vendor_is_one_folder_and_one_line(tmp_path: Path, database_url: str) -> None:
    """Its format, options, preset, headers, settings, keys, names and routes work in a server."""
    vendor, routes, line = blocks()
    source = tmp_path / "src"
    shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
    before = files(source)
    toy = source / "tierline" / "vendors" / "toy"
    for path, code in (("__init__.py", ""), ("vendor.py", vendor), ("api/__init__.py", routes)):
        (toy / path).parent.mkdir(exist_ok=True)
        (toy / path).write_text(code)
    registry = (source / REGISTRY).read_text()
    last = '    _vendor("standard"),\n'
    (source / REGISTRY).write_text(registry.replace(last, last + line))

    done = subprocess.run(
        [sys.executable, "-m", "tests.vendors.toy_tour", database_url, str(tmp_path)],
        cwd=ROOT, env={"PYTHONPATH": f"{source}:{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    after = files(source)
    added = {path.parts[:3] for path in after.keys() - before.keys()}
    changed = [path for path in before if before[path] != after[path]]
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == TOUR
    assert added == {("tierline", "vendors", "toy")}
    assert changed == [REGISTRY]
    assert len(after[REGISTRY].splitlines()) == len(before[REGISTRY].splitlines()) + 1


TOUR = [
    "key kind toy, signs with the project's secret: True",
    "program 201, tiers Wooden, Golden",
    "endpoint 201, shout True, preset toy, its own deadline 3000 ms",
    "header refused: 400 invalid headers.X-Toy-Signature",
    "project's toy_program: arcade",
    "player pl-1 belongs to ann",
    'webhook {"topic":"LEVEL.UP","player":"ann","level":"golden"}, signed: True',
    "test event level.up in upper case: LEVEL.UP",
    'routes of its own: {"projects":1}',
    "described: shout toy_program level.up",
]
