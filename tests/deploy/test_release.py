"""What a release brings beside the wheel: a manual page, and a list of what it consists of."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import click
from click.testing import CliRunner

from tests.test_docs import commands
from tierline import __version__
from tierline.cli import main

ROOT = Path(__file__).parents[2]


def test_the_manual_has_every_command_and_option() -> None:
    """And nothing in a text is a request to the formatter."""
    page = CliRunner().invoke(main, ["manual"]).output

    assert page.startswith(f'.TH TIERLINE 1 "" "tierline {__version__}"')
    for path, command in commands():
        assert f".SS tierline {' '.join(path)}".replace("-", "\\-") in page
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.opts[0].replace("-", "\\-") in page
    requests = {line.split()[0] for line in page.splitlines() if line.startswith((".", "'"))}
    assert requests <= {".TH", ".SH", ".SS", ".TP", ".B", ".I"}


def test_the_bill_of_materials_names_every_pin() -> None:
    """With this version and a hash of each package."""
    printed = subprocess.run(
        [sys.executable, ROOT / ".ci" / "sbom"], capture_output=True, check=True
    ).stdout
    bill = json.loads(printed)
    pins = re.findall(r"^([\w.-]+)==", (ROOT / "requirements.txt").read_text(), re.MULTILINE)

    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["version"] == __version__
    assert [each["name"] for each in bill["components"]] == pins
    assert all(each["properties"] for each in bill["components"])
